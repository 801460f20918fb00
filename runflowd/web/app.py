"""The routes. Each handler takes a snapshot and gives it to a pure function that words it."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from runflowd.api import callback_signature
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable, scrubbed
from runflowd.observability.metrics import CONTENT_TYPE, Metrics, Reading
from runflowd.observability.status import as_json
from runflowd.store.items import item_from
from runflowd.store.listing import Wanted, every
from runflowd.store.metrics_query import bought_since, take_measures
from runflowd.store.retries import ask_again
from runflowd.web.access_guard import AccessGuard
from runflowd.web.approving import approve_shown
from runflowd.web.callback_endpoint import CallbackEndpoint
from runflowd.web.callback_wakeups import CallbackPoller
from runflowd.web.formatting import plural
from runflowd.web.forms import field, read_form
from runflowd.web.host_guard import HostGuard
from runflowd.web.page import render, view
from runflowd.web.rights import GuardedRoute, Right, visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.items import Item
    from runflowd.store.metrics_query import Measures
    from runflowd.web.page_state import PageState


log = structlog.get_logger()

PAGE_OF_BOUGHT = 5000
OVERLAP = 120.0
"""Seconds read twice: an item's end is dated before it is written."""

NOTHING_TO_RETRY = (
    "No such file has failed; it may be under way again already. What was charged though it failed is bought again by "
    "`runflowd retry --buy-again` only.\n"
)


class Application:
    """The handlers, and what they count from the start of the daemon to its end."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._metrics = Metrics()
        self._started = self._counted_until = state.context.clock.wall()
        self.poller = CallbackPoller(state.context, self._metrics.count_callback, self._log_overdue)
        self._receiver = CallbackEndpoint(state, self.poller, self._metrics.count_callback)

    def asgi(self, *, guarded: bool) -> HostGuard:
        """The application for one listener. With `guarded`, only this machine's names are served."""
        return HostGuard(AccessGuard(Starlette(routes=self.routes()), self._state), by_host=guarded)

    def routes(self) -> list[GuardedRoute]:
        """Every address, and the right that it takes."""
        return [
            GuardedRoute("/", self.page, Right.SEE),
            GuardedRoute("/status.json", self.status, Right.SEE),
            GuardedRoute("/healthz", self.health, Right.ANYBODY),
            GuardedRoute("/readyz", self.ready, Right.ANYBODY),
            GuardedRoute("/metrics", self.metrics, Right.SEE),
            GuardedRoute("/retry", self.retry, Right.SPEND, methods=["POST"]),
            GuardedRoute("/approve", self.approve, Right.SPEND, methods=["POST"]),
            GuardedRoute(callback_signature.PATH, self._receiver.receive, Right.ANYBODY, methods=["POST"]),
        ]

    async def run_beside(self) -> None:
        """Pass on what callbacks hint at."""
        await self.poller.run()

    async def page(self, request: Request) -> Response:
        """GET /: how things stand, for people; `?retried=N` after a button was used."""
        context = self._state.context
        retried = request.query_params.get("retried", "")
        said = f"Another try for {plural(int(retried), 'file')}." if re.fullmatch("[0-9]{1,7}", retried) else ""
        pace = context.service.api.pace()
        shown = view(await self._state.status(), self._state.unready(), set(context.rules), pace, said)
        nonce = secrets.token_urlsafe(16)
        html = await anyio.to_thread.run_sync(render, shown, visitor(request).token, nonce)
        return HTMLResponse(html, headers={"content-security-policy": page_policy(nonce)})

    async def status(self, _: Request) -> Response:
        """GET /status.json: the same for programs."""
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

    async def metrics(self, _: Request) -> Response:
        """GET /metrics: Prometheus text."""
        state = self._state
        await self._count_bought()
        now = state.context.clock.wall()

        def read(connection: Connection) -> Measures:
            return take_measures(connection, state.context.money, now)

        measures = await state.context.store.read(read)
        watch = state.watch()
        reading = Reading(
            measures=measures,
            traffic=state.context.service.api.snapshot(),
            pace=state.context.service.api.pace(),
            rules=tuple(state.context.rules),
            now=now,
            config_good=not any(each.scope == ScopeKind.CONFIG for each in measures.incidents),
            config_taken=state.config_taken,
            overflows=watch.overflows,
            unwatched=watch.problems,
            missed=watch.missed,
        )
        return Response(self._metrics.text(reading), media_type=CONTENT_TYPE)

    async def _count_bought(self) -> None:
        """Read on from where the last scrape ended; a clock that was set back is followed."""
        now = self._state.context.clock.wall()
        since = min(self._counted_until, now)
        while True:
            currency = self._state.context.money.currency
            query = partial(bought_since, since=since, limit=PAGE_OF_BOUGHT, currency=currency)
            found = await self._state.context.store.read(query)
            self._metrics.count_bought(found)
            if len(found) < PAGE_OF_BOUGHT or found[-1].ended_at <= since:
                break
            since = found[-1].ended_at
        self._counted_until = max(self._started, now - OVERLAP)

    async def retry(self, request: Request) -> Response:
        """POST /retry: try one failed file, or all of a rule and a cause, again; only from a page of ours."""
        form = await read_form(request)
        if isinstance(form, Response):
            return form
        reference, rule, code = (field(form, name) for name in ("reference", "rule", "code"))
        items = await retry(self._state.context, partial(_failed, reference=reference, rule=rule, code=code))
        if not items:
            return PlainTextResponse(NOTHING_TO_RETRY, 404)
        log.info(
            "retry asked for on the page",
            action="item.retry",
            who=visitor(request).who,
            rule=items[0].rule,
            file=items[0].path,
            count=len(items),
        )
        return RedirectResponse(f"/?retried={len(items)}#failures", 303)

    async def approve(self, request: Request) -> Response:
        """POST /approve: let the files of a rule pass that wait for an approval; only from a page of ours."""
        form = await read_form(request)
        if isinstance(form, Response):
            return form
        who = visitor(request).who
        if not await approve_shown(self._state.context, field(form, "rule"), field(form, "files"), who):
            return PlainTextResponse("Nothing of that rule waits for an approval any more.\n", 404)
        return RedirectResponse("/", 303)

    def _log_overdue(self) -> None:
        self._receiver.log_overdue()


def page_policy(nonce: str) -> str:
    """The Content-Security-Policy of the page: its own style and script, its own forms, nothing from elsewhere."""
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def clean(value: Any) -> Any:
    """The same data with secrets cut out of every text, and control characters escaped."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    return printable(scrubbed(value)) if isinstance(value, str) else value


def _failed(connection: Connection, *, reference: str, rule: str, code: str) -> list[Item]:
    """The failed file of a reference, or, without one, a rule's that failed for one cause; none that was charged."""
    if reference:
        row = connection.one("failed_by_reference", reference=reference)
        found = [item_from(row)] if row else []
    else:
        found = [item for item in every(connection, Wanted(rule, ItemState.FAILED)) if item.failure_code == code]
    return [item for item in found if not item.cost]


async def retry(context: Context, failed: Callable[[Connection], list[Item]]) -> list[Item]:
    """Have failed files of rules in force looked at anew; those that are.

    Nothing is bought by this: a file is hashed and judged again, and what is the same as something
    bought before takes that result.
    """

    def write(connection: Connection) -> list[Item]:
        items = [item for item in failed(connection) if item.rule in context.rules]
        for item in items:
            ask_again(connection, item.id, context.clock.wall())
        return items

    items = await context.store.write(write)
    for item in items:
        context.hint(item.rule, item.path)
    return items
