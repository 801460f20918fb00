"""This host among the others: seen every few seconds, with the duties that follow from who else is there.

Every second, and at every hint of another host, it reads who lives, who does what, and what is closed for all; every
third second it writes that it lives, and frees what the dead had claimed. While the database does not answer it is not
seen, and stops to act before anybody takes over (`core.fleet`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.core import fleet
from runflowd.core.fleet import HEARTBEAT, STOP_AFTER, Duties, Held, HostView
from runflowd.fleet.disagreement import Disagreement
from runflowd.fleet.missing import MissingHosts
from runflowd.fleet.survey import Survey
from runflowd.store.duties import duties, give_up_duty, take_duty, word_duty
from runflowd.store.hosts import Seen, hosts, see

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.fleet import Plan, RuleFacts
    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.connection import Row
    from runflowd.store.hosts import Host

log = structlog.get_logger()

POLL_INTERVAL = 1.0
"""Seconds between two looks at what the others do."""


@dataclass(frozen=True, slots=True)
class Known:
    """One look: every session on record, every duty, and what other hosts have found closed."""

    hosts: list[Host]
    held: Mapping[str, Held]
    closed: list[Row]


@dataclass(frozen=True, slots=True)
class Standing:
    """Who this host is, who else lives, and who does what."""

    us: HostView
    others: list[HostView]
    held: Mapping[str, Held]

    @property
    def plan(self) -> Plan:
        """What is to be taken and left."""
        return fleet.plan(self.us, self.others, self.held)

    @property
    def outdated(self) -> dict[str, str]:
        """The duties that are ours under a text that is not in force any more, with the one that is."""
        texts = {fleet.intake_of(rule): facts.text for rule, facts in self.us.rules.items()}
        ours = {name: duty for name, duty in self.held.items() if duty.owner == self.us.session}
        return {name: texts[name] for name, duty in ours.items() if name in texts and duty.text != texts[name]}


class Membership:
    """Keeps `context.duties` in step with the store."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._survey = Survey(context)
        self._disagreement = Disagreement(context)
        self._missing = MissingHosts(context)
        self._seen_at = -math.inf
        self._said = ""
        self._others: set[str] = set()

    async def run(self) -> None:
        """Be a member until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._survey.run)
            while True:
                with self._context.log_store_errors("fleet"):
                    await self._turn()
                await self._context.store.wait_for_news(POLL_INTERVAL)

    async def _turn(self) -> None:
        context, rules = self._context, self._survey.facts
        known = await context.store.read(self._look)
        for host in known.hosts[:1]:
            context.clock.follow(host.at)
        standing = self._standing(known, rules)
        if self._is_due(rules) or standing.plan.take or standing.plan.give_up or standing.outdated:
            known, standing = await self._write(rules)
        self._apply(standing, known)
        await self._disagreement.report(standing.us, standing.others, standing.held)
        await self._missing.report(known.hosts, known.held)

    def _is_due(self, rules: Mapping[str, RuleFacts]) -> bool:
        return self._context.clock.now() - self._seen_at >= HEARTBEAT or fleet.to_text(rules) != self._said

    async def _write(self, rules: Mapping[str, RuleFacts]) -> tuple[Known, Standing]:
        """Say that this host lives, take and leave what is to be, all in one transaction."""
        context, started = self._context, self._context.clock.now()
        said, throttled, now = fleet.to_text(rules), context.service.api.throttle(), context.clock.wall()

        def write(connection: Connection) -> tuple[Seen, Known, Standing]:
            seen = see(connection, context.store.session, said, throttled, now)
            standing = self._standing(self._look(connection), rules)
            carry_out(connection, standing)
            known = self._look(connection)
            return seen, known, self._standing(known, rules)

        seen, known, standing = await context.store.write(write)
        if not seen.alive and self._seen_at > -math.inf:
            log.warning("was not seen for too long; goes on with what nobody took over", action="host.back")
        self._seen_at, self._said = started, said
        if seen.freed:
            log.warning("another host is gone; its work is free", action="host.dead")
            await context.incidents.forget_left()
        return known, standing

    def _look(self, connection: Connection) -> Known:
        context = self._context
        now, owner = context.clock.wall(), context.store.owner
        held = {name: Held(duty.owner, duty.generation, duty.text) for name, duty in duties(connection).items()}
        closed = connection.all("foreign_incidents", owner=owner, server_now=now)
        return Known(hosts(connection, now), held, closed)

    def _standing(self, known: Known, rules: Mapping[str, RuleFacts]) -> Standing:
        session = self._context.store.session
        drained = any(host.drained for host in known.hosts if host.session == session.id)
        others = [host.view for host in known.hosts if host.alive and host.session != session.id]
        return Standing(HostView(session.id, session.name, drained, rules), others, known.held)

    def _apply(self, standing: Standing, known: Known) -> None:
        """Let the stages know what is theirs, and look at what the others may have left for them."""
        context, before = self._context, self._context.duties
        context.duties = now = fleet.duties(standing.us, standing.others, standing.held, self._seen_at + STOP_AFTER)
        context.incidents.follow((row["scope"], row["wait"]) for row in known.closed)
        others = [host for host in known.hosts if host.session != standing.us.session and not host.held]
        context.service.api.throttle(max((host.throttled for host in others), default=0.0))
        if _changed(before, now):
            log.info("duties", action="host.duties", intake=sorted(now.intake or ()), drained=now.drained)
            self._survey.ask_again()
        # Who is gone leaves what it had in hand, also to one whose duties stay the same.
        left, self._others = self._others, {host.session for host in others}
        if others or left or _changed(before, now):
            context.stage_events.notify_all()


def _changed(before: Duties, now: Duties) -> bool:
    return replace(before, until=0.0) != replace(now, until=0.0)


def carry_out(connection: Connection, standing: Standing) -> None:
    """Take and leave what is to be. What another one was quicker to take is its own."""
    plan, session = standing.plan, standing.us.session
    for name, text in plan.take.items():
        take_duty(connection, name, session, text)
    for name in plan.give_up:
        give_up_duty(connection, name, session)
    for name, text in standing.outdated.items():
        word_duty(connection, name, session, text)
