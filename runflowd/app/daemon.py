"""`runflowd run`: the engine as a service, with signals, notifications to systemd, and live reload."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.app.engine import open_engine, run_stages
from runflowd.app.reload import Reloading
from runflowd.app.service_factory import with_callbacks
from runflowd.control.server import Control, serve_control
from runflowd.errors import StoreError
from runflowd.notify import NotificationSender
from runflowd.store.items import in_flight
from runflowd.system.systemd import Notifier, passed_sockets, watchdog_interval
from runflowd.web.listener import ListenerManager
from runflowd.web.page_state import PageState, WatchHealth

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import TaskGroup

    from runflowd.app.engine import Engine
    from runflowd.config import Config
    from runflowd.control.carrying_out import Commands

log = structlog.get_logger()

GRACE = 25.0
"""Seconds that uploads and downloads in hand get after SIGTERM. Batches in flight need none: they are rows."""


async def run_daemon(config: Config, source: Path, host: str = "") -> None:
    """Run until SIGTERM or SIGINT, as `host` among others where the state can be shared.

    Raises what `open_engine` raises, and `AddressUnusable` of the web listener.
    """
    notifier = Notifier()
    async with open_engine(config, shares=True, host=host) as engine, anyio.create_task_group() as group:
        reloading = Reloading(engine.context, source, config, notifier)
        control = Control(engine.context, source, reloading)
        page_state = _page_state(engine, reloading, control.commands)
        engine.context.service = with_callbacks(engine.context.service, config)
        engine.context.incidents.notify = config.notify
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            # Before the stages: whoever gets the error of an address in use has bought nothing yet.
            await group.start(ListenerManager(page_state, passed_sockets().get("web", ())).run)
            await group.start(serve_control, control, source)
            group.start_soon(_serve, engine, group)
            group.start_soon(reloading.run)
            group.start_soon(_report, engine, reloading, notifier)
            group.start_soon(NotificationSender(engine.context, page_state.is_alive).run)
            notifier.ready(f"{len(config.rules)} rules")
            log.info("ready", action="daemon.ready", rules=len(config.rules), service=engine.context.service.name)
            async for number in signals:
                if number != signal.SIGHUP:
                    break
                try:
                    await reloading.now()
                except StoreError as error:
                    log.error(str(error), action="store.failed", stage="reload")
            notifier.stopping("finishing what is in hand")
            log.info("stopping", action="daemon.stopping", grace=GRACE)
            page_state.stopping = True
            engine.stop()
            await _wait_for_end(engine, group)


def _page_state(engine: Engine, reloading: Reloading, commands: Commands) -> PageState:
    """What the web listener shows."""

    def watch() -> WatchHealth:
        watcher, missed = engine.intake.watcher, engine.intake.missed
        return WatchHealth(watcher.overflows, len(watcher.problems), missed) if watcher else WatchHealth()

    clock = engine.context.clock

    def is_alive() -> bool:
        return engine.is_alive(clock.now())

    return PageState(engine.context, lambda: reloading.config, is_alive, commands, watch, reloading.reloaded)


async def _wait_for_end(engine: Engine, group: TaskGroup) -> None:
    """The stages cancel the group when the last job is finished; after the grace time they are cut off."""
    with anyio.move_on_after(GRACE):
        await anyio.sleep_forever()
    group.cancel_scope.cancel()
    engine.detach()


async def _serve(engine: Engine, group: TaskGroup) -> None:
    await run_stages(engine)
    group.cancel_scope.cancel()


async def _report(engine: Engine, reloading: Reloading, notifier: Notifier) -> None:
    """Tell systemd how things are, and that every stage still turns."""
    interval = watchdog_interval()
    pause = min(interval or 10.0, 10.0)
    while True:
        await anyio.sleep(pause)
        if engine.is_alive(engine.context.clock.now()):
            notifier.alive()
        if notifier.active:
            try:
                count = await engine.context.store.read(in_flight)
            except StoreError as error:
                notifier.status(str(error))
                continue
            notifier.status(reloading.headline or f"{len(engine.context.rules)} rules, {count} in flight")
