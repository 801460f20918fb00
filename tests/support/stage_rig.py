"""The four stages in one process: real files, real SQLite, the local service over ASGI, virtual time.

Time is trio's mock clock: it jumps to the next deadline as soon as nothing is left to do, so a
simulated day takes milliseconds. Wall time follows it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import trio
from chosen_state import state_of
from local_service import BASE, InProcess
from new_state import new_state
from pictures import encoded
from PIL import Image

from runflowd.api.client import Runflow
from runflowd.api.settings import Limits as ApiLimits
from runflowd.api.settings import SecretKey, Service
from runflowd.app.engine import Engine, run_stages
from runflowd.config import Config, Limits
from runflowd.config import Service as ServiceWanted
from runflowd.control.carrying_out import Commands
from runflowd.control.command_context import CommandContext, Outside
from runflowd.control.registry import entry
from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.model import BatchLimits, Rule
from runflowd.local.app import LocalService
from runflowd.local.http.control import Switches, apply, ledger
from runflowd.local.settings import LocalSettings
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.pipeline.deliver import Deliver
from runflowd.pipeline.dispatch import Dispatch
from runflowd.pipeline.intake import Intake
from runflowd.pipeline.track import Track
from runflowd.store import open_store
from runflowd.store.batches import batch_from
from runflowd.store.items import item_from
from runflowd.system.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from runflowd.local.jobs.deliveries import Send
    from runflowd.store import Connection, Store
    from runflowd.store.batches import Batch
    from runflowd.store.items import Item
    from runflowd.system.paths import Place

EPOCH = 1_800_000_000.0
PATIENT = ApiLimits(connect=1e6, idle=1e6, total=1e6, transfer=1e6)
"""No deadline of the client may be reached by a clock that jumps while a thread works."""


@dataclass
class Rig:
    """The parts of a running pipeline, and the questions that tests ask of them."""

    folder: Path
    engine: Engine
    local: LocalService
    jumped: list[float] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.engine.context.store

    def drop(self, name: str, seed: str | int | None = None) -> Path:
        """Put a small image into the watched folder; equal seeds give equal bytes."""
        path = self.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name if seed is None else seed))
        return path

    def jump(self, seconds: float) -> None:
        """Set the clock on the wall forward or back; the one that counts goes on as before."""
        self.jumped.append(seconds)

    def switch(self, **switches: Any) -> None:
        """Change the local service's API variants, faults or balance."""
        apply(self.local.service, Switches.model_validate(switches))

    def take_no_batches(self) -> None:
        """Let the model of the rules be one that only has single runs."""
        object.__setattr__(self.local.service.models["runflow/pass-through"], "takes_batches", False)

    def outputs(self) -> set[str]:
        """The visible files in the output folder."""
        root = self.folder / "out"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name[0] != "."}

    async def items(self) -> list[Item]:
        """Every item, oldest first."""
        query = partial(_all_items)
        return await self.store.read(query)

    async def batches(self) -> list[Batch]:
        """Every batch, oldest first."""
        return await self.store.read(_all_batches)

    async def states(self) -> dict[str, ItemState]:
        """The state of each path's current item."""
        return {item.path: item.state for item in await self.items() if item.current}

    def charged(self) -> list[int]:
        """How often each content was charged, from the service's own books."""
        return [entry["times"] for entry in ledger(self.local.service)["charges"]]

    async def ask(self, name: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command, as the control socket would give it."""
        context = self.engine.context
        service, rules = ServiceWanted(url=context.service.name), tuple(context.rules.values())
        config = Config((), "", service, rules, money=context.money)

        def work(connection: Connection) -> dict[str, Any] | Outside:
            desk = CommandContext(connection, context.store.place, config.essentials, context.clock.wall())
            return entry(name).handler()(desk, parameters)

        if entry(name).of_model:
            return await Commands(context, lambda: config, dict)(name, parameters)
        found = await self.store.write(work)
        return await anyio.to_thread.run_sync(found.look) if isinstance(found, Outside) else found

    async def until(self, done: Callable[[dict[str, ItemState]], bool], seconds: float = 3600.0) -> float:
        """Wait in virtual time for the states to be so; give the seconds that took.

        The state file is asked when it has changed: hours in which nothing happens cost nothing.
        """
        started = anyio.current_time()
        seen, states = self.store.changes, await self.states()
        with anyio.fail_after(seconds):
            while not done(states):
                await anyio.sleep(1)
                if seen != self.store.changes:
                    seen, states = self.store.changes, await self.states()
        return anyio.current_time() - started

    async def settled(self, count: int, seconds: float = 3600.0) -> float:
        """Wait until `count` paths are known and none is on its way."""
        taken = await self.until(lambda states: len(states) == count and not set(states.values()) & IN_FLIGHT, seconds)
        await anyio.sleep(2)
        return taken


def picture(seed: str | int) -> bytes:
    """A small JPEG whose bytes depend on the seed alone."""
    return encoded(Image.new("RGB", (16, 12), (200, 120, 40)), "JPEG", comment=f"seed {seed}".encode())


def _all_items(connection: Connection) -> list[Item]:
    return [item_from(row) for row in connection.raw.execute("SELECT * FROM full_item ORDER BY id")]


def _all_batches(connection: Connection) -> list[Batch]:
    return [batch_from(row) for row in connection.raw.execute("SELECT * FROM batch ORDER BY sealed_at, id")]


def rule(folder: Path, **changes: Any) -> Rule:
    """A pass-through rule from `in` to `out` with short waits."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {
        "name": "studio",
        "watch": str(folder / "in"),
        "output": str(folder / "out"),
        "model": "runflow/pass-through",
        "input": {"image_url": "${file.url}"},
        "batch": BatchLimits(quiet=5, max_wait=60),
        "rescan": 10.0,
    }
    return Rule(**{**facts, **changes})


