"""What a look into a file finds: it is good, unfinished, in doubt, or refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.lifecycle import ItemState
from runflowd.core.media.input_type import DOUBT_STILLNESS

if TYPE_CHECKING:
    from runflowd.core.model import Json, Stat


@dataclass(frozen=True, slots=True)
class Good:
    """A whole file of a kind that the rule takes, hashed, and what its folder overrides; `pixels` as far as known."""

    stat: Stat
    content: str
    mime: str
    overrides: dict[str, Json]
    pixels: int | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """It is stable, but cannot be taken yet. `state` and `code` are what it becomes if that lasts.

    `stillness` is how many seconds without change will do, 0 where it is to be looked at again and again, `math.inf`
    where only another content will do.
    """

    reason: str
    state: ItemState = ItemState.FAILED
    code: str = "INCOMPLETE"
    stillness: float = 0.0


@dataclass(frozen=True, slots=True)
class Doubted(Unfinished):
    """What only a decoder can tell: of the type `mime`, and whole if it decodes and has not changed for `needed` s.

    `usual` is one in which nothing is odd, of a kind of which a part looks whole: without a decoder it is taken, too.
    """

    stat: Stat = field(kw_only=True)
    mime: str = field(kw_only=True)
    needed: float = field(kw_only=True)
    usual: bool = field(default=False, kw_only=True)

    @property
    def ripe_after(self) -> float:
        """Seconds without change after which a decoder is asked."""
        return self.needed if self.usual else DOUBT_STILLNESS


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken: for good (`FAILED`, or `SKIPPED` on purpose), or until something changes (`WAITING`)."""

    stat: Stat
    state: ItemState
    code: str
    reason: str


Finding: TypeAlias = Good | Unfinished | Refused | None
