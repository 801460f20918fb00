"""What intake keeps in memory for one rule: what may be forgotten, since a rescan finds it again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from runflowd.core.media.input_type import UNMARKED_STILLNESS
from runflowd.core.media.kinds import MediaKind
from runflowd.core.missed_events import MissedEventDetector
from runflowd.core.stability import StabilityTracker
from runflowd.core.turns import Events, Lost, RuleTurn
from runflowd.pipeline.intake.output_places import OutputPlaces
from runflowd.store.claims import hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from runflowd.core.model import Reference, Rule, Stat
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store import Connection
    from runflowd.store.claims import Claim
    from runflowd.store.roots import Roots

T = TypeVar("T")

MAX_TRACKED = 20_000
"""Files of one rule that may be tracked at once; the others are found by a later rescan."""

NETWORK_RESCAN = 10.0
"""Seconds between two rescans where the kernel tells nothing of what others write."""

UNSTABLE_AFTER = 30
"""Times `settle` after which a file that never becomes stable, is empty or is incomplete is reported; at the least
three times what a file without an end marker is waited for, where the rule takes such."""


class Inputs(Enum):
    """Whether files can be accepted, and what waits is to be sent as the rule says now."""

    CURRENT = "current"
    STALE = "stale"
    """The rule is another one than when they were made: the inputs of what waits are to be rebuilt first."""
    MISSING = "missing"
    """A reference file is not there: nothing is accepted."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """Under what items are accepted: `snapshot` names the rule text that tells the `references` too; "" before it is
    kept.
    """

    snapshot: str = ""
    references: Mapping[str, Reference] = field(default_factory=dict)
    inputs: Inputs = Inputs.CURRENT

    def outdated(self) -> RuleText:
        """There are items of an older text."""
        return self if self.inputs is Inputs.MISSING else replace(self, inputs=Inputs.STALE)

    def without_reference(self) -> RuleText:
        """A reference file is not there."""
        return replace(self, inputs=Inputs.MISSING)

    def with_references(self) -> RuleText:
        """They are there, and what they were."""
        return replace(self, inputs=Inputs.STALE) if self.inputs is Inputs.MISSING else self

    def rebuilt(self) -> RuleText:
        """What waits is sent as the text says."""
        return replace(self, inputs=Inputs.CURRENT)


@dataclass(slots=True)
class WatchedRule:
    """A rule with what watching its folder takes. What changes are three values, each replaced as a whole.

    `turn` is where it stands in intake's turns, and `text` what it accepts files under. Without `roots`, the folders
    recognised by the last rescan, nothing is scanned; `outputs` are the folders that nothing is taken from. `claim` is
    the right to do the intake, None for a host alone; `inherited` says that another host did it, until a whole rescan.
    """

    rule: Rule
    folder_io: FolderIo
    stability: StabilityTracker
    missed_events: MissedEventDetector
    turn: RuleTurn
    text: RuleText = RuleText()
    roots: Roots | None = None
    outputs: OutputPlaces = field(default_factory=OutputPlaces)
    claim: Claim | None = None
    inherited: bool = False

    @classmethod
    def of(cls, rule: Rule, folder_io: FolderIo, claim: Claim | None = None) -> Self:
        """A rule that was just loaded; `folder_io` makes the calls to its folder."""
        turn, missed = RuleTurn(rule.watch), MissedEventDetector(rule.settle)
        return cls(rule, folder_io, _tracker(rule), missed, turn, claim=claim, inherited=claim is not None)

    def held(self, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """The same work for the store, which raises `LeaseLost` instead where another host does the intake by now."""
        claim = self.claim

        def write(connection: Connection) -> T:
            if claim is not None:
                hold(connection, claim)
            return work(connection)

        return write

    def see(self, path: str, stat: Stat, now: float) -> None:
        """Track a file; one that there is no room for is found by a later rescan."""
        if not self.stability.see(path, stat, now):
            self.turn = self.turn.after_loss(Lost.FILES)

    def reset(self) -> None:
        """The folder is not the one that it was: what was seen in it is forgotten, and a rescan identifies it."""
        self.roots, self.turn = None, replace(self.turn, rescan_due=0.0)
        self.stability = _tracker(self.rule)

    @property
    def idle(self) -> bool:
        """Whether all of it was rescanned and nothing of it waits to become stable."""
        return self.turn.idle and not len(self.stability)

    @property
    def waits_for_reference(self) -> bool:
        """Whether all of it was rescanned, and what was found waits for a reference file that is not there."""
        return self.turn.idle and self.text.inputs is Inputs.MISSING

    @property
    def interval(self) -> float:
        """Seconds between two rescans."""
        return self.rule.rescan if self.turn.events is Events.COMING else min(self.rule.rescan, NETWORK_RESCAN)


def _tracker(rule: Rule) -> StabilityTracker:
    unmarked = set(rule.accept) != {MediaKind.IMAGE}
    longest = max(rule.settle * UNSTABLE_AFTER, 3 * UNMARKED_STILLNESS if unmarked else 0.0)
    return StabilityTracker(rule.settle, longest, MAX_TRACKED)
