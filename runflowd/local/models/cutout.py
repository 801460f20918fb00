"""The product lifted off its photo: a mask, and colours without the old backdrop's fringe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from runflowd.local.models.contract import ModelFailure
from runflowd.local.models.planes import Floats, box_mean, from_image, smoothstep, to_image
from runflowd.local.models.segmentation import segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runflowd.local.models.images import Photo

FRINGE_SIDE = 1280
"""Fringe colours are smooth, so they are estimated at no more than this many pixels a side."""

SOLID = [round(255 * float(share)) for share in smoothstep(0.85, 1.0, np.linspace(0, 1, 256, dtype=np.float32))]
"""For each alpha, how much of the photo's own colour is kept."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """`colours` (RGB) and `alpha` (L) in the photo's size; `box` is left, top, right, bottom of the product."""

    colours: Image.Image
    alpha: Image.Image
    box: tuple[int, int, int, int]
    notes: tuple[str, ...] = ()

    @property
    def layer(self) -> Image.Image:
        """The product as RGBA in the photo's frame."""
        layer = self.colours.copy()
        layer.putalpha(self.alpha)
        return layer

    def touches(self) -> Mapping[str, bool]:
        """At which sides the product is cut off by the photo's edge."""
        width, height = self.alpha.size
        near = max(2, round(0.004 * max(width, height)))
        left, top, right, bottom = self.box
        return {
            "left": left <= near,
            "top": top <= near,
            "right": right >= width - near,
            "bottom": bottom >= height - near,
        }


def cut_out(photo: Photo, weights: Path | None) -> Cutout:
    """The product of the photo. Its own transparency, where it has any, is believed more than the network.

    Raises ModelFailure: NO_SUBJECT_FOUND, WEIGHTS_MISSING.
    """
    if photo.alpha is not None:
        return _own(photo.colours, photo.alpha, photo.notes)
    alpha = to_image(segmenter(weights).mask(photo.colours)).resize(photo.colours.size, Image.Resampling.BICUBIC)
    return Cutout(without_fringe(photo.colours, alpha), alpha, _box(alpha), photo.notes)


def _own(colours: Image.Image, alpha: Image.Image, notes: tuple[str, ...]) -> Cutout:
    note = "The photo has transparency of its own, which was used as the cut-out."
    return Cutout(colours, alpha, _box(alpha), (*notes, note))


def _box(alpha: Image.Image) -> tuple[int, int, int, int]:
    """Around everything at least half opaque. Tables instead of arrays: photos have up to 50 megapixels."""
    box = alpha.point([0] * 128 + [255] * 128).getbbox()
    if box is None:
        raise ModelFailure("NO_SUBJECT_FOUND", "The photo is transparent: it shows nothing.", "inference")
    return box


def without_fringe(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """The photo with edge pixels recoloured as the product alone would be.

    Two box-blur fusions (Forte, "Approximate Fast Foreground Colour Estimation", 2021): a wide one that
    carries colours into the unknown band, a narrow one that brings back what is local. Solid pixels stay.
    """
    small, mask = colours.copy(), alpha.copy()
    small.thumbnail((FRINGE_SIDE, FRINGE_SIDE), Image.Resampling.BOX)
    mask = mask.resize(small.size, Image.Resampling.BOX)
    photo, cover = from_image(small), from_image(mask)[..., None]
    radius = max(8, int(0.045 * max(small.size)))
    front, back = _fused(photo, photo, photo, cover, radius)
    front, _ = _fused(photo, front, back, cover, 6)
    pure = to_image(front).resize(colours.size, Image.Resampling.BICUBIC)
    return Image.composite(colours, pure, alpha.point(SOLID))


def _fused(photo: Floats, front: Floats, back: Floats, cover: Floats, radius: int) -> tuple[Floats, Floats]:
    """Product and backdrop colours averaged nearby, then corrected so that they mix to the photo."""
    near = box_mean(cover, radius)
    front = box_mean(front * cover, radius) / (near + np.float32(1e-5))
    back = box_mean(back * (1 - cover), radius) / ((1 - near) + np.float32(1e-5))
    rest = photo - cover * front - (1 - cover) * back
    return np.asarray((front + cover * rest).clip(0, 1), np.float32), np.asarray(back, np.float32)
