"""How a camera moves over a still: words in, the part of the photo that each moment shows out.

Pure: no image library is needed to know what a prompt will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from runflowd.local.models.vocabulary import FILLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the photo."""

CLOSE = 0.75
"""Side of what the camera shows where it is nearest, as a share of what it could show."""

MOVES = {
    "zoom in": ((0.5, 0.5, 1.0), (0.5, 0.5, CLOSE)),
    "zoom out": ((0.5, 0.5, CLOSE), (0.5, 0.5, 1.0)),
    "pan left": ((1.0, 0.5, CLOSE), (0.0, 0.5, CLOSE)),
    "pan right": ((0.0, 0.5, CLOSE), (1.0, 0.5, CLOSE)),
    "pan up": ((0.5, 1.0, CLOSE), (0.5, 0.0, CLOSE)),
    "pan down": ((0.5, 0.0, CLOSE), (0.5, 1.0, CLOSE)),
    "still": ((0.5, 0.5, 1.0), (0.5, 0.5, 1.0)),
}
"""Words -> where it begins and where it ends: across and down as a share of the way there is, and the side shown."""

USUAL = "zoom in"

_SPELLINGS = {"zooming": "zoom", "panning": "pan", "tilt": "pan", "static": "still"}
_WORDS = re.compile(r"[a-z]+")
_SAID = {word for move in MOVES for word in move.split()} | {"camera", "slow", "slowly", "shot"}


@dataclass(frozen=True, slots=True)
class Move:
    """A move of `MOVES` by its name, and the words of the prompt that say nothing to this camera."""

    name: str
    ignored: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Sentences for the run's log: how the camera moves, and what was not understood."""
        ignored = f" Not understood: {', '.join(self.ignored[:12])}." if self.ignored else ""
        return (f"The camera's move: {self.name}.{ignored}",)

    def boxes(self, size: tuple[int, int], ratio: float, frames: int) -> Iterator[Box]:
        """What each frame shows of a photo of this size, in the proportion `ratio` (width / height)."""
        width, height = size
        wide, tall = min(width, height * ratio), min(height, width / ratio)
        begin, end = MOVES[self.name]
        for frame in range(frames):
            across, down, side = (
                first + (last - first) * _eased(frame / max(1, frames - 1))
                for first, last in zip(begin, end, strict=True)
            )
            left, top = (width - wide * side) * across, (height - tall * side) * down
            yield left, top, left + wide * side, top + tall * side


def read_move(prompt: str) -> Move:
    """The first move that the prompt names, `USUAL` where it names none."""
    words = [_SPELLINGS.get(word, word) for word in _WORDS.findall(prompt.lower()[:2_000])]
    pairs = [*pairwise(words), *((word,) for word in words)]
    name = next((" ".join(pair) for pair in pairs if " ".join(pair) in MOVES), USUAL)
    ignored = dict.fromkeys(word for word in words if word not in _SAID and word not in FILLERS)
    return Move(name, tuple(ignored))


def _eased(share: float) -> float:
    """Slow at both ends: a camera has weight."""
    return share * share * (3 - 2 * share)
