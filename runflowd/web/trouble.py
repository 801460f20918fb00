"""What keeps the page from its work: an error at the start, an incident later on."""

from __future__ import annotations

from runflowd.errors import RunflowdError


class WebTrouble(RunflowdError):
    """The listener cannot have what `web` names. `code` is that of the incident, `place` what to correct."""

    code = "ADDRESS_UNUSABLE"
    place = "web.listen"
