"""`POST /callbacks/runflow`: proves who sends, takes the ids, answers at once. Nothing it says is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import structlog
from starlette.responses import PlainTextResponse, Response

from runflowd.api import callback_signature
from runflowd.config import CredentialError, callback_secrets
from runflowd.core.rate_counter import RateCounter
from runflowd.web.body_limit import BodyRefused, read_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from runflowd.web.callback_wakeups import CallbackPoller
    from runflowd.web.page_state import PageState

log = structlog.get_logger()

MAX_BYTES = 64 * 1024
"""Larger callbacks, such as those with many results, are left to the poll: a body is kept before it is proven."""

MAX_SECONDS = 10.0

REFUSALS = {
    "unsigned": "it carries no signature. Whoever sends that is not the service",
    "malformed": "its signature is not 64 hex digits. Whoever sends that is not the service",
    "forged": (
        "its signature does not match its body: it is forged, or signed with a secret that is in neither secret file, "
        "or the body was re-encoded by a proxy on its way; a proxy must pass it on byte for byte"
    ),
    "too large": f"it is larger than {MAX_BYTES} bytes. The poll finds what it was about",
    "cut off": "its body ended before its end. The poll finds what it was about",
    "too slow": f"it took longer than {MAX_SECONDS:g} s to arrive. The poll finds what it was about",
    "no secret": "the callback secret cannot be read. `runflowd callbacks create-secret` makes one",
    "unreadable": "it is signed, and names neither a batch nor a run. The poll finds what it was about",
}
"""Why a callback has no effect, by the word under which it is counted."""

_BODY_WORDS = {400: "cut off", 413: "too large", 408: "too slow"}


class CallbackEndpoint:
    """The route. `count` is given what became of each callback."""

    def __init__(self, state: PageState, poller: CallbackPoller, count: Callable[[str], None]) -> None:
        self._state = state
        self._poller = poller
        self._count = count
        self._rates: RateCounter[str] = RateCounter()

    async def receive(self, request: Request) -> Response:
        """Answer one callback. A refusal says nothing that helps to guess."""
        config = self._state.config()
        if config.service.callbacks is None:
            return PlainTextResponse("Not Found", 404)
        given = request.headers.getlist(callback_signature.SIGNATURE_HEADER)
        if len(given) != 1 or not callback_signature.well_formed(given[0]):
            return self._refuse("malformed" if given else "unsigned", 401)
        try:
            secrets = [each.secret for each in await anyio.to_thread.run_sync(callback_secrets, config)]
            verification = callback_signature.Verification(given[0], secrets)
            body = await read_body(request, most=MAX_BYTES, seconds=MAX_SECONDS, each=verification.update)
        except BodyRefused as refused:
            return self._refuse(_BODY_WORDS[refused.status], refused.status)
        except CredentialError as error:
            return self._refuse("no secret", 503, str(error))
        if not verification.holds():
            return self._refuse("forged", 401)
        return self._accept(body)

    def _accept(self, body: bytes) -> Response:
        """It is the service: whatever it says, sending it again would not help, so it is always thanked."""
        hint = callback_signature.read_hint(body)
        if hint is None:
            self._count_and_log("unreadable")
        else:
            log.debug("callback", action="callback.received", remote=hint.batch or hint.run)
            if not self._poller.take(hint):
                self._count("repeated")
        return Response(status_code=204)

    def _refuse(self, kind: str, status: int, detail: str = "") -> Response:
        self._count_and_log(kind, detail)
        words = {
            400: "Bad Request",
            401: "Unauthorized",
            408: "Request Timeout",
            413: "Content Too Large",
            503: "Service Unavailable",
        }
        # What is left of the body is not waited for.
        return PlainTextResponse(words[status], status, {"connection": "close"})

    def _count_and_log(self, kind: str, detail: str = "") -> None:
        self._count(kind)
        if count := self._rates.note(kind, self._state.context.clock.now()):
            self._log(kind, count, detail)

    def log_overdue(self) -> None:
        """Log what was kept back while the same kept happening."""
        for kind, count in self._rates.overdue(self._state.context.clock.now()).items():
            self._log(kind, count)

    @staticmethod
    def _log(kind: str, count: int, detail: str = "") -> None:
        sentence = f"a callback had no effect: {REFUSALS[kind]}" + (f" ({detail})" if detail else "")
        log.warning(sentence, action="callback.refused", kind=kind, count=count)
