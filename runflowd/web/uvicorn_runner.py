"""The web server on bound sockets, inside the caller's task group: no signals taken, clean cancellation.

This is the one adapter to uvicorn, which runs on asyncio alone. It needs watching in five ways that its
settings do not cover: any number of clients may connect (`counted_socket`), each may take for ever to send its
headers or to read its answer, a cancelled server leaves its connections open, and one at rest wakes ten times a second.
"""

from __future__ import annotations

import contextlib
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import uvicorn
from anyio import TASK_STATUS_IGNORED
from uvicorn.protocols.http.h11_impl import H11Protocol

from runflowd.web.address import BACKLOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import TaskStatus
    from starlette.types import ASGIApp

    from runflowd.web.address import Bound
    from runflowd.web.certificate import Certificate

HEADERS_TIMEOUT = 10.0
"""Seconds from the first byte of a request, or the connection, to the end of its headers."""

READ_TIMEOUT = 30.0
"""Seconds in which a client has to take in what is on its way to it."""

CHECK_INTERVAL = 5.0
"""Seconds between two looks at what is still on its way to a client."""

STOP_TIMEOUT = 2
"""Seconds that requests in hand get at the end."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose patience ends: with unfinished headers, and with answers that nobody reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: Any = None
        self._look: Any = None
        self._unread = 0.0

    def connection_made(self, transport: Any) -> None:
        """A client connected."""
        super().connection_made(transport)
        self._expect_headers()
        self._look = self.loop.call_later(CHECK_INTERVAL, self._look_for_readers)

    def data_received(self, data: bytes) -> None:
        """Bytes came: headers are complete when a request is in hand."""
        if self._deadline is None and not self._in_hand():
            self._expect_headers()
        if not self._in_hand():
            self._date_answer()
        super().data_received(data)
        if self._deadline is not None and self._in_hand():
            self._deadline.cancel()
            self._deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        for timer in (self._deadline, self._look):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _look_for_readers(self) -> None:
        # A closed connection lives until its last byte is read, however long that takes, so it is looked at, too.
        self._unread = self._unread + CHECK_INTERVAL if self.transport.get_write_buffer_size() else 0.0
        if self._unread >= READ_TIMEOUT:
            self.transport.abort()
            return
        self._look = self.loop.call_later(CHECK_INTERVAL, self._look_for_readers)

    def _date_answer(self) -> None:
        date = formatdate(usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date), *self.config.encoded_headers]

    def _in_hand(self) -> bool:
        # It is None before the first request, whatever its annotation says.
        return bool(self.cycle) and not self.cycle.response_complete

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADERS_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if not self._in_hand():
            self.transport.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = anyio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield

    async def main_loop(self) -> None:
        """Wait for the end. Uvicorn looks for it ten times a second, and then dates its answers of the next one."""
        await self._ended.wait()

    def end(self) -> None:
        """Close what is open."""
        self.should_exit = True
        self._ended.set()


class Served(Protocol):
    """What is served, and what runs as long as it is."""

    def asgi(self, *, guarded: bool) -> ASGIApp:
        """The application for one listener."""

    async def run_beside(self) -> None:
        """Work that goes with the answers; it ends when the listener does."""


class UvicornRunner:
    """One life of the listener, over sockets that it closes at its end."""

    def __init__(self, application: Served, bound: list[Bound], certificate: Certificate | None = None) -> None:
        self._bound = bound
        self._application = application
        self._stopped = anyio.Event()
        self._server = _Server(
            uvicorn.Config(
                application.asgi(guarded=any(each.loopback for each in bound)),
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                # Below that it tells of every odd request, one line each.
                log_level="error",
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=STOP_TIMEOUT,
            )
        )
        if certificate is not None:
            self._server.config.load()
            # Its own settings name files, which it reads once.
            self._server.config.ssl = certificate.context

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Serve until `stop` or cancellation."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._application.run_beside)
                group.start_soon(self._serve)
                try:
                    while not self._server.started and not self._server.should_exit:  # noqa: ASYNC110  no event for it
                        await anyio.sleep(0.005)
                    task_status.started()
                    await self._stopped.wait()
                finally:
                    self._server.end()
                    group.cancel_scope.cancel()
        finally:
            for each in self._bound:
                each.close()

    async def _serve(self) -> None:
        # Shielded: a cancelled uvicorn leaves its connections open, so it is asked to stop instead.
        with anyio.CancelScope(shield=True):
            await self._server.serve(sockets=[each.socket for each in self._bound])
        self._stopped.set()

    async def stop(self) -> None:
        """Close the listener and wait until it is closed."""
        self._server.end()
        await self._stopped.wait()