@asynccontextmanager
async def running(
    folder: Path,
    *rules: Rule,
    service: dict[str, Any] | None = None,
    send: Send | None = None,
    wire: Callable[[Any], httpx.AsyncBaseTransport] = InProcess,
    watch: bool = False,
    began: float = EPOCH,
    place: Place | None = None,
    named: str = "test",
) -> AsyncIterator[Rig]:
    """The pipeline at work over `rules` (default: one), with the clock of the running event loop.

    `send` is how callbacks leave the local service, `wire` makes what carries requests to its app. With `watch`
    the kernel's events come, in real time. `began` is what the wall clock says at first, `place` where the store
    is, by default a file in `folder`. What is bought is kept under the service as it is `named`.
    """
    state = place or state_of(folder)
    if isinstance(state, Path):
        new_state(state)
    virtual = trio.lowlevel.current_clock()
    started = virtual.current_time()

    def wall() -> float:  # also asked in worker threads, where no event loop is at hand
        return began + virtual.current_time() - started

    jumped: list[float] = []

    switches = {"url_lifetime": 1e9, **(service or {})}
    async with (
        LocalService(LocalSettings(folder / "service", **switches), clock=wall, send=send) as local,
        Runflow(
            Service(BASE, api_key=SecretKey("key")), transport=wire(local.app), limits=PATIENT, patient=True
        ) as api,
        open_store(state) as store,
    ):
        clock = Clock(lambda: wall() + sum(jumped), lambda: 0.0)
        chosen = rules or (rule(folder),)
        limits = Limits(free_space=0)
        context = Context(
            store,
            clock,
            Incidents(store, clock),
            ServiceClient(named, api),
            {each.name: each for each in chosen},
            limits,
        )
        engine = Engine(context, Intake(context), Dispatch(context), Track(context), Deliver(context))
        async with anyio.create_task_group() as group:
            group.start_soon(partial(run_stages, engine, watch=watch))
            yield Rig(folder, engine, local, jumped)
            group.cancel_scope.cancel()
