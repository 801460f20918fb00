"""The web server on bound sockets, inside the caller's task group: no signals taken, clean cancellation.

This is the one adapter to uvicorn, which runs on asyncio alone. It needs watching in six ways that its settings do not
cover: any number of clients may connect (`counted_socket`), each may take for ever to send its headers or to read its
answer (`timeout_protocol`), a cancelled server leaves its connections open, one at rest wakes ten times a second, and
at its end every client that is still there is an error and a traceback in the log.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import anyio
import structlog
import uvicorn
from anyio import TASK_STATUS_IGNORED

from runflowd.web.address import BACKLOG
from runflowd.web.timeout_protocol import TimeoutProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from anyio.abc import TaskStatus
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runflowd.web.address import Bound
    from runflowd.web.certificate import Certificate

log = structlog.get_logger()

STOP_TIMEOUT = 2.0
"""Seconds that requests in hand get at the end."""

CUT_TIMEOUT = 1.0
"""Seconds in which connections that are cut off then, and what was done for them, have to end."""


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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, let what is in hand come to its end, and cut off who does not end."""
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        await _until(lambda: not (state.connections or state.tasks), STOP_TIMEOUT)
        if not (left := len(state.connections)):
            return
        for connection in list(state.connections):
            connection.transport.abort()
        await _until(lambda: not state.connections, CUT_TIMEOUT)  # they learn of it, and send nothing more
        for task in list(state.tasks):
            task.cancel()
        await _until(lambda: not state.tasks, CUT_TIMEOUT)
        log.info("clients of the web listener were cut off", action="web.cut_off", count=left)

    def end(self) -> None:
        """Close what is open."""
        self.should_exit = True
        self._ended.set()


async def _until(fact: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, no longer than that; uvicorn has no event for it."""
    with anyio.move_on_after(seconds):
        while not fact():  # noqa: ASYNC110
            await anyio.sleep(0.01)


class Served(Protocol):
    """What is served, and what runs as long as it is."""

    def asgi(self, *, guarded: bool) -> ASGIApp:
        """The application for one listener."""

    def is_shared(self, address: str) -> bool:
        """Whether connections from an address are those of many people."""

    async def run_beside(self) -> None:
        """Work that goes with the answers; it ends when the listener does."""


class UvicornRunner:
    """One life of the listener, over sockets that it closes at its end."""

    def __init__(self, application: Served, bound: list[Bound], certificate: Certificate | None = None) -> None:
        self._bound = bound
        self._application = application
        self._stopped = anyio.Event()
        self._app = application.asgi(guarded=any(each.loopback for each in bound))
        for each in bound:
            each.socket.is_shared = application.is_shared
            each.socket.in_hand = self._in_hand
        self._server = _Server(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                http=TimeoutProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                # Below that it tells of every odd request, one line each.
                log_level="error",
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
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

    def _in_hand(self) -> set[int]:
        """The file numbers of connections on which a request is being answered."""
        connections = self._server.server_state.connections
        return {each.busy_number for each in connections if isinstance(each, TimeoutProtocol)}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except anyio.get_cancelled_exc_class():
            if not self._server.should_exit:
                raise  # else it was cut off at the end, which is no error

    async def _serve(self) -> None:
        # Shielded: a cancelled uvicorn leaves its connections open, so it is asked to stop instead.
        with anyio.CancelScope(shield=True):
            await self._server.serve(sockets=[each.socket for each in self._bound])
        self._stopped.set()

    async def stop(self) -> None:
        """Close the listener and wait until it is closed."""
        self._server.end()
        await self._stopped.wait()
