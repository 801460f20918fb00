"""Hosts that are gone without having stopped in order, told by the one that sends the messages, until they are back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.holdings import from_text, gone_remedy, gone_sentence
from runflowd.core.incident_scope import ScopeKind
from runflowd.core.printable import printable
from runflowd.observability.incidents import IncidentReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runflowd.core.fleet import Held
    from runflowd.pipeline.context import Context
    from runflowd.store.hosts import Host

GRACE = 5.0
"""Seconds that are waited for somebody to take over what it did, so that it can be said who."""


class MissingHosts:
    """Opens and ends the incidents of hosts that are gone; what is on record of them says whether they are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[str, float] = {}
        self._reported: set[str] = set()

    async def report(self, hosts: Sequence[Host], held: Mapping[str, Held]) -> None:
        """Tell of who is gone, and end what is not so any more, or is another host's to tell."""
        notifies, now = self._context.duties.notifies, self._context.clock.now()
        gone = {printable(host.name): host for host in hosts if host.held and notifies}
        self._since = {name: self._since.get(name, now) for name in gone}
        for name, host in gone.items():
            if now - self._since[name] >= GRACE or _is_taken_over(host, held):
                self._reported.add(name)
                await self._context.incidents.report(gone_report(host, hosts, held))
        for name in self._reported - gone.keys():
            self._reported.discard(name)
            await self._context.incidents.resolve(ScopeKind.HOST.of(name))


def _is_taken_over(host: Host, held: Mapping[str, Held]) -> bool:
    return all(name in held and held[name].owner is not None for name in from_text(host.held).duties)


def gone_report(host: Host, hosts: Sequence[Host], held: Mapping[str, Held]) -> IncidentReport:
    """That a host is gone, with what it held, and who does now what it did."""
    living = {each.session: printable(each.name) for each in hosts if each.alive}
    owners = {name: living[duty.owner] for name, duty in held.items() if duty.owner in living}
    name = printable(host.name)
    sentence = gone_sentence(name, from_text(host.held), owners, living.values())
    return IncidentReport(ScopeKind.HOST.of(name), "HOST_GONE", sentence, gone_remedy(name))
