"""Live reload: the YAML changed, so load it whole; swap everything, or keep everything and say why.

The folder of the configuration is watched, since editors and secret mounts replace files by rename;
what decides is the content, looked at every `CHECK_INTERVAL` seconds whether or not a hint came.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from runflowd.config import CredentialError, load
from runflowd.core.incident_scope import IncidentScope, ScopeKind
from runflowd.errors import ConfigError
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store.due_updates import wake_all
from runflowd.system.file_mark import file_mark
from runflowd.watch import HintQueue, Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config
    from runflowd.pipeline.context import Context
    from runflowd.system.file_mark import Mark
    from runflowd.system.systemd import Notifier

log = structlog.get_logger()

CHECK_INTERVAL = 1.5
"""Seconds between two looks at the files, in case no event came; each costs some of what an idle daemon may use."""

FILES = "configuration"
"""What hints from the folder of the configuration are kept under."""

SCOPE = IncidentScope(ScopeKind.CONFIG)
RESTART_SCOPE = IncidentScope(ScopeKind.RESTART)

FIXED = ("service", "state", "log", "limits")
"""The parts of a configuration that are built into the daemon when it starts."""


class Reloading:
    """Keeps the running configuration in step with the files.

    `taken_at` (epoch seconds) is when the one in force was taken; `problems` are those of a refused edit,
    one `file:line:column: path: message` each, empty while the files are good. `reloaded` tells of every other one.
    """

    def __init__(self, context: Context, source: Path, config: Config, notifier: Notifier) -> None:
        self._context = context
        self._source = source
        self._begun = self._config = config
        self._notifier = notifier
        self._refused = ""
        self._turn = anyio.Lock()
        self.reloaded = WakeEvent()
        self.taken_at = context.clock.wall()
        self.problems: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """What `systemctl status` must say as long as it is so; empty when the files are good and in force."""
        if self.problems:
            return f"configuration refused, the last good one is in force: {self.problems[0]}"
        if changed := self._waiting_for_restart():
            return f"{changed} changed; that needs a restart"
        return ""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    async def run(self) -> None:
        """Follow the files until cancelled."""
        folder = self._source if self._source.is_dir() else self._source.parent
        hints, changed = HintQueue(), WakeEvent()
        hints.set_roots({FILES: str(folder)})
        async with Watcher(hints, changed.notify, deep=False) as watcher:
            await watcher.set_roots([str(folder)])
            marks: list[tuple[str, Mark]] | None = None  # an edit may have come since the start read it
            while True:
                await changed.wait(CHECK_INTERVAL)
                hints.discard(FILES)
                found = await anyio.to_thread.run_sync(_marks, self._source)
                with self._context.log_store_errors("reload"):
                    if found != marks:
                        await self._take(announce=False)
                        marks = found
                    if any(report.code == "UNAUTHORIZED" for report in self._context.incidents.snapshot()):
                        await self._try_key()

    async def now(self) -> None:
        """Reload because somebody asked, and retry every paused scope at once. Raises `StoreError`."""
        self._notifier.reloading()
        try:
            await anyio.to_thread.run_sync(self._context.service.reload_key)
        except CredentialError as error:
            log.warning(str(error), action="key.unreadable")
        self._refused = ""
        try:
            await self._resume()
            await self._take(announce=True)
        finally:
            self._notifier.ready()

    async def _resume(self) -> None:
        """Let everything that is paused be tried again at once."""
        self._context.service.api.reopen()
        await self._context.incidents.forget_all()
        await self._context.store.write(wake_all)
        self._context.stage_events.notify_all()

    async def _try_key(self) -> None:
        """The key was refused: once another one lies in its place, that is tried at once."""
        with suppress(CredentialError):
            if await anyio.to_thread.run_sync(self._context.service.reload_key):
                log.info("the API key changed", action="key.changed")
                await self._resume()

    async def _take(self, *, announce: bool) -> None:
        async with self._turn:
            try:
                config = await anyio.to_thread.run_sync(load, self._source)
            except ConfigError as error:
                await self._refuse(error)
                return
            await self._context.incidents.resolve(SCOPE)
            self._refused, self.problems = "", ()
            if config.digest == self._config.digest and not announce:
                return
            self._apply(config)
            await self._report_restart_needed()

    async def _report_restart_needed(self) -> None:
        """Say which changes wait for a restart, each set of them once; nothing when they were taken back."""
        if not (changed := self._waiting_for_restart()):
            await self._context.incidents.resolve(RESTART_SCOPE)
            return
        sentence = f"{changed} changed; that needs a restart, the rules are in force already"
        await self._context.incidents.restate(
            IncidentReport(
                RESTART_SCOPE, "RESTART_NEEDED", sentence, "Restart runflowd when it suits; nothing is lost by it"
            )
        )

    def _waiting_for_restart(self) -> str:
        changed = [name for name in FIXED if getattr(self._config, name) != getattr(self._begun, name)]
        return ", ".join(f"`{name}`" for name in changed)

    def _apply(self, config: Config) -> None:
        """Swap the snapshot. Nothing waits for work in flight: that keeps the rules it was sealed with."""
        self._config = config
        self.taken_at = self._context.clock.wall()
        self._context.rules = {rule.name: rule for rule in config.rules}
        self._context.places = config.places
        # Another service counts from the next start on; until then what this one takes is money, or is none.
        self._context.money = replace(config, service=self._begun.service).money_in_force
        self._context.incidents.notify = config.notify
        self._context.stage_events.notify_all()
        self.reloaded.notify()
        names = ", ".join(sorted(self._context.rules))
        for warning in config.warnings:
            log.warning(str(warning), action="config.warning")
        log.info("configuration applied", action="config.applied", rules=names, digest=config.digest[:12])

    async def _refuse(self, error: ConfigError) -> None:
        if str(error) == self._refused:
            return
        self.problems = tuple(str(problem) for problem in error.problems)
        self._notifier.status(self.headline)
        remedy = "Correct the file; the last good configuration is in force"
        await self._context.incidents.restate(IncidentReport(SCOPE, "CONFIG_REFUSED", str(error.problems[0]), remedy))
        self._refused = str(error)
        for problem in error.problems:
            log.error(str(problem), action="config.refused")


def _marks(source: Path) -> list[tuple[str, Mark]]:
    """What tells a change of any configuration file, and that there is another one."""
    files = sorted(source.glob("*.yaml")) if source.is_dir() else [source]
    return [(file.name, mark) for file in files if (mark := file_mark(file))]
