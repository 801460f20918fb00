"""Making a photo's backdrop larger than it was photographed.

The product is first taken out of the photo and the hole closed with the colours around it. That plate is
mirrored at the photo's edges and blurred more and more with the distance, so that grain and texture go on
near the edge and no second product or hard repetition appears further out. The photo itself is untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from runflowd.local.models.planes import Floats, blurred, from_image, smoothstep, to_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLATE_SIDE = 1280
"""The extension is made at no more than this and enlarged; it is out of focus anyway."""

STRIP = 0.14
"""How deep, as a share of the photo's side, the border is that the extension is made of."""

FOCUS = ((0.005, 0.0, 0.08), (0.02, 0.06, 0.24), (0.06, 0.18, 0.5))
"""Blur radius, and the distances where it starts and where it is complete, as shares of the longer side."""

ACROSS = 0.3
"""How much of that blur there is across the way out."""


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels to add on each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def scaled(self, factor: float) -> Margins:
        return Margins(*(round(side * factor) for side in (self.left, self.top, self.right, self.bottom)))

    def __bool__(self) -> bool:
        return any((self.left, self.top, self.right, self.bottom))


def extend(photo: Image.Image, product: Image.Image | None, margins: Margins) -> Image.Image:
    """The photo (RGB) with its backdrop continued into the margins; `product` is its mask (L), if known."""
    width = photo.width + margins.left + margins.right
    height = photo.height + margins.top + margins.bottom
    factor = min(1.0, PLATE_SIDE / max(width, height))
    small = photo.resize(_scaled(photo.size, factor), Image.Resampling.BOX)
    around = _around(from_image(small), _hole(small.size, product), margins.scaled(factor))
    canvas = to_image(around, grain=_grain(photo)).resize((width, height), Image.Resampling.BICUBIC)
    canvas.paste(photo, (margins.left, margins.top), _feather(photo.size, margins))
    return canvas


def without_product(photo: Floats, hole: Floats) -> Floats:
    """The photo with the hole (1 inside) closed by the colours around it, smoothly: push-pull filling.

    Known pixels are averaged down a pyramid until every hole is covered, and handed back up to the gaps.
    """
    known = 1 - hole
    return _push_pull(photo * known[..., None], known)


def _push_pull(colours: Floats, weight: Floats) -> Floats:
    """`colours` are multiplied by `weight`; gives plain colours without gaps."""
    height, width = weight.shape
    if min(height, width) <= 2:
        mean = colours.sum((0, 1)) / max(float(weight.sum()), 1e-6)
        coarse = np.broadcast_to(mean, colours.shape).astype(np.float32)
    else:
        half = (max(1, width // 2), max(1, height // 2))
        lighter = np.dstack([_halved(colours[..., i], half) for i in range(3)])
        filled = _push_pull(lighter, _halved(weight, half))
        coarse = np.dstack([_enlarged(filled[..., i], (width, height)) for i in range(3)])
    sure = weight.clip(0, 1)[..., None]
    own = colours / np.maximum(weight, np.float32(1e-6))[..., None]
    return np.asarray(own * sure + coarse * (1 - sure), np.float32)


def _around(photo: Floats, hole: Floats | None, margins: Margins) -> Floats:
    """The plate, mirrored into the margins and blurred with the distance from the photo."""
    plate = photo if hole is None else without_product(photo, hole)
    height, width = plate.shape[:2]
    rows = _folded(height, margins.top, margins.bottom)
    columns = _folded(width, margins.left, margins.right)
    wide = np.ascontiguousarray(plate[rows][:, columns])
    down, across = _beyond(height, margins.top, margins.bottom), _beyond(width, margins.left, margins.right)
    scale = float(max(height, width))
    # Each side is blurred mostly along the way out, so that a horizon goes on and does not dissolve.
    for radius, start, full in FOCUS:
        wide = _mixed(wide, radius * scale, across[None, :] / np.float32(scale), start, full, sideways=True)
        wide = _mixed(wide, radius * scale, down[:, None] / np.float32(scale), start, full, sideways=False)
    return wide


def _mixed(picture: Floats, radius: float, away: Floats, start: float, full: float, sideways: bool) -> Floats:
    """Blurred where `away` is beyond `start`, wholly at `full`."""
    share = smoothstep(start, full, away)
    if not share.any():
        return picture
    along, cross = radius, radius * ACROSS
    soft = blurred(picture, cross if sideways else along, along if sideways else cross)
    return np.asarray(picture + (soft - picture) * share[..., None], np.float32)


def _folded(length: int, before: int, after: int) -> NDArray[np.int64]:
    """For each place of the longer side, where in the photo it is copied from.

    Outside, the outermost strip is mirrored to and fro, so that what lies deeper does not come back.
    """
    strip = max(1, round(STRIP * length))
    places = np.arange(-before, length + after)
    out_before, out_after = -1 - places, places - length
    result = np.where(out_before >= 0, _to_and_fro(out_before, strip), places)
    return np.where(out_after >= 0, length - 1 - _to_and_fro(out_after, strip), result)


def _to_and_fro(steps: NDArray[np.int64], strip: int) -> NDArray[np.int64]:
    turn = steps % (2 * strip)
    return np.where(turn < strip, turn, 2 * strip - 1 - turn)


def _beyond(length: int, before: int, after: int) -> Floats:
    """For each place of the longer side, how many pixels it is outside the photo."""
    places = np.arange(-before, length + after)
    return np.maximum(np.maximum(-places, places - (length - 1)), 0).astype(np.float32)


def _hole(size: tuple[int, int], product: Image.Image | None) -> Floats | None:
    """The product's mask, grown a little so that its edge and contact shadow do not bleed into the plate."""
    if product is None:
        return None
    mask = from_image(product.resize(size, Image.Resampling.BOX))
    return smoothstep(0.02, 0.25, blurred(mask, 0.012 * max(size)))


def _grain(photo: Image.Image) -> float:
    """The photo's own fine noise in 8-bit steps, from its border, so that the extension is not too smooth."""
    tile = photo.resize((min(photo.width, 512), min(photo.height, 512)), Image.Resampling.NEAREST)
    grey = np.asarray(tile.convert("L"), np.float32)
    fine = grey[1:, 1:] - grey[:-1, 1:] - grey[1:, :-1] + grey[:-1, :-1]
    # Median absolute deviation, so that edges and texture do not count; the difference doubles the noise.
    return float(min(4.0, np.median(np.abs(fine)) * 1.4826 / 2))


def _feather(size: tuple[int, int], margins: Margins) -> Image.Image:
    """Opaque but for a thin blend at the sides that were extended."""
    width, height = size
    thin = max(2.0, 0.006 * max(size))
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    ramp_x = np.ones(width, np.float32)
    ramp_y = np.ones(height, np.float32)
    if margins.left:
        ramp_x *= smoothstep(0, thin, columns)
    if margins.right:
        ramp_x *= smoothstep(0, thin, width - 1 - columns)
    if margins.top:
        ramp_y *= smoothstep(0, thin, rows)
    if margins.bottom:
        ramp_y *= smoothstep(0, thin, height - 1 - rows)
    return to_image(np.outer(ramp_y, ramp_x).astype(np.float32))


def _halved(plane: Floats, size: tuple[int, int]) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)


def _enlarged(plane: Floats, size: tuple[int, int]) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
