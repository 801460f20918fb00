"""The composition root: store, service and stages, opened in order and closed in reverse.

`run` and `sync` are the same engine; they differ in when they stop.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd import files
from runflowd.app.retention import keep_small
from runflowd.app.service_factory import open_remote
from runflowd.core.database import Database
from runflowd.core.fleet import UNSEEN
from runflowd.errors import StoreError
from runflowd.fleet.membership import Membership
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import MAX_IDLE, Context
from runflowd.pipeline.deliver import Deliver
from runflowd.pipeline.deliver.review_note import ReviewNotes
from runflowd.pipeline.dispatch import Dispatch
from runflowd.pipeline.folder_ownership import claim_outputs
from runflowd.pipeline.intake import Intake
from runflowd.pipeline.price_reader import PriceReader
from runflowd.pipeline.track import Track
from runflowd.store import open_store
from runflowd.store.configuration import configuration_of, ensure_own, take_state
from runflowd.store.due_updates import wake_all
from runflowd.store.hosts import leave, living
from runflowd.store.reserving import correct_period, is_ahead
from runflowd.store.unbought import put_back_for_service
from runflowd.system.clock import Clock, FollowingWall
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.store import Store

log = structlog.get_logger()

UPKEEP_INTERVAL = 20.0
"""Seconds between two looks at the clocks."""

GAP = 60.0
"""Seconds that the wall clock may run ahead of the monotonic one before everything is looked at anew."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The running parts."""

    context: Context
    intake: Intake
    dispatch: Dispatch
    track: Track
    deliver: Deliver

    def stop(self) -> None:
        """Take nothing more in and claim nothing more; what is in hand is finished."""
        self.context.decoder.stop()
        self.intake.stop()
        for stage in (self.dispatch, self.track, self.deliver):
            stage.worker_loop.stop()

    def detach(self) -> None:
        """Wait for no folder any more that does not answer, whatever was asked of it; the process ends now."""
        self.context.io.detach()

    def is_alive(self, now: float) -> bool:
        """Whether every stage turned its loop lately; `now` is monotonic seconds."""
        heartbeats = self.context.heartbeats
        return all(
            now - heartbeats.get(stage, now) < 4 * MAX_IDLE for stage in ("intake", "dispatch", "track", "deliver")
        )


@asynccontextmanager
async def open_engine(config: Config, *, shares: bool = False, host: str = "") -> AsyncIterator[Engine]:
    """Open the state, recover what a crash left, and make the stages ready; nothing runs yet.

    With `shares` others may work on it as well, where that can be; `host` is what this one is called among them.
    Raises `StoreError` when the state cannot be used or is another's, `CredentialError` without an API key.
    """
    wall = FollowingWall()
    clock = Clock(wall, follow=wall.follow)
    place, shared = state_place(config), shares and may_share(config)
    async with open_store(place, host=host, alone=not shared) as store, _left_at_the_end(store, clock):
        await _take_state(store, config.source)
        incidents = Incidents(store, clock)
        await incidents.forget_left()
        async with open_remote(config) as remote:
            await store.write(
                partial(put_back_for_service, service=remote.name, owner=store.session.id, now=clock.wall())
            )
            context = Context(store, clock, incidents, remote, by_name(config), config.limits)
            context.places = config.places
            context.money = config.money_in_force
            context.duties = UNSEEN if shared else context.duties
            yield Engine(context, Intake(context), Dispatch(context), Track(context), Deliver(context))


def may_share(config: Config) -> bool:
    """Whether several hosts may work on the state of a configuration: it is in a database, and the service is one."""
    return isinstance(state_place(config), Database) and config.service.local is None


@asynccontextmanager
async def _left_at_the_end(store: Store, clock: Clock) -> AsyncIterator[None]:
    """At the end what this host had claimed is free at once; where that cannot be said, once its lease has ended."""
    try:
        yield
    finally:
        if not store.session.alone:
            with anyio.CancelScope(shield=True), suppress(StoreError):
                await store.write(partial(leave, session=store.session, now=clock.wall()))


async def _take_state(store: Store, source: str) -> None:
    """See that the state is of this configuration, or make it so. Raises `OtherConfiguration`."""
    place, host = store.place, store.session.name
    before = await store.read(lambda connection: configuration_of(connection, place, host))
    if not source or before == source:
        return
    await store.read(lambda connection: ensure_own(connection, place, source, host))
    await store.write(lambda connection: take_state(connection, place, source, host))
    if before:
        log.warning("the configuration has moved", action="config.moved", before=before, now=source)


def by_name(config: Config) -> dict[str, Rule]:
    """The rules of a configuration as the stages look them up."""
    return {rule.name: rule for rule in config.rules}


async def run_stages(engine: Engine, *, watch: bool = True) -> None:
    """Run all stages until `Engine.stop`; returns when the last job in hand is finished."""
    async with anyio.create_task_group() as group:
        group.start_soon(_upkeep, engine)
        if engine.context.duties.shared:
            group.start_soon(Membership(engine.context).run)
        group.start_soon(keep_small, engine.context)
        group.start_soon(claim_outputs, engine.context)
        group.start_soon(PriceReader(engine.context).run)
        notes = ReviewNotes(engine.context)
        group.start_soon(notes.run)
        for rule in engine.context.rules.values():
            group.start_soon(_clean_up, engine.context, rule)
        async with anyio.create_task_group() as stages:
            stages.start_soon(lambda: engine.intake.run(watch=watch))
            for stage in (engine.dispatch, engine.track, engine.deliver):
                stages.start_soon(stage.worker_loop.run)
        await notes.finish()
        group.cancel_scope.cancel()


async def _clean_up(context: Context, rule: Rule) -> None:
    """Put right what a run that was killed left in the folders that it delivered to."""
    alone = not context.duties.shared
    with context.log_store_errors("upkeep"):
        alone = alone or len(await context.store.read(partial(living, now=context.clock.wall()))) <= 1
    if not alone:
        return  # another host may be writing just these
    folders = rule.delivered_to.values()
    cleared = sum([await context.io.written(rule).write(files.clear_up, folder) for folder in folders])
    if cleared:
        log.info("removed temporary files", action="start.cleaned", rule=rule.name, count=cleared)


async def _correct_period(context: Context) -> None:
    """A clock that was set far ahead leaves a day on record that no limit would outlive, once it is right again."""
    money, now = context.money, context.clock.wall()
    if context.clock_is_confirmed() and await context.store.read(partial(is_ahead, money=money, now=now)):
        before = await context.store.write(partial(correct_period, money=money, now=now))
        log.warning("the clock was ahead", action="clock.corrected", day=before)
        context.stage_events.intake.notify()


async def _upkeep(engine: Engine) -> None:
    """Look at everything after the machine slept, and at what the clock says of the day."""
    context = engine.context
    wall, monotonic = context.clock.wall(), context.clock.now()
    while True:
        await anyio.sleep(UPKEEP_INTERVAL)
        slept = (context.clock.wall() - wall) - (context.clock.now() - monotonic)
        wall, monotonic = context.clock.wall(), context.clock.now()
        with context.log_store_errors("upkeep"):
            if abs(slept) > GAP:
                log.warning("the clock jumped", action="clock.jumped", seconds=round(slept))
                await context.store.write(wake_all)
                context.stage_events.notify_all()
            await _correct_period(context)
        context.log_throttle.log_overdue()
