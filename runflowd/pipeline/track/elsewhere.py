"""Reports of batches that are at another service than the one in use: `service.url` was changed while they were there.

Only that service knows them, so they are neither asked for nor bought again here until it is in use again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.incident_scope import ScopeKind
from runflowd.core.model import LOCAL
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from runflowd.store.reports import Elsewhere

CODE = "OTHER_SERVICE"


def elsewhere_report(found: Elsewhere, used: str) -> IncidentReport:
    """What a rule has at another service than `used`; it pauses nothing."""
    count = sum(found.files.values())
    one = found.batches == 1
    batches = "1 batch was" if one else f"{found.batches} batches were"
    files = "1 file waits" if count == 1 else f"{count} files wait"
    message = (
        f"rule {found.rule}: {batches} sent to {_named(found.service)}, and the service is {_named(used)} now, which "
        f"does not know {'it' if one else 'them'}; {files} for {'it' if one else 'them'}"
    )
    remedy = (
        f"Nothing is bought again for what is there. Put {_setting(found.service)} back and restart: the results "
        "come; new files are bought there, too, until you change it again. Do so once `runflowd status` shows no batch"
    )
    return IncidentReport(ScopeKind.ELSEWHERE.of(found.rule), CODE, message, remedy)


def _named(service: str) -> str:
    return "the one on this machine" if service == LOCAL else service


def _setting(service: str) -> str:
    return "`service: local`" if service == LOCAL else f"`service.url: {service}`"
