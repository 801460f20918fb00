"""The Runflow API as typed calls: one call, one request, one value or one `ApiError`.

A client that is `patient` keeps to what the service lets through, waits for its turn, and repeats by itself
what failed by itself, unless that may have bought something; how often a purchase is tried is decided by those
who keep the records. Any other makes one request, at once. Every method may raise any `ApiError`; docstrings
name only the ones with a special meaning.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from runflowd.api import calls, catalog, parse
from runflowd.api.account import read_credit
from runflowd.api.addresses import AddressPolicy
from runflowd.api.connections import Connections
from runflowd.api.errors import Conflict, NotFound, Permanent, Rejected, Scope, Transient, Unsafe
from runflowd.api.gates import Gates
from runflowd.api.pricing import read_pricing
from runflowd.api.search import every_run, find_runs
from runflowd.api.session import Call, Session, origin
from runflowd.api.settings import Limits
from runflowd.api.statistics import Pace
from runflowd.api.transfers import Transfers
from runflowd.api.values import Asset, Run
from runflowd.core.links import REFERENCE, stated_life

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import httpx

    from runflowd.api.download import Download
    from runflowd.api.session import Before
    from runflowd.api.settings import Service
    from runflowd.api.statistics import Traffic
    from runflowd.api.values import Batch, CallbackSecret, Created, Credit, Identity, ModelDetail, Page, Upload
    from runflowd.core.model import Json
    from runflowd.core.pricing import PricingRule

_PAGE_SIZES = (100, 10, 1)
"""Items asked for at once. Results sent inline (`sync_mode`) can make a page of 100 too large to take."""

Value = TypeVar("Value")


def _json(body: dict[str, Json]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


class Runflow:
    """A client of one service. Use it as an async context manager; it is safe to share among tasks."""

    def __init__(
        self,
        service: Service,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
        patient: bool = False,
    ) -> None:
        limits = limits or Limits()
        self._routes = Connections(limits, transport)
        self._gates = Gates(limits, random.random) if patient else None
        self._session = Session(service, limits, self._routes, self._gates)
        borders = AddressPolicy(origin(service.url))
        self._transfers = Transfers(self._session.wire, limits, self._routes, borders, self._gates)
        self._sign_links = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._routes.aclose()

    def __repr__(self) -> str:
        return f"<Runflow {self._session.host}>"

    def snapshot(self) -> Traffic:
        """Return what went over the wire so far."""
        return self._session.wire.counters.snapshot()

    def service_time(self) -> float | None:
        """Return what the service's clock shows now, in epoch seconds, as its last answer tells; None before one."""
        ahead = self._session.wire.counters.ahead()
        return None if ahead is None else time.time() + ahead

    def pace(self) -> Pace:
        """Return what is learned of how much the service takes."""
        return self._gates.snapshot() if self._gates else Pace()

    def takes(self, scope: str) -> bool:
        """Whether requests of a scope ("service", "credit", "storage") go through, as far as is known."""
        return self._gates is None or not self._gates.is_open(scope)

    def throttle(self, others: float = 0.0) -> float:
        """Wait for as many seconds as other hosts were told to (429); give for how many more this one was told to."""
        return self._gates.api.throttle(others) if self._gates else 0.0

    def reopen(self) -> None:
        """Try at once what takes no requests now, one request first: the key may be another."""
        if self._gates:
            self._gates.reset()

    async def create_upload(self, name: str, mime_type: str, size: int) -> Upload:
        """Start an upload of `size` bytes, 1 to 52,428,800; the name is a label of at most 500 characters."""
        label = name.encode("utf-8", "replace").decode()[-500:] or "file"
        body = {"filename": label, "mime_type": mime_type, "size_bytes": size}
        return await self._session.call(calls.UPLOAD, parse.upload, "asset-uploads", body=_json(body))

    async def put(self, upload: Upload, mime_type: str, size: int, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        """Send the bytes of an upload, streamed, without the API key.

        `chunks` makes a fresh iterator over exactly `size` bytes; what it raises passes through. The
        time allowed grows with the size. Raises `Expired` when the session must be started again, and
        `Unsafe` when the address named by the service is not to be visited.
        """
        await self._transfers.put(upload, mime_type, size, chunks)

    async def confirm(self, asset_id: str) -> Asset:
        """Finish an upload. A confirmation that was made before is as good as one made now."""
        path = ("asset-uploads", asset_id, "confirmations")
        try:
            found = await self._session.call(calls.CONFIRM, parse.asset, *path, body=b"{}")
        except (Conflict, NotFound, Rejected) as refused:
            try:
                return await self.asset(asset_id)
            except Permanent:
                raise refused from None
        return self._timed(found) if found.url else await self.asset(found.id)

    async def asset(self, asset_id: str) -> Asset:
        """Read an asset with a freshly signed URL; its `runflow://` reference when there is no URL."""
        found = await self._session.call(calls.ASSET, parse.asset, "assets", asset_id)
        return self._timed(found) if found.url else Asset(found.id, f"{REFERENCE}{found.id}")

    def _timed(self, asset: Asset) -> Asset:
        """With the life of its link, which the service's own clock began to count."""
        return replace(asset, life=stated_life(asset.url, self.service_time() or time.time()))

    async def create_batch(self, model: str, body: bytes, key: str, before: Before | None = None) -> Created:
        """Buy a batch: exactly `body` under the idempotency `key`, after `before` had nothing against it.

        After a `Transient` that is `ambiguous`, only the same body under the same key is safe.
        `NotFound` and a 5xx concern the model, `Rejected` the body or a model that takes no batches.
        """
        path = ("models", *model.split("/"), "batches")
        return await self._create(calls.CREATE_BATCH, path, body, key, before)

    async def create_run(self, model: str, body: bytes, key: str, before: Before | None = None) -> Created:
        """Buy one run, as `create_batch` does a batch; the service may ignore the key here."""
        return await self._create(calls.CREATE_RUN, ("models", *model.split("/"), "runs"), body, key, before)

    async def _create(self, call: Call, path: tuple[str, ...], body: bytes, key: str, before: Before | None) -> Created:
        try:
            return await self._session.call(call, parse.created, *path, body=body, key=key, before=before)
        except (NotFound, Transient) as failed:
            if isinstance(failed, NotFound) or (failed.status or 0) >= 500:
                failed.scope = Scope.RULE
            raise

    async def batch(self, batch_id: str) -> Batch:
        """Read a batch and the states of its items; `NotFound` may mean another organization's key."""
        return await self._session.call(calls.BATCH, parse.batch, "batches", batch_id)

    async def items(self, batch_id: str, cursor: str | None = None) -> Page:
        """Read one page of a batch's items in full, results included."""
        for size in _PAGE_SIZES:
            query = {"limit": str(size)} | ({"pq": cursor} if cursor else {})
            try:
                page = await self._signed(calls.ITEMS, parse.page, "batches", batch_id, "items", query=query)
            except Unsafe as refused:
                if refused.code != "TOO_LARGE" or size == _PAGE_SIZES[-1]:
                    raise
            else:
                return page
        raise AssertionError  # the last size returns or raises

    async def _signed(
        self, call: Call, read: Callable[[Json], Value], *path: str, query: dict[str, str] | None = None
    ) -> Value:
        """Read with `add_signature=true`, which first-party code sends for runs and no page documents.

        A server that answers only without it is from then on always asked so.
        """
        if not self._sign_links:
            return await self._session.call(call, read, *path, query=query)
        try:
            return await self._session.call(call, read, *path, query=(query or {}) | {"add_signature": "true"})
        except Rejected:
            found = await self._session.call(call, read, *path, query=query)
            self._sign_links = False
            return found

    async def run(self, run_id: str) -> Run:
        """Read one run."""
        return await self._signed(calls.RUN, parse.run, "runs", run_id)

    async def find_runs(self, client_ref: str) -> tuple[Run, ...]:
        """Return the runs created with exactly this `client_ref`, which holds neither quote nor space."""
        return await find_runs(self._session, client_ref)

    def every_run(self) -> AsyncIterator[tuple[Run, ...]]:
        """Give all runs that the key may see, page by page; `Permanent` for a list without an end."""
        return every_run(self._session)

    async def credit(self) -> Credit | None:
        """Return the credit, see `read_credit`."""
        return await read_credit(self._session)

    async def pricing(self, model: str) -> tuple[PricingRule, ...]:
        """Return the pricing rules of a model by `owner/slug`; none where its prices are not published."""
        return await read_pricing(self._session, model)

    async def model(self, model: str) -> ModelDetail:
        """Read one model by `owner/slug`, with the inputs it declares."""
        return await self._session.call(calls.MODEL, catalog.model(model), "models", *model.split("/"))

    async def models(self, query: str = "") -> tuple[ModelDetail, ...]:
        """Search the catalog; `query` is a filter such as `slug.EQ:'background-removal'`."""
        asked = {"limit": "100"} | ({"q": query} if query else {})
        return await self._session.call(calls.MODELS, catalog.models, "models", query=asked)

    async def me(self) -> Identity:
        """Return whose key this is: the cheapest check that it works."""
        return await self._session.call(calls.ME, catalog.identity, "auth", "me", query={"embed": "memberships"})

    async def create_callback_secret(self, label: str) -> CallbackSecret:
        """Make a new signing secret for callbacks, shown this once."""
        body = _json({"label": label[:255]})
        return await self._session.call(calls.SECRET, parse.callback_secret, "callback-secrets", body=body)

    def download(
        self, url: str, limit: int, start: int = 0, validator: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """Open a result for reading at most `limit` bytes, without the API key; inline data is decoded.

        With the `validator` of a download that was cut short, only what follows the first `start` bytes is sent, by a
        storage that can do so; `Download.start` says where it begins.

        The time allowed grows with the size and runs while the caller uses the bytes, too. Raises
        `Unsafe` for an address that is not public https (unless the service itself is local), a
        redirect or a file too large; `Expired` when the link must be fetched anew; `Gone` when nothing is at it.
        """
        return self._transfers.download(url, limit, start, validator)
