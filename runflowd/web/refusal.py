"""That what somebody asked for is not done. How they are told, `refusal_answer` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refused(RunflowdError):
    """Raised by whatever looks at a request before or while it is carried out.

    `status` is that of the answer, `back` the screen to go on with; without it that is the one which the form names.
    `stale` says that the page itself was too old, and that a new one may do the same.
    """

    def __init__(
        self,
        sentence: str,
        status: int,
        *,
        back: str = "",
        stale: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.back = back
        self.stale = stale
        self.headers = dict(headers or {})
        super().__init__(sentence)
