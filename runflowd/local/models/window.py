"""Which part of a photo, and how much beyond it, a new frame shows. Whole pixels, no image library."""

from __future__ import annotations

from dataclasses import dataclass

from runflowd.local.models.extension import Margins

ROOM = 0.09
"""Space to keep around the product, as a share of its longer side, when a frame is cropped."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle in the photo's coordinates, which may reach beyond the photo."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def margins(self, size: tuple[int, int]) -> Margins:
        """How far the window reaches beyond a photo of that size."""
        width, height = size
        return Margins(max(0, -self.left), max(0, -self.top), max(0, self.right - width), max(0, self.bottom - height))

    def inside(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The part of the window that the photo covers."""
        return (
            max(0, self.left),
            max(0, self.top),
            min(size[0], self.right),
            min(size[1], self.bottom),
        )

    def scaled(self, factor: float) -> Window:
        """The window for the photo reduced by that factor, rounded inwards."""
        return Window(*(int(value * factor) for value in (self.left, self.top, self.right, self.bottom)))


def to_proportion(size: tuple[int, int], ratio: float) -> Window:
    """The smallest window of that width / height that shows the whole photo in its middle."""
    width, height = size
    wide, tall = max(width, round(height * ratio)), max(height, round(width / ratio))
    return _around_centre(width / 2, height / 2, wide, tall)


def around_product(size: tuple[int, int], box: tuple[int, int, int, int], ratio: float) -> Window:
    """The largest window of that ratio inside the photo, if the product and some room fit in it.

    Else the smallest window that holds them, which then reaches beyond the photo.
    """
    width, height = size
    left, top, right, bottom = _with_room(box, size)
    largest = min(width, height * ratio)
    needed = max(right - left, (bottom - top) * ratio)
    # As much of the photo as the ratio shows, but never less than the product needs.
    wide = max(largest, needed)
    wide, tall = round(wide), round(wide / ratio)
    window = _around_centre((left + right) / 2, (top + bottom) / 2, wide, tall)
    return _kept_inside(window, size)


def _with_room(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    room = round(ROOM * max(right - left, bottom - top))
    return max(0, left - room), max(0, top - room), min(size[0], right + room), min(size[1], bottom + room)


def _around_centre(x: float, y: float, wide: int, tall: int) -> Window:
    left, top = round(x - wide / 2), round(y - tall / 2)
    return Window(left, top, left + wide, top + tall)


def _kept_inside(window: Window, size: tuple[int, int]) -> Window:
    """Moved into the photo in each direction where it is small enough to fit."""
    left = _moved(window.left, window.width, size[0])
    top = _moved(window.top, window.height, size[1])
    return Window(left, top, left + window.width, top + window.height)


def _moved(start: int, length: int, room: int) -> int:
    if length >= room:
        return start if start <= 0 and start + length >= room else min(max(start, room - length), 0)
    return min(max(start, 0), room - length)
