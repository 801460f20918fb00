"""Trouble wider than one item: what it covers is paused, it is said once, probed, and ends by itself.

A stage asks how long its scopes are closed; the first success after a probe closes the incident. That the probe is one
request alone is the client's to see to (`api.gate`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from runflowd.config import Notify
from runflowd.core.backoff import delay
from runflowd.core.incident_scope import ScopeKind, closes_for_all, is_of_one_host, on_host, parse_scope, split_host
from runflowd.core.notices import Kind, Message
from runflowd.core.printable import printable
from runflowd.store.hosts import living
from runflowd.store.notices import begin_incident, end_incident
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.core.incident_scope import IncidentScope
    from runflowd.store import Connection, Store
    from runflowd.store.connection import Row
    from runflowd.system.clock import Clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """What went wrong for a whole scope, and what to do about it.

    `wait` is in how many seconds it is probed, where that is known already; else the waits double, up to
    `slowest`. `until_result` says that a purchase which is taken does not end it, since only results tell.
    """

    scope: IncidentScope
    code: str
    message: str
    remedy: str
    slowest: float = 60.0
    wait: float | None = None
    until_result: bool = False


@dataclass(slots=True)
class _Open:
    report: IncidentReport
    attempts: int
    retry_at: float
    probe_at: float
    """The same in epoch seconds."""


class Incidents:
    """The open incidents of this process, mirrored in the store for whoever asks.

    `notify` says who is to hear of them; nobody unless somebody sets it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: dict[IncidentScope, _Open] = {}
        self._elsewhere: dict[IncidentScope, float] = {}
        self.notify = Notify()

    def __repr__(self) -> str:
        return f"<Incidents {', '.join(sorted(map(str, self._open))) or 'none'}>"

    def snapshot(self) -> tuple[IncidentReport, ...]:
        """Every incident that is open now."""
        return tuple(entry.report for entry in self._open.values())

    async def report(self, report: IncidentReport) -> float:
        """Open an incident, or note that it lasts; give the monotonic time of the next probe."""
        entry = self._open.get(report.scope)
        now = self._clock.now()
        if entry and entry.retry_at > now:
            # Several calls failed at once: one of them counts, but what is probed later is tried no sooner.
            entry.retry_at = max(entry.retry_at, now + (report.wait or 0.0))
            return entry.retry_at
        attempts = entry.attempts + 1 if entry else 1
        pause = report.wait
        if pause is None:
            pause = delay(attempts, cap=report.slowest, jitter=self._clock.jitter())
        self._open[report.scope] = _Open(report, attempts, now + pause, self._clock.wall() + pause)
        if entry is None or entry.report.code != report.code:
            log.error(
                report.message, action="incident.open", scope=str(report.scope), code=report.code, remedy=report.remedy
            )
        await self._store.write(partial(self.record, report=report))
        reach("incident.recorded")
        return now + pause

    def _is_mine(self, report: IncidentReport) -> bool:
        """Whether this is one of several hosts, and another one may not have that trouble."""
        return not self._store.session.alone and is_of_one_host(report.scope, report.code)

    def _place(self, report: IncidentReport) -> str:
        """The scope as the store keeps it: what is of one host is no other one's to renew or to end."""
        return on_host(report.scope, self._host) if self._is_mine(report) else str(report.scope)

    @property
    def _host(self) -> str:
        return printable(self._store.session.name)

    def record(self, connection: Connection, report: IncidentReport) -> None:
        """Write an incident down, and in the same transaction what people are to hear of it."""
        now = self._clock.wall()
        message = f"on host {self._host}: {report.message}" if self._is_mine(report) else report.message
        facts = {"scope": self._place(report), "code": report.code, "message": message, "remedy": report.remedy}
        before = connection.one("incident_of", scope=facts["scope"])
        connection.run("raise_incident", owner=self._store.owner, now=now, probe_at=self._probe_at(report), **facts)
        if before is None or before["code"] != report.code:
            begin_incident(
                connection, Message(Kind.INCIDENT, count=1, since=now, **facts), self.audience, now, self.notify.after
            )

    def _probe_at(self, report: IncidentReport) -> float:
        """When what is closed by this is tried again (epoch seconds), for the other hosts; else 0."""
        entry = self._open.get(report.scope)
        return entry.probe_at if entry is not None and closes_for_all(report.scope, report.code) else 0.0

    def audience(self, kind: Kind, scope: str) -> tuple[str, ...]:
        """The channels that are to hear of a kind of message: a channel's own trouble is not sent over it."""
        if kind not in self.notify.on:
            return ()
        scope = split_host(scope)[0]
        return tuple(channel for channel in self.notify.channels if scope != str(ScopeKind.NOTIFY.of(channel)))

    async def restate(self, report: IncidentReport) -> None:
        """What is wrong with this scope is something else now: that counts at once, whatever was open before."""
        self._open.pop(report.scope, None)
        await self.report(report)

    async def resolve(self, *scopes: IncidentScope) -> None:
        """A call got through: whatever was open for these scopes has ended."""
        for scope in scopes:
            if entry := self._open.pop(scope, None):
                log.info("resolved", action="incident.resolved", scope=str(scope))
                mine = {"scope": self._place(entry.report), "owner": self._store.owner}
                await self._store.write(partial(_clear, rows=[mine], now=self._clock.wall()))

    async def resolve_for_all(self, scope: IncidentScope) -> None:
        """What was wrong has ended for every host, and one that reported it may not see that: it was drained."""
        await self.resolve(scope)
        if self._store.session.alone:
            return
        find, now = partial(_reported, scope=str(scope)), self._clock.wall()
        left = await self._store.read(find)
        if left:
            await self._store.write(lambda connection: _clear(connection, find(connection), now))

    async def forget_all(self) -> None:
        """Start afresh: after a reload every scope deserves a new try at once."""
        self._open.clear()
        owner, now = self._store.owner, self._clock.wall()
        await self._store.write(lambda connection: _clear(connection, connection.all("incidents_of", owner=owner), now))

    async def forget_left(self) -> None:
        """What sessions reported that are dead by now ended with them, or is found anew."""
        now = self._clock.wall()

        def write(connection: Connection) -> None:
            known = json.dumps(sorted(living(connection, now)))
            _clear(connection, connection.all("incidents_left", living=known), now)

        await self._store.write(write)

    def follow(self, closed: Iterable[tuple[str, float]]) -> None:
        """What other hosts of the account have found closed is closed here, too: scopes, and seconds to their probe."""
        now = self._clock.now()
        self._elsewhere = {parse_scope(split_host(scope)[0]): now + wait for scope, wait in closed if wait > 0}

    def closed_for(self, *scopes: IncidentScope) -> float:
        """Seconds until the given scopes may be tried again; 0 when all of them are open."""
        now = self._clock.now()
        own = (self._open[scope].retry_at - now for scope in scopes if scope in self._open)
        others = (self._elsewhere[scope] - now for scope in scopes if scope in self._elsewhere)
        return max((0.0, *own, *others))

    def paused_rules(self, *, buying: bool = True) -> list[str]:
        """Names of the rules that are not to be touched before their next probe; one `until_result` may deliver."""
        now = self._clock.now()
        others = [scope for scope, at in self._elsewhere.items() if scope.kind is ScopeKind.RULE and at > now]
        return [
            scope.name
            for scope, entry in self._open.items()
            if scope.kind is ScopeKind.RULE and entry.retry_at > now and (buying or not entry.report.until_result)
        ] + [scope.name for scope in others if buying and scope not in self._open]

    def probed_rules(self) -> list[str]:
        """Names of the rules in trouble that may be tried again now: one try is enough to tell."""
        now = self._clock.now()
        return [
            scope.name for scope, entry in self._open.items() if scope.kind is ScopeKind.RULE and entry.retry_at <= now
        ]

    def next_probe(self) -> float | None:
        """Seconds until the earliest probe that is still to come; what is past was anybody's to try."""
        now = self._clock.now()
        return min((entry.retry_at - now for entry in self._open.values() if entry.retry_at > now), default=None)


def _reported(connection: Connection, scope: str) -> list[Row]:
    return connection.all("incident_of", scope=scope)


def _clear(connection: Connection, rows: Iterable[Row | dict[str, str]], now: float) -> None:
    """End the incidents at these scopes, unless another session has reported them anew."""
    for row in rows:
        if connection.run("clear_incident", scope=row["scope"], owner=row["owner"]):
            end_incident(connection, row["scope"], now)
