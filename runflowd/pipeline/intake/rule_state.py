"""What intake keeps in memory for one rule: what may be forgotten, since a rescan finds it again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runflowd.core.media.input_type import UNMARKED_STILLNESS
from runflowd.core.media.kinds import MediaKind
from runflowd.core.missed_events import MissedEventDetector
from runflowd.core.stability import StabilityTracker
from runflowd.core.turns import Events, RuleTurn
from runflowd.pipeline.intake.output_places import OutputPlaces

if TYPE_CHECKING:
    from typing import Self

    from runflowd.core.model import Reference, Rule, Stat
    from runflowd.files import FileError, SharedScans
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store.roots import Roots

MAX_TRACKED = 20_000
"""Files of one rule that may be tracked at once; the others are found by a later rescan."""

NETWORK_RESCAN = 10.0
"""Seconds between two rescans where the kernel tells nothing of what others write."""

UNSTABLE_AFTER = 30
"""Times `settle` after which a file that never becomes stable, is empty or is incomplete is reported; at the least
three times what a file without an end marker is waited for, where the rule takes such."""


@dataclass(slots=True)
class RuleState:
    """One rule and its stability tracker, and in `turn` where it stands in intake's turns.

    `snapshot` names the rule text, references included, that items are accepted under; `inputs_stale` says that it
    changed and that the inputs of what waits must be rebuilt. `references_ready` is False while a reference is missing.
    Nothing is scanned before the rule is admitted: first it is decided whether what lies there is imported; nor
    without `roots`, the folders recognised by the last rescan. Folders that it found to be one of `outputs`
    stand in `outputs_inside`, each with its error. `unreadable_count` counts folders that could not be read since the
    last rescan began; `unreadable` is the error of the first of them.
    `scans` are shared with the other rules over the same folder, if there are any; listings begun after
    `rescan_since` and `hints_since` are new enough for the present rescan and hints.
    """

    rule: Rule
    folder_io: FolderIo
    stability: StabilityTracker
    missed_events: MissedEventDetector
    turn: RuleTurn
    roots: Roots | None = None
    outputs: OutputPlaces = field(default_factory=OutputPlaces)
    outputs_inside: dict[str, FileError] = field(default_factory=dict)
    snapshot: str = ""
    references: dict[str, Reference] = field(default_factory=dict)
    inputs_stale: bool = False
    references_ready: bool = True
    unreadable: FileError | None = None
    unreadable_count: int = 0
    scans: SharedScans | None = None
    rescan_since: int = 0
    hints_since: int = 0

    @classmethod
    def for_rule(cls, rule: Rule, folder_io: FolderIo) -> Self:
        """The state of a rule that was just loaded; `folder_io` makes the calls to its folder."""
        turn = RuleTurn(rule.watch)
        return cls(rule, folder_io, _tracker(rule), MissedEventDetector(rule.settle), turn)

    def see(self, path: str, stat: Stat, now: float) -> None:
        """Track a file; one that there is no room for is found by a later rescan."""
        if not self.stability.see(path, stat, now):
            self.turn = replace(self.turn, overflowed=True)

    def reset(self) -> None:
        """The folder is not the one that it was: what was seen in it is forgotten, and a rescan identifies it."""
        self.roots, self.turn = None, replace(self.turn, rescan_due=0.0)
        self.stability = _tracker(self.rule)

    @property
    def idle(self) -> bool:
        """Whether all of it was rescanned and nothing of it waits to become stable."""
        return self.turn.idle and not len(self.stability)

    @property
    def interval(self) -> float:
        """Seconds between two rescans."""
        return self.rule.rescan if self.turn.events is Events.COMING else min(self.rule.rescan, NETWORK_RESCAN)


def _tracker(rule: Rule) -> StabilityTracker:
    unmarked = set(rule.accept) != {MediaKind.IMAGE}
    longest = max(rule.settle * UNSTABLE_AFTER, 3 * UNMARKED_STILLNESS if unmarked else 0.0)
    return StabilityTracker(rule.settle, longest, MAX_TRACKED)
