"""Finds out who asks, before any route is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.web.rights import Right, Visitor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runflowd.web.page_state import PageState


class AccessGuard:
    """ASGI middleware. Without users everybody who reaches the listener may do everything: it is this machine's own."""

    def __init__(self, app: ASGIApp, state: PageState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        scope.setdefault("state", {})["visitor"] = Visitor("", Right.SPEND, self._state.token)
        await self._app(scope, receive, send)
