"""The web listener over a real state file and a real socket, with the stages replaced by rows."""

from __future__ import annotations

import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from named_contents import named
from new_state import new_state

from runflowd.api.client import Runflow
from runflowd.api.settings import SecretKey
from runflowd.api.settings import Service as ApiService
from runflowd.config import Config
from runflowd.config.essentials import Callbacks, Listen, Service
from runflowd.control.carrying_out import Commands
from runflowd.core.lifecycle import BatchState
from runflowd.core.model import BatchLimits, Rule, Stat
from runflowd.core.money import Money
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.store import open_store
from runflowd.store.arrivals import Arrival, arrive, set_aside
from runflowd.store.batches import batch_from, mark_submitted, set_runs
from runflowd.store.items import items_of_batch
from runflowd.store.leases import Lease, claim_batches, release
from runflowd.store.reserving import Purchase
from runflowd.store.sealing import save_snapshot, seal
from runflowd.system.clock import Clock
from runflowd.web.address import bind
from runflowd.web.app import Application
from runflowd.web.page_state import STAGES, PageState
from runflowd.web.uvicorn_runner import UvicornRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runflowd.core.lifecycle import ItemState
    from runflowd.store import Connection
    from runflowd.store.batches import Batch

SECRET = "whsec_current"
PREVIOUS = "whsec_previous"
LATER = 4e9
"""A poll so far away that only a hint can bring it nearer; epoch seconds."""


def rule(folder: Path, name: str = "studio") -> Rule:
    """A rule that nobody runs."""
    return Rule(
        name=name, watch=f"{folder}/in", output=f"{folder}/out", model="runflow/pass-through", input={"image_url": "x"}
    )


