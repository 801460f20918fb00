"""What intake keeps in memory for one rule: what may be forgotten, since a sweep finds it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.missed_events import MissedEventDetector
from runflowd.core.rules import Matcher
from runflowd.core.stability import StabilityTracker
from runflowd.pipeline.intake.output_places import OutputPlaces

if TYPE_CHECKING:
    from typing import Self

    from runflowd.core.model import Reference, Rule
    from runflowd.files import FileTrouble, SharedScans
    from runflowd.pipeline.context import ScanHint
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store.roots import Roots

TRACKED = 20_000
"""Files of one rule that may be waiting for rest at once; the others are found by a later sweep."""

NETWORK_SWEEP = 10.0
"""Seconds between two sweeps where the kernel tells nothing of what others write."""

RESTLESS_AFTER = 30
"""Times `settle` after which a file that never rests, is empty or has no end is reported."""


@dataclass(slots=True)
class RuleState:
    """One rule's matcher, its tracker of restless files, and when its folder is swept next.

    `by_events` says whether the kernel tells of changes, once `placed` says that this is known.
    `snapshot` names the rule text, references included, that items are accepted under; `inputs_stale` says
    that it changed, and what waits must be worded anew. Not `opened`, nothing is looked at: first it is
    settled whether what lies there is left out; nor without `roots`, the folders recognised by the last sweep.
    Folders that the last sweep found to be one of `outputs` stand in `inside`, each with the words for it.
    `unread` counts folders that could not be read since the last sweep began; `unreadable` is the trouble
    with the first of them. `events_lost` says that events are known to have been lost since then, `again` that the
    next sweep must make up for it soon, `expects_events` that they should have told
    of all that the present sweep finds.
    `hints` are the folders that hints point at, and whether each deserves a second look. It is `processing` while
    those are followed and what rests is taken, `late` when the others go on without it, and `more` says that
    there was more to do than fits into a turn. `scans` are shared with the other rules over the same folder, if there
    are any; listings begun after `sweep_since` and `hints_since` are new enough for the present sweep and looks.
    """

    rule: Rule
    folder_io: FolderIo
    matcher: Matcher
    settling: StabilityTracker
    suspects: MissedEventDetector
    by_events: bool = False
    placed: bool = False
    sweep_due: float = 0.0
    sweeping: bool = False
    swept: bool = False
    opened: bool = False
    roots: Roots | None = None
    outputs: OutputPlaces = field(default_factory=OutputPlaces)
    inside: dict[str, FileTrouble] = field(default_factory=dict)
    snapshot: str = ""
    references: dict[str, Reference] = field(default_factory=dict)
    inputs_stale: bool = False
    usable: bool = True
    overflowed: bool = field(default=False)
    unreadable: FileTrouble | None = None
    unread: int = 0
    events_lost: bool = False
    again: bool = False
    expects_events: bool = False
    hints: dict[ScanHint, bool] = field(default_factory=dict)
    processing: bool = False
    late: bool = False
    more: bool = False
    scans: SharedScans | None = None
    sweep_since: int = 0
    hints_since: int = 0

    @classmethod
    def of(cls, rule: Rule, folder_io: FolderIo) -> Self:
        """The shelf of a rule that was just loaded; `folder_io` is how its folder is spoken to."""
        return cls(rule, folder_io, Matcher(rule), _settling(rule), MissedEventDetector(rule.settle))

    def lose(self) -> None:
        """The folder is not the one that it was: what was seen in it is forgotten, and a sweep asks who it is."""
        self.roots, self.sweep_due = None, 0.0
        self.settling = _settling(self.rule)
        self.hints.clear()

    @property
    def idle(self) -> bool:
        """Whether all of it was swept and nothing of it waits for rest or a look."""
        busy = self.sweeping or self.again or self.processing or self.overflowed or self.hints or len(self.settling)
        return self.swept and not busy

    def hints_lost(self) -> None:
        """Too many hints came to be kept: only a sweep finds what they pointed at, and no event was missed."""
        self.hints.clear()
        self.suspects.excuse()
        self.sweep_due, self.events_lost, self.again = 0.0, True, True

    @property
    def interval(self) -> float:
        """Seconds between two sweeps."""
        return self.rule.sweep if self.by_events else min(self.rule.sweep, NETWORK_SWEEP)


def _settling(rule: Rule) -> StabilityTracker:
    return StabilityTracker(rule.settle, rule.settle * RESTLESS_AFTER, TRACKED)
