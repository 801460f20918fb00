"""Keeps the web listener where the configuration says; while that says the same, nothing is touched.

A new address is bound before the old one is given up, so that a bad edit never costs the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog
from anyio import TASK_STATUS_IGNORED

from runflowd.config.essentials import Listen
from runflowd.core.incident_scope import IncidentScope, ScopeKind
from runflowd.observability.incidents import IncidentReport
from runflowd.web.address import AddressOpen, adopt, bind
from runflowd.web.certificate import Certificate
from runflowd.web.passwords import ensure_available
from runflowd.web.trouble import WebTrouble
from runflowd.web.users_file import UsersFile

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from anyio.abc import TaskGroup, TaskStatus

    from runflowd.config import Config
    from runflowd.config.snapshot import Access
    from runflowd.web.address import Bound
    from runflowd.web.app import Application
    from runflowd.web.page_state import PageState
    from runflowd.web.uvicorn_runner import UvicornRunner

log = structlog.get_logger()

CHECK_INTERVAL = 2.0
"""Seconds between two looks at the certificate and the users; another configuration is told of."""

_PASSED = Listen(socket="passed by systemd")
"""Stands for the sockets that systemd handed over, whatever `web.listen` names."""

SCOPE = IncidentScope(ScopeKind.WEB)


class ListenerManager:
    """Follows the section `web`; `passed` are sockets from systemd, which then are the address."""

    def __init__(self, state: PageState, passed: Sequence[socket.socket] = ()) -> None:
        self._state = state
        self._passed = tuple(passed)
        self._config: Config | None = None
        self._application: Application | None = None
        self._serving: UvicornRunner | None = None
        self._listen: Listen | None = None
        self._certificate: Certificate | None = None
        self._users = UsersFile("")

    def __repr__(self) -> str:
        return f"<ListenerManager {self._listen or 'off'}>"

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Raises what is amiss before it has started; later that is an incident."""
        async with anyio.create_task_group() as group:
            await self._follow(group)
            task_status.started()
            while True:
                await self._state.reloaded.wait(CHECK_INTERVAL)
                try:
                    await self._follow(group)
                except WebTrouble as error:
                    await self._report(error)

    async def _follow(self, group: TaskGroup) -> None:
        config, context = self._state.config(), self._state.context
        if config is not self._config:
            self._config = config
            self._state.config_taken = context.clock.wall()
        wanted, access = _PASSED if config.web and self._passed else config.web, config.access
        served = self._certificate.files if self._certificate else None
        if (wanted, _files(access) if wanted else None) != (self._listen, served):
            if context.incidents.closed_for(SCOPE) > 0:
                return
            await self._change(group, wanted, access)
        if wanted:
            await self._look_at_files(access)
        await context.incidents.resolve(SCOPE)

    async def _look_at_files(self, access: Access) -> None:
        """Take a renewed certificate. Raises what keeps people from logging in."""
        certificate = self._certificate
        if certificate is not None and await anyio.to_thread.run_sync(certificate.renew):
            log.info("the renewed certificate is served", action="web.certificate", file=certificate.files[0])
        if access.users_file:
            ensure_available()
            if self._users.path != access.users_file:
                self._users = UsersFile(access.users_file)
            await anyio.to_thread.run_sync(self._users.users)

    async def _change(self, group: TaskGroup, wanted: Listen | None, access: Access) -> None:
        files = _files(access) if wanted else None
        certificate = await anyio.to_thread.run_sync(lambda: Certificate(*files)) if files else None
        before = self._listen
        if before and wanted and (before == wanted or before.port == wanted.port != 0):
            # Two addresses may share a port and still exclude each other: 127.0.0.1 and 0.0.0.0.
            await self._stop()
        try:
            bound = self._bind(wanted, access)
        except WebTrouble:
            if before and self._serving is None:
                await self._start(group, before, self._bind(before, access))
            raise
        await self._stop()
        self._certificate = certificate
        if wanted:
            await self._start(group, wanted, bound)

    def _bind(self, wanted: Listen | None, access: Access) -> list[Bound]:
        if wanted is None:
            return []
        bound = [adopt(each) for each in self._passed] if wanted is _PASSED else [bind(wanted)]
        known = access.users_file and (access.certificate or access.proxies)
        if (public := next((each for each in bound if each.open), None)) and not known:
            refusal = AddressOpen(public)
            for each in bound:
                each.close()
            raise refusal
        return bound

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
        self._serving = UvicornRunner(self._application, bound, self._certificate)
        await group.start(self._serving.run)
        self._listen = wanted
        log.info("web listener open", action="web.open", listen=str(wanted))

    async def _report(self, error: WebTrouble) -> None:
        if self._state.context.incidents.closed_for(SCOPE) > 0:
            return
        still = f"; {self._listen} stays open" if self._serving else ""
        remedy = f"Correct `{error.place}`{still}. It is tried again by itself"
        await self._state.context.incidents.report(IncidentReport(SCOPE, error.code, str(error), remedy))


def _files(access: Access) -> tuple[str, str] | None:
    return (access.certificate, access.key) if access.certificate else None
