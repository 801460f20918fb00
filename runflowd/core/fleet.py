"""Several hosts on one store: which of them may do what, told from what each has said of itself.

- A host takes on what is due while it is seen and not drained; how long its work takes says nothing.
- The intake of a rule is done by one host: of those that see its watched folder, by its mark, the one that had it
  first. Where none sees it, any may: that one tells what is wrong with the folder. A host that sees it goes before.
- The text of a rule that is in force is that of the host which does its intake. A host that has another one leaves the
  rule alone; where nobody does the intake, one with the text that was in force goes before.
- What is new is sent by the hosts that see the watched folder; what is sent is followed by any.
- A result is placed by the hosts that see the folders it goes to and, where its source is disposed of, the watched one.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEARTBEAT = 3.0
"""Seconds between two signs of life."""

LEASE = 15.0
"""Seconds after a sign of life for which what a host has claimed is its own."""

STOP_AFTER = 10.0
"""Seconds after its last sign of life for which a host acts: so that none does when its lease has ended."""

NOTIFY = "notify"
"""The duty of sending messages."""


def intake_of(rule: str) -> str:
    """The duty of the intake of a rule."""
    return f"intake:{rule}"


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What a host says of a rule of its configuration.

    `text` stands for its whole text. `watch` and `output` say whether the watched folder, and those that results go
    to, are the marked ones; `disposes` whether a delivery touches the watched one. Who has not `looked` knows neither.
    """

    text: str
    watch: bool = False
    output: bool = False
    disposes: bool = False
    looked: bool = True

    @property
    def places(self) -> bool:
        """Whether results can be placed here."""
        return self.output and (self.watch or not self.disposes)


@dataclass(frozen=True, slots=True)
class HostView:
    """A host that lives, as the others see it."""

    session: str
    name: str
    drained: bool = False
    rules: Mapping[str, RuleFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """Who does a duty, under which text and generation."""

    owner: str | None
    generation: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Duties:
    """What this host may do. By default all there is: one host alone.

    `intake` are the rules whose intake it does, with the generation of each; None for all. `unsent` and `undelivered`
    are the rules of which it sends nothing new, and places nothing. It acts until `until` (monotonic seconds).
    """

    intake: Mapping[str, int] | None = None
    unsent: frozenset[str] = frozenset()
    undelivered: frozenset[str] = frozenset()
    notifies: bool = True
    drained: bool = False
    until: float = math.inf
    shared: bool = False

    def may_act(self, now: float) -> bool:
        """Whether this host was seen lately enough to buy or place anything."""
        return now < self.until

    def may_claim(self, now: float) -> bool:
        """Whether it may take anything on."""
        return self.may_act(now) and not self.drained

    def takes_in(self, rule: str) -> bool:
        """Whether the intake of a rule is this host's."""
        return self.intake is None or rule in self.intake


UNSEEN = Duties(intake={}, notifies=False, until=-math.inf, shared=True)
"""What one of several hosts does before it was seen for the first time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Duties to take, each with the text that is in force by that, and to leave to others."""

    take: Mapping[str, str]
    give_up: frozenset[str]


def plan(us: HostView, others: Iterable[HostView], held: Mapping[str, Held]) -> Plan:
    """Which duties this host takes and gives up now."""
    rivals = [other for other in others if not other.drained]
    take: dict[str, str] = {}
    give_up: set[str] = set()
    for rule, facts in us.rules.items():
        name = intake_of(rule)
        duty = held.get(name, Held(None))
        sighted = not facts.watch and any(_sees(other, rule) for other in rivals)
        if duty.owner == us.session:
            if us.drained or sighted:
                give_up.add(name)
        elif duty.owner is None and not (us.drained or sighted or _goes_before(rivals, rule, facts, duty)):
            take[name] = facts.text
    mine = {name for name, duty in held.items() if duty.owner == us.session}
    give_up |= mine - {NOTIFY} - {intake_of(rule) for rule in us.rules}
    if us.drained:
        give_up |= mine & {NOTIFY}
    elif held.get(NOTIFY, Held(None)).owner is None:
        take[NOTIFY] = ""
    return Plan(take, frozenset(give_up))


def _sees(host: HostView, rule: str) -> bool:
    return rule in host.rules and host.rules[rule].watch


def _goes_before(rivals: Iterable[HostView], rule: str, ours: RuleFacts, duty: Held) -> bool:
    """Whether another host has the text that was in force, and this one has not."""
    if not duty.text or ours.text == duty.text:
        return False
    fit = (other.rules[rule] for other in rivals if rule in other.rules)
    return any(theirs.text == duty.text and theirs.watch >= ours.watch for theirs in fit)


def differing(us: HostView, others: Iterable[HostView], held: Mapping[str, Held]) -> dict[str, HostView]:
    """The rules of which another host has a text in force that is not ours, with that host."""
    by_session = {other.session: other for other in others}
    return {
        rule: by_session[duty.owner]
        for rule, facts in us.rules.items()
        if (duty := held.get(intake_of(rule))) is not None and duty.owner in by_session and duty.text != facts.text
    }


def nowhere(us: HostView, others: Iterable[HostView], held: Mapping[str, Held]) -> list[str]:
    """The rules whose intake is ours and whose results no host can place."""
    hosts = [us, *others]
    ours = [rule for rule in us.rules if held.get(intake_of(rule), Held(None)).owner == us.session]
    return [rule for rule in ours if not any(rule in each.rules and each.rules[rule].places for each in hosts)]


def left_waiting(name: str, hosts: Iterable[HostView]) -> list[str]:
    """The rules of the hosts of that name that wait while it is drained: no other one has all of their folders."""
    hosts = list(hosts)
    able = [host.rules for host in hosts if host.name != name and not host.drained]
    rules = {rule for host in hosts if host.name == name for rule in host.rules}
    seen = {rule for each in able for rule, facts in each.items() if facts.watch}
    placed = {rule for each in able for rule, facts in each.items() if facts.places}
    return sorted(rules - (seen & placed))


def duties(us: HostView, others: Iterable[HostView], held: Mapping[str, Held], until: float) -> Duties:
    """What this host does now."""
    others = list(others)
    foreign = differing(us, others, held)
    return Duties(
        intake={
            rule: duty.generation
            for rule in us.rules
            if (duty := held.get(intake_of(rule))) is not None and duty.owner == us.session
        },
        unsent=frozenset(rule for rule, facts in us.rules.items() if not facts.watch or rule in foreign),
        undelivered=frozenset(rule for rule, facts in us.rules.items() if not facts.places),
        notifies=held.get(NOTIFY, Held(None)).owner == us.session,
        drained=us.drained,
        until=until,
        shared=True,
    )


def to_text(rules: Mapping[str, RuleFacts]) -> str:
    """What a host says of its rules, as the store keeps it."""
    return json.dumps({rule: asdict(facts) for rule, facts in rules.items()}, sort_keys=True)


def from_text(text: str) -> dict[str, RuleFacts]:
    """What a host has said; facts of another version of the program are left out."""
    known = set(RuleFacts.__dataclass_fields__)
    found = json.loads(text)
    return {
        rule: RuleFacts(**{name: value for name, value in facts.items() if name in known})
        for rule, facts in found.items()
    }
