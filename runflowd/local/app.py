"""The local service put together: an ASGI app, and the tasks that work behind it."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from runflowd.local.context import Service
from runflowd.local.http import account, assets, batches, callbacks, catalog, control, openapi, runs
from runflowd.local.http.assets import add_asset
from runflowd.local.http.errors import Refusal, respond
from runflowd.local.http.front import Front
from runflowd.local.jobs.deliveries import deliver, over_http
from runflowd.local.jobs.worker import resume, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType
    from typing import Self

    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from runflowd.local.jobs.deliveries import Send as SendCallback
    from runflowd.local.settings import LocalSettings

CHECKPOINT = 5.0
"""Seconds between two checkpoints of the database."""

DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)
"""One transparent pixel: the content of every intermediate picture under the reading `stages`."""


class LocalService:
    """The service with its background tasks, which run while the context is entered.

    `app` answers requests from the start; runs are worked on and callbacks sent inside the context only.
    `send` is how a callback leaves (default: over HTTP). Leaving stops at once: work in hand starts over
    at the next start, and nothing is charged twice.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        clock: Callable[[], float] = time.time,
        send: SendCallback | None = None,
    ) -> None:
        self.service = Service(settings, clock)
        self._send = send or over_http(settings.callback_timeout)
        self._stack = AsyncExitStack()
        self.app = _build(self.service, self)

    async def __aenter__(self) -> Self:
        resume(self.service)
        _make_stage(self.service)
        group = await self._stack.enter_async_context(anyio.create_task_group())
        self._group = group
        for _ in range(self.service.settings.model_workers):
            group.start_soon(work, self.service)
        group.start_soon(deliver, self.service, self._send)
        group.start_soon(_checkpoint, self.service)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        # An end that was asked for is nobody's fault: what is in work starts over as if it had not begun.
        self.service.storage.run("UPDATE runs SET starts = starts - 1 WHERE status = 'running' AND starts > 0")
        try:
            if isinstance(error, Exception):  # the caller's own error leaves as it is, not in a group
                await self._stack.__aexit__(None, None, None)
                return False
            return await self._stack.__aexit__(kind, error, trace)
        finally:
            self.service.storage.close()


async def _checkpoint(service: Service) -> None:
    while True:
        await anyio.sleep(CHECKPOINT)
        if service.storage.has_log:
            await to_thread.run_sync(service.storage.checkpoint)


def _make_stage(service: Service) -> None:
    """The asset that stands for a model's intermediate picture."""
    if not service.storage.meta("stage_asset", ""):
        made = add_asset(
            service,
            name="stage.png",
            mime_type="image/png",
            size=len(DOT),
            sha256=service.blobs.write(DOT),
            confirmed=1,
            source_type="run",
        )
        service.storage.set_meta("stage_asset", made)


def _build(service: Service, owner: LocalService) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with owner:
            yield

    modules = (account, assets, batches, callbacks, runs, catalog, openapi, control)
    routes = [_counted(route) for module in modules for route in module.ROUTES]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Front, service=service)],
        exception_handlers={Refusal: _refused, HTTPException: _unrouted, ClientDisconnect: _gone},
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


def _counted(route: Route) -> Route:
    """A copy of the route that counts its requests for the ledger; the original serves other apps, too."""
    inner, name = route.app, route.path
    counted = copy(route)

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"].state.service.requests[f"{scope['method']} {name}"] += 1
        await inner(scope, receive, send)

    counted.app = count
    return counted


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return respond(request.app.state.service.api_variants, error, request.state.request_id)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = Refusal(error.status_code, error.detail, headers=dict(error.headers or {}))
    return respond(request.app.state.service.api_variants, refusal, request.state.request_id)


async def _gone(_: Request, __: Exception) -> Response:
    """The client went away in mid-upload; nobody reads this answer."""
    return Response(status_code=400)
