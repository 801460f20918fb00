"""The local service on a real socket, inside the caller's task group: no signals taken, clean cancellation."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from runflowd.local.app import LocalService
from runflowd.local.faults.middleware import ABORT
from runflowd.local.http.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from runflowd.local.settings import LocalSettings


class CuttableProtocol(H11Protocol):
    """Hands each request a way to cut its connection, for the faults that need one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[ABORT] = {"call": self.transport.abort}
            await app(scope, receive, send)

        self.app = with_abort


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program this runs in."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio sets TCP_NODELAY only on sockets that do (else each answer waits 40 ms).
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(256)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def url_of(bound: socket.socket) -> str:
    """The http URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    settings: LocalSettings, *, host: str, port: int, started: Callable[[str], object] = lambda _: None
) -> None:
    """Serve until cancelled. `started` is called with the URL once requests are taken.

    Needs asyncio, because uvicorn does; without a socket `LocalService` runs on trio too. Raises OSError when
    the address cannot be bound.
    """
    with contextlib.closing(bind(host, port)) as bound:
        async with LocalService(settings) as local:
            await _run(local, bound, started)


async def _run(local: LocalService, bound: socket.socket, started: Callable[[str], object]) -> None:
    config = uvicorn.Config(
        local.app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    async with anyio.create_task_group() as group:
        stopped = anyio.Event()

        async def run() -> None:
            # Shielded: a cancelled uvicorn leaves its connections open, so it is asked to stop instead.
            with anyio.CancelScope(shield=True):
                await server.serve(sockets=[bound])
            stopped.set()

        group.start_soon(run)
        try:
            while not server.started and not stopped.is_set():  # noqa: ASYNC110 - uvicorn has no event for it
                await anyio.sleep(0.005)
            local.service.loopback_only = is_loopback(bound.getsockname()[0])
            local.service.base = local.service.base or url_of(bound)
            started(url_of(bound))
            await stopped.wait()
        finally:
            server.should_exit = True
