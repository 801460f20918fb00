"""The product set into a drawn scene: placed, shadowed, composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from runflowd.local.models.backdrop import Stage, draw_backdrop
from runflowd.local.models.planes import Floats, from_image, to_image
from runflowd.local.models.shadows import darkness, footing, reflection
from runflowd.local.models.vocabulary import Shadow, Surface

if TYPE_CHECKING:
    from runflowd.local.models.cutout import Cutout
    from runflowd.local.models.prompt import Scene

MARGIN = 0.11
"""The least space between product and picture edge, as a share of the picture's side."""

LIFT = 0.07
"""How far a floating product is raised, as a share of the picture's height."""

DRAWN_SIDE = 1600
"""Backdrop and shadow are drawn at no more than this and enlarged: both are soft."""

GRAIN = 0.7
"""8-bit steps of noise over what was drawn, so that gradients do not band."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The product as RGBA at its final size, and the column and row of its upper left corner."""

    layer: Image.Image
    left: int
    top: int
    scale: float

    def on(self, width: int, height: int) -> Image.Image:
        """The product alone on a transparent canvas."""
        canvas = Image.new("RGBA", (width, height), (255, 255, 255, 0))
        canvas.paste(self.layer, (self.left, self.top))
        return canvas


def placed(cutout: Cutout, width: int, height: int, largest: float = 2.0) -> Placed:
    """The product centred, as large as the margins allow but enlarged at most `largest` times.

    A product that the photo's edge cuts off is held to that edge of the new picture, or the cut would show.
    """
    left, top, right, bottom = cutout.box
    wide, tall = right - left, bottom - top
    touches = cutout.touches()
    room_x = 1.0 - MARGIN * (2 - touches["left"] - touches["right"])
    room_y = 1.0 - MARGIN * (2 - touches["top"] - touches["bottom"])
    scale = min(width * room_x / wide, height * room_y / tall, largest)
    layer = cutout.layer.crop(_grown(cutout.box, 6, cutout.alpha.size))
    grown_left, grown_top, _, _ = _grown(cutout.box, 6, cutout.alpha.size)
    size = (max(1, round(layer.width * scale)), max(1, round(layer.height * scale)))
    x = _anchored(width, wide * scale, touches["left"], touches["right"], 0.5)
    y = _anchored(height, tall * scale, touches["top"], touches["bottom"], 0.58)
    return Placed(
        layer.resize(size, Image.Resampling.LANCZOS),
        round(x - (left - grown_left) * scale),
        round(y - (top - grown_top) * scale),
        scale,
    )


def compose(product: Placed, width: int, height: int, scene: Scene) -> Image.Image:
    """The product in the scene, RGB. Shadows fall on the ground, never on the product."""
    if scene.shadow is Shadow.FLOATING:
        product = Placed(product.layer, product.left, product.top - round(LIFT * height), product.scale)
    shrink = min(1.0, DRAWN_SIDE / max(width, height))
    layer = product.on(width, height)
    drawn = _drawn(layer, max(1, round(width * shrink)), max(1, round(height * shrink)), scene)
    flat = scene.surface is Surface.NONE and scene.shadow is Shadow.NONE
    picture = to_image(drawn, grain=0.0 if flat else GRAIN).resize((width, height), Image.Resampling.BICUBIC)
    picture.paste(layer, (0, 0), layer)
    return picture


def _drawn(layer: Image.Image, width: int, height: int, scene: Scene) -> Floats:
    """Everything but the product itself."""
    small = layer.resize((width, height), Image.Resampling.BOX)
    pixels = from_image(small)
    cover = np.ascontiguousarray(pixels[..., 3])
    foot = footing(cover)
    filled = np.flatnonzero(foot.lowest >= 0)
    base = foot.base + (LIFT * height if scene.shadow is Shadow.FLOATING else 0.0)
    stage = Stage(width, height, base, float(filled.mean()))
    ground = draw_backdrop(scene, stage)
    if scene.reflection and scene.shadow is not Shadow.FLOATING:
        mirrored, share = reflection(np.ascontiguousarray(pixels[..., :3]), cover, foot)
        ground = np.asarray(ground * (1 - share[..., None]) + mirrored * share[..., None], np.float32)
    if foot.base >= height - 2:
        # Cut off by the lower edge: where it stands is out of the picture.
        return ground
    return np.asarray(ground * (1 - darkness(cover, foot, scene.shadow))[..., None], np.float32)


def _anchored(room: int, size: float, at_start: bool, at_end: bool, balance: float) -> float:
    """Where the product starts: held to the sides that it touches, else the free space shared by `balance`."""
    free = room - size
    if at_start and not at_end:
        return 0.0
    if at_end and not at_start:
        return free
    return free * (0.5 if at_start else balance)


def _grown(box: tuple[int, int, int, int], by: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return max(0, left - by), max(0, top - by), min(size[0], right + by), min(size[1], bottom + by)
