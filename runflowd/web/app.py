"""The routes: which address leads where. What each does stands in a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response

from runflowd.api import callback_signature
from runflowd.core.printable import printable, scrubbed
from runflowd.observability.status import as_json
from runflowd.web.access_guard import AccessGuard
from runflowd.web.actions import ACTIONS, Actions, needed
from runflowd.web.assets import asset
from runflowd.web.callback_endpoint import CallbackEndpoint
from runflowd.web.callback_wakeups import CallbackPoller
from runflowd.web.hints import ChangeHints
from runflowd.web.host_guard import HostGuard
from runflowd.web.login import Login
from runflowd.web.logins import Logins
from runflowd.web.media import Media
from runflowd.web.metrics_endpoint import MetricsEndpoint
from runflowd.web.peer import is_shared
from runflowd.web.previews import Previews
from runflowd.web.redo import RedoScreen
from runflowd.web.refusal_answer import HANDLERS
from runflowd.web.rights import GuardedRoute, Right
from runflowd.web.screens import Screens

if TYPE_CHECKING:
    from starlette.requests import Request

    from runflowd.web.page_state import PageState


class Application:
    """The handlers, and what they count from the start of the daemon to its end."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._logins = Logins(state)
        self._metrics = MetricsEndpoint(state)
        self._previews = Previews(state)
        self._screens = Screens(state, self._previews)
        self._actions = Actions(state)
        self._media = Media(state)
        self._redo = RedoScreen(state)
        self.hints = ChangeHints(state)
        self.poller = CallbackPoller(state.context, self._metrics.count_callback, self._log_overdue)
        self._receiver = CallbackEndpoint(state, self.poller, self._metrics.count_callback)

    def asgi(self, *, guarded: bool) -> HostGuard:
        """The application for one listener. With `guarded`, only this machine's names are served."""
        inner = Starlette(routes=self.routes(), exception_handlers=HANDLERS)
        return HostGuard(AccessGuard(inner, self._state, self._logins), by_host=guarded)

    def is_shared(self, address: str) -> bool:
        """Whether connections from an address are those of many people."""
        return is_shared(address, self._state.config().access)

    def routes(self) -> list[GuardedRoute]:
        """Every address, and the right that it takes."""
        screens, see = self._screens, Right.SEE
        return [
            GuardedRoute("/", screens.now, see),
            GuardedRoute("/files", screens.files, see),
            GuardedRoute("/files/{item:int}", screens.file, see),
            GuardedRoute("/files/{item:int}/redo", self._redo.form, Right.SPEND),
            GuardedRoute("/files/{item:int}/redo", self._redo.carry_out, Right.SPEND, methods=["POST"]),
            GuardedRoute("/files/{item:int}/receipt.json", screens.receipt, see),
            GuardedRoute("/files/{item:int}/{side}/{position:int}", self._media.original, see),
            GuardedRoute("/previews/{side:int}/{content}.webp", self._previews.preview, see),
            GuardedRoute("/spend", screens.spend, see),
            GuardedRoute("/events", self.hints.stream, see),
            GuardedRoute("/static/{mark}/{name:path}", asset, Right.ANYBODY),
            GuardedRoute("/status.json", self.status, see),
            GuardedRoute("/healthz", self.health, Right.ANYBODY),
            GuardedRoute("/readyz", self.ready, Right.ANYBODY),
            GuardedRoute("/metrics", self._metrics.scrape, see),
            *(GuardedRoute(f"/{name}", self._actions.carry_out, needed(name), methods=["POST"]) for name in ACTIONS),
            GuardedRoute(callback_signature.PATH, self._receiver.receive, Right.ANYBODY, methods=["POST"]),
            *Login(self._state, self._logins).routes(),
        ]

    async def run_beside(self) -> None:
        """Pass on what callbacks hint at, hint at what changes, and draw what comes."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.poller.run)
            group.start_soon(self.hints.run)
            group.start_soon(self._previews.run)

    async def status(self, _: Request) -> Response:
        """GET /status.json: how things stand, for programs."""
        found = as_json(await self._state.status()) | {"ready": not self._state.unready()}
        return JSONResponse(clean(found))

    async def health(self, _: Request) -> Response:
        """GET /healthz: 200 while every stage turns."""
        if self._state.is_alive():
            return PlainTextResponse("ok\n")
        return PlainTextResponse("a stage does not turn any more\n", 503)

    async def ready(self, _: Request) -> Response:
        """GET /readyz: 200 once recovery is done and the first rescan has begun, until the end begins."""
        if reasons := self._state.unready():
            return PlainTextResponse("".join(f"{reason}\n" for reason in reasons), 503)
        return PlainTextResponse("ready\n")

    def _log_overdue(self) -> None:
        self._receiver.log_overdue()


def clean(value: Any) -> Any:
    """The same data with secrets cut out of every text, and control characters escaped."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    return printable(scrubbed(value)) if isinstance(value, str) else value
