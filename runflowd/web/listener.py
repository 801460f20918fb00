"""Keeps the web listener where the configuration says; while that says the same, nothing is touched.

A new address is bound before the old one is given up, so that a bad edit never costs the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED

from runflowd.config.snapshot import Listen
from runflowd.core.incident_scope import IncidentScope, ScopeKind
from runflowd.observability.incidents import IncidentReport
from runflowd.web.address import AddressUnusable, adopt, bind

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from runflowd.config import Config
    from runflowd.web.address import Bound
    from runflowd.web.app import Application
    from runflowd.web.page_state import PageState
    from runflowd.web.uvicorn_runner import UvicornRunner

log = structlog.get_logger()

CHECK_INTERVAL = 0.5
"""Seconds between two looks at the configuration in force."""

_PASSED = Listen(socket="passed by systemd")
"""Stands for the sockets that systemd handed over, whatever `web.listen` names."""

SCOPE = IncidentScope(ScopeKind.WEB)


class ListenerManager:
    """Follows `web.listen`; `passed` are sockets from systemd, which then are the address."""

    def __init__(self, state: PageState, passed: Sequence[socket.socket] = ()) -> None:
        self._state = state
        self._passed = tuple(passed)
        self._config: Config | None = None
        self._application: Application | None = None
        self._serving: UvicornRunner | None = None
        self._listen: Listen | None = None

    def __repr__(self) -> str:
        return f"<ListenerManager {self._listen or 'off'}>"

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Raises `AddressUnusable` before it has started; later that is an incident."""
        async with anyio.create_task_group() as group:
            await self._follow(group)
            task_status.started()
            while True:
                await anyio.sleep(CHECK_INTERVAL)
                try:
                    await self._follow(group)
                except AddressUnusable as error:
                    await self._report(error)

    async def _follow(self, group: TaskGroup) -> None:
        config, context = self._state.config(), self._state.context
        if config is not self._config:
            self._config = config
            self._state.config_taken = context.clock.wall()
        wanted = _PASSED if config.web and self._passed else config.web
        if wanted == self._listen:
            await context.incidents.resolve(SCOPE)
        elif context.incidents.closed_for(SCOPE) <= 0:
            await self._change(group, wanted)

    async def _change(self, group: TaskGroup, wanted: Listen | None) -> None:
        before = self._listen
        if before and wanted and before.port and before.port == wanted.port:
            # Two addresses may share a port and still exclude each other: 127.0.0.1 and 0.0.0.0.
            await self._stop()
        try:
            bound = self._bind(wanted)
        except AddressUnusable:
            if before and self._serving is None:
                await self._start(group, before, self._bind(before))
            raise
        await self._stop()
        if wanted:
            await self._start(group, wanted, bound)

    def _bind(self, wanted: Listen | None) -> list[Bound]:
        if wanted is None:
            return []
        return [adopt(each) for each in self._passed] if wanted is _PASSED else [bind(wanted)]

    async def _stop(self) -> None:
        if self._serving is not None:
            await self._serving.stop()
            log.info("web listener closed", action="web.closed", listen=str(self._listen))
        self._serving, self._listen = None, None

    async def _start(self, group: TaskGroup, wanted: Listen, bound: list[Bound]) -> None:
        # Imported here: without a listener the daemon has no use for templates and metrics.
        from runflowd.web.app import Application  # noqa: PLC0415
        from runflowd.web.uvicorn_runner import UvicornRunner  # noqa: PLC0415

        self._application = self._application or Application(self._state)
        self._serving = UvicornRunner(self._application, bound)
        await group.start(self._serving.run)
        self._listen = wanted
        log.info("web listener open", action="web.open", listen=str(wanted))

    async def _report(self, error: AddressUnusable) -> None:
        still = f"; {self._listen} stays open" if self._serving else ""
        remedy = f"Correct `web.listen`{still}. It is tried again by itself"
        await self._state.context.incidents.report(IncidentReport(SCOPE, "ADDRESS_UNUSABLE", str(error), remedy))
