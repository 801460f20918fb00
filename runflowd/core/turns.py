"""Which rules rescan their folder now, and which take their files? What a turn of intake does, as a pure decision.

`RuleTurn` is where one rule stands. It never changes: each step gives the next one. `plan_turn` reads them all and says
what to begin; whoever carries that out puts the states that `begun` gives in the place of the old ones.

The cases that the states tell apart:

- A new rule: rescanned at once; whether events tell of its folder is not known before the folder has answered.
- A rule that is not admitted yet: its files wait for a decision, so hints are dropped and a rescan comes soon.
- Hints lost, or more files than may be tracked: a rescan now, and another soon after it.
- A root that is watched anew: the same, once a first rescan has been; before it there is nothing to catch up with.
- A rescan that should find nothing new: events were expected, and nothing is known to have kept them from coming.
- Rules over one folder: they rescan together and take their files one after the other, which shares the reading.
- A rule whose folder is slow: the others do not wait for it, and it begins nothing before it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOON = 5.0
"""Seconds to the next rescan, at the most, when this one could not settle everything."""

REST = 10
"""A folder that takes long to read is read less often: it rests that many times as long."""


class Events(Enum):
    """Whether the kernel announces what changes in a folder."""

    UNASKED = "unasked"
    ABSENT = "absent"
    COMING = "coming"


class RescanKind(Enum):
    """The rescan that is under way."""

    NONE = "none"
    PLAIN = "plain"
    AUDIT = "audit"
    """Events should have announced all that it finds."""


class Lost(IntEnum):
    """What is to be made up for: hints that never led to a scan, files that were found and not kept."""

    NOTHING = 0
    REARMED = 1
    """The watched folder is watched anew: what happened in it meanwhile was announced by nobody."""
    FILES = 2
    """More files were found than may be tracked."""
    HINTS = 3
    """Hints were lost, be it for their number: only a rescan finds what they pointed at."""


class Work(Enum):
    """Draining hints and taking stable files: not under way, more to do at once, under way, or not waited for."""

    IDLE = "idle"
    BACKLOG = "backlog"
    BUSY = "busy"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class RuleTurn:
    """Where one rule stands. Times are monotonic seconds.

    `folder` is the watched one. `admitted` says that it was decided what becomes of the files that were there first.
    `rescanned` says that there was a whole rescan since; `lost` is what was lost since the last one began.
    """

    folder: str
    rescan_due: float = 0.0
    rescan: RescanKind = RescanKind.NONE
    rescanned: bool = False
    admitted: bool = False
    events: Events = Events.UNASKED
    lost: Lost = Lost.NOTHING
    work: Work = Work.IDLE

    @property
    def rescanning(self) -> bool:
        """Whether a rescan is under way."""
        return self.rescan is not RescanKind.NONE

    @property
    def working(self) -> bool:
        """Whether hints are drained and files taken just now."""
        return self.work in {Work.BUSY, Work.OVERDUE}

    @property
    def idle(self) -> bool:
        """Whether all was rescanned, and nothing is under way or to be made up for."""
        return self.rescanned and not (self.rescanning or self.working) and self.lost < Lost.FILES

    def begun(self, plan: TurnPlan, *, heard: bool) -> RuleTurn:
        """After the beginning of what was planned; `heard` says that the watcher is well and watches the folder."""
        state = replace(self, work=Work.BUSY) if not self.working else self
        if self.folder not in plan.rescans or self.rescanning:
            return state
        expected = heard and self.rescanned and not self.lost and self.events is Events.COMING
        return replace(state, rescan=RescanKind.AUDIT if expected else RescanKind.PLAIN, lost=Lost.NOTHING)

    def rescan_ended(self, began: float, now: float, interval: float, *, settled: bool, whole: bool) -> RuleTurn:
        """After a rescan; `settled` says that nothing about the folder is in doubt, `whole` that it was not broken off.

        `interval` is how long the pause to the next one is otherwise, in seconds.
        """
        soon = not (settled and self.admitted) or self.lost >= Lost.FILES
        pause = max(min(interval, SOON) if soon else interval, REST * (now - began))
        return replace(self, rescan=RescanKind.NONE, rescanned=self.rescanned or whole, rescan_due=now + pause)

    def after_loss(self, lost: Lost) -> RuleTurn:
        """After hints were lost, or files that there was no room for."""
        if lost is Lost.HINTS or (lost is Lost.REARMED and self.rescanned):
            return replace(self, lost=Lost.HINTS, rescan_due=0.0)
        return replace(self, lost=max(self.lost, lost))

    def work_ended(self, *, backlog: bool) -> RuleTurn:
        """After a page of hints and files; `backlog` says that there is another."""
        return replace(self, work=Work.BACKLOG if backlog else Work.IDLE)

    def left_behind(self) -> RuleTurn:
        """The turn is over; a rule that works on is not waited for."""
        return replace(self, work=Work.OVERDUE) if self.work is Work.BUSY else self


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What a turn begins: `rescans` of these folders, and `work` of rules by folder, one after the other in each.

    `unheard` are the rules whose hints are dropped: they are not admitted, and a rescan sees all that there is.
    """

    rescans: frozenset[str]
    work: Mapping[str, tuple[str, ...]]
    unheard: frozenset[str]


def plan_turn(turns: Mapping[str, RuleTurn], now: float) -> TurnPlan:
    """What is to begin now, by the names of the rules."""
    work: dict[str, tuple[str, ...]] = {}
    for name, turn in turns.items():
        if not turn.working:
            work[turn.folder] = (*work.get(turn.folder, ()), name)
    due = frozenset(turn.folder for turn in turns.values() if not turn.rescanning and turn.rescan_due <= now)
    return TurnPlan(due, work, frozenset(name for name, turn in turns.items() if not turn.admitted))


def next_rescan(turns: Mapping[str, RuleTurn]) -> float | None:
    """When the next rescan is due; None while there is none that a turn could begin."""
    return min((turn.rescan_due for turn in turns.values() if not turn.rescanning), default=None)
