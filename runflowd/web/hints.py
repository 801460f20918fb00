"""GET /events: a stream of hints that something changed. What changed the screens find out by asking for the facts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from runflowd.web.rights import Right, may_still

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.requests import Request

    from runflowd.web.page_state import PageState

MAX_STREAMS = 32
"""Streams at once; who comes beyond them goes by its own clock, as without any."""

LOOK_INTERVAL = 0.5
"""Seconds between two looks at whether anything was committed, and so between two hints."""

KEEP_ALIVE = 15.0
"""Seconds without a hint after which a comment is sent, so that a client that is gone is noticed, or a user removed."""


class ChangeHints:
    """Hints at every commit that changed rows; a client that is slow gets one hint for many.

    `streams` are open now.
    """

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._changed = anyio.Event()
        self.streams = 0
        self._ended = False

    async def run(self) -> None:
        """Look for changes until cancelled, or until the daemon ends: then the streams end, too."""
        store = self._state.context.store
        seen = store.changes
        self._ended = False
        try:
            while not self._state.stopping:
                await anyio.sleep(LOOK_INTERVAL)
                if store.changes != seen:
                    seen = store.changes
                    self._wake()
        finally:
            self._ended = True
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def stream(self, request: Request) -> Response:
        """GET /events: 204 at the end, after which a browser does not come back (HTML, section 9.2.3)."""
        if self._ended or self._state.stopping:
            return Response(status_code=204)
        if self.streams >= MAX_STREAMS:
            return PlainTextResponse("There are too many streams; the page renews itself without.\n", 503)
        return StreamingResponse(self._hints(partial(may_still, request, Right.SEE)), media_type="text/event-stream")

    async def _hints(self, allowed: Callable[[], Awaitable[bool]]) -> AsyncGenerator[str]:
        self.streams += 1  # here, since one who is gone before the first line has none
        try:
            yield "retry: 2000\n\n"
            while not self._ended:
                changed = False
                with anyio.move_on_after(KEEP_ALIVE):
                    await self._changed.wait()
                    changed = True
                if not await allowed():
                    return
                yield "event: changed\ndata:\n\n" if changed else ": alive\n\n"
        finally:
            self.streams -= 1
