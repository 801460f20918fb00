"""What hosts do not agree on, told by the one that notices: two texts of one rule, or results that nobody can place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core import fleet
from runflowd.core.incident_scope import ScopeKind
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.core.fleet import Held, HostView
    from runflowd.pipeline.context import Context

GRACE = 5.0
"""Seconds for which it may last unsaid: an edit reaches one host before the other, a share is mounted late."""


class Disagreement:
    """Opens and ends the incidents of it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[str, float] = {}
        self._reported: set[str] = set()

    async def report(self, us: HostView, others: Iterable[HostView], held: Mapping[str, Held]) -> None:
        """Tell of what lasts, and end what does not."""
        others = list(others)
        found = {rule: _differs(us, host, rule) for rule, host in fleet.differing(us, others, held).items()}
        found |= {rule: _nowhere(us, rule) for rule in fleet.nowhere(us, others, held)}
        now = self._context.clock.now()
        self._since = {rule: self._since.get(rule, now) for rule in found}
        for rule, report in found.items():
            if now - self._since[rule] >= GRACE:
                self._reported.add(rule)
                await self._context.incidents.report(report)
        for rule in self._reported - found.keys():
            self._reported.discard(rule)
            await self._context.incidents.resolve(ScopeKind.HOSTS.of(rule))


def _differs(us: HostView, them: HostView, rule: str) -> IncidentReport:
    return IncidentReport(
        ScopeKind.HOSTS.of(rule),
        "RULE_DIFFERS",
        f"rule {rule} is another one on host {us.name} than on host {them.name}, which does its intake: the latter "
        f"is in force, and {us.name} sends nothing new of it",
        f"Give both the same configuration. If that of {us.name} is right: `runflowd hosts drain {them.name}` "
        "hands the rule over",
    )


def _nowhere(us: HostView, rule: str) -> IncidentReport:
    return IncidentReport(
        ScopeKind.HOSTS.of(rule),
        "OUTPUT_NOWHERE",
        f"rule {rule}: no host has the folders that its results go to, by their mark; what is paid for waits",
        f"Mount them on a host, as they were. If those on host {us.name} are right: `runflowd resume {rule} "
        "--accept-folder`, which lets them be marked anew",
    )