def config_over(folder: Path, **changes: Any) -> Config:
    """A configuration with callbacks, both of whose secrets lie in `folder`."""
    (folder / "secret").write_text(f"{SECRET}\n")
    (folder / "secret.old").write_text(f"{PREVIOUS}\n")
    callbacks = Callbacks("https://hooks.test", str(folder / "secret"), str(folder / "secret.old"))
    usual: dict[str, Any] = {
        "files": (),
        "digest": "",
        "service": Service(url="https://api.test", callbacks=callbacks),
        "rules": (rule(folder),),
        "web": Listen("127.0.0.1", 0),
    }
    return Config(**{**usual, **changes})


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The header by which the service proves itself."""
    return {"Runflow-Signature": hmac.new(secret.encode(), body, "sha256").hexdigest()}


def told(**fields: Any) -> bytes:
    """The body of a callback."""
    return json.dumps({"event": "batch.succeeded", "status": "succeeded", **fields}).encode()


@dataclass
class Web:
    """A running listener, a client of it, and the rows behind it."""

    site: PageState
    http: httpx.AsyncClient
    port: int
    application: Application

    @property
    def context(self) -> Context:
        return self.site.context

    async def callback(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """Deliver a callback, signed unless headers are given."""
        return await self.http.post(
            "/callbacks/runflow", content=body, headers=sign(body) if headers is None else headers
        )

    async def batch(self, remote_id: str | None, *runs: str, due_at: float = LATER) -> str:
        """A submitted batch of as many items as runs, to be polled at `due_at`; gives its id."""
        return await self.context.store.write(
            lambda connection: _submitted(connection, self.site, remote_id, runs, due_at)
        )

    async def due_at(self, batch: str) -> float:
        """When the batch is to be polled."""
        return (await self._row(batch))["due_at"]  # type: ignore[no-any-return]

    async def _row(self, batch: str) -> Any:
        return await self.context.store.read(lambda connection: connection.one("batch", id=batch))

    async def until_due(self, batch: str) -> None:
        """Wait until the batch is due; fail when it never is."""
        with anyio.fail_after(60):
            while await self.due_at(batch) != 0:
                await self.context.stage_events.track.wait(0.02)

    async def metric(self, name: str, **labels: str) -> float | None:
        """One sample of the metrics page, as Prometheus' own parser reads it; None when it is not there."""
        return samples((await self.http.get("/metrics")).text).get((name, frozenset(labels.items())))

    async def until_counted(self, outcome: str, times: float = 1) -> None:
        """Wait until so many callbacks had this outcome."""
        with anyio.fail_after(60):
            while await self.metric("runflowd_callbacks_total", outcome=outcome) != times:
                await anyio.sleep(0.01)

    async def hold(self, batch: str) -> Batch:
        """Begin a poll of a batch, as the track stage does."""
        lease = Lease(self.context.store.owner, 5e9)

        def claim(connection: Connection) -> list[Batch]:
            return claim_batches(connection, batch_from(connection.one("batch", id=batch)).state, "test", lease, 10)  # type: ignore[arg-type]

        return next(each for each in await self.context.store.write(claim) if each.id == batch)

    async def release(self, batch: Batch) -> None:
        """End that poll: nothing new, look again much later."""
        await self.context.store.write(lambda connection: release(connection, batch, due_at=LATER))

    async def set_aside(self, path: str, state: ItemState, code: str, reason: str) -> None:
        """Record a file that is not taken."""
        name = next(iter(self.context.rules))
        await self.context.store.write(
            lambda connection: set_aside(connection, name, path, Stat(1, 1, 1), state, code, reason, 1e9)
        )


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a text exposition, by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _submitted(
    connection: Connection, site: PageState, remote_id: str | None, runs: tuple[str, ...], due_at: float
) -> str:
    name = next(iter(site.context.rules))
    snapshot = save_snapshot(connection, name, "{}")
    for run in runs or (remote_id,):
        arrival = Arrival(
            name, f"{run}.jpg", Stat(1, 1, 1), named(f"content {run}"), "image/jpeg", "recipe", {}, snapshot
        )
        arrive(connection, arrival, 1e9)
    batch = seal(connection, Purchase(snapshot, name, "", "m", "test"), BatchLimits(), Money(), 1e9).batch
    assert batch is not None
    claimed = claim_batches(connection, BatchState.SEALED, "test", Lease("rig", 1e9), 100)
    held = next(each for each in claimed if each.id == batch)
    items = items_of_batch(connection, batch)
    for item, run in zip(items, runs, strict=False):
        set_runs(connection, held, {item.id: run})
    mark_submitted(connection, held, items, remote_id, "items", 1e9)
    connection.raw.execute("UPDATE batch SET due_at = ? WHERE id = ?", (due_at, batch))
    return batch


@asynccontextmanager
async def site_over(folder: Path, config: Config | None = None) -> AsyncIterator[PageState]:
    """A state file and what the web listener is given; all stages seem to turn."""
    found = config or config_over(folder)
    clock = Clock()
    async with (
        open_store(new_state(folder / "state.db")) as store,
        Runflow(ApiService("https://api.test", api_key=SecretKey("key"))) as api,
    ):
        rules = {each.name: each for each in found.rules}
        context = Context(store, clock, Incidents(store, clock), ServiceClient("test", api), rules)
        context.hints.set_roots({name: each.watch for name, each in rules.items()})
        for stage in STAGES:
            context.heartbeat(stage)
        commands = Commands(context, lambda: found, dict)
        yield PageState(context, lambda: found, lambda: True, commands)


@asynccontextmanager
async def web(folder: Path, *, config: Config | None = None, listen: Listen | None = None) -> AsyncIterator[Web]:
    """The listener at work on a free port, or on `listen`."""
    async with site_over(folder, config) as site, anyio.create_task_group() as group:
        bound = bind(listen or Listen("127.0.0.1", 0))
        port = 0 if listen and listen.socket else bound.socket.getsockname()[1]
        application = Application(site)
        await group.start(UvicornRunner(application, [bound]).run)
        transport = httpx.AsyncHTTPTransport(uds=listen.socket if listen and listen.socket else None)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield Web(site, http, port, application)
        group.cancel_scope.cancel()


def without_callbacks(config: Config) -> Config:
    """The same configuration, which then polls alone."""
    return replace(config, service=replace(config.service, callbacks=None))
