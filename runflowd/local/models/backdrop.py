"""The empty studio: wall, ground and light, before the product and its shadow are in it.

The camera looks slightly down, as product photos are mostly taken: the ground rises to an edge behind the
product, out of focus, and what is nearer is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runflowd.local.models.planes import Floats, blurred, smoothstep
from runflowd.local.models.textures import SIDE, texture
from runflowd.local.models.vocabulary import Shade, Surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runflowd.local.models.prompt import Scene
    from runflowd.local.models.vocabulary import Colour


@dataclass(frozen=True, slots=True)
class Stage:
    """The picture's size and where the product stands in it: `base` is its lowest row, `centre` its column."""

    width: int
    height: int
    base: float
    centre: float

    @property
    def edge(self) -> float:
        """The row of the ground's far edge."""
        return min(max(self.base - 0.30 * self.height, 0.28 * self.height), 0.72 * self.height)

    def rows(self) -> Floats:
        return np.arange(self.height, dtype=np.float32)[:, None]

    def columns(self) -> Floats:
        return np.arange(self.width, dtype=np.float32)[None, :]

    def round_light(self, row: float, reach_x: float, reach_y: float) -> Floats:
        """A soft spot around the product's column at `row`; reaches are shares of the longer side."""
        long = max(self.width, self.height)
        across = (self.columns() - self.centre) / (reach_x * long)
        down = (self.rows() - row) / (reach_y * long)
        return np.asarray(np.exp(-(across**2 + down**2)), np.float32)


def draw_backdrop(scene: Scene, stage: Stage) -> Floats:
    """Wall and ground as height x width x 3."""
    if scene.shade is Shade.FLAT and scene.surface is Surface.NONE:
        return np.broadcast_to(_tint(scene.colours[0]), (stage.height, stage.width, 3)).copy()
    wall = _wall(scene, stage)
    if scene.surface is Surface.NONE:
        return _lit(wall, stage)
    ground = _ground(scene, stage)
    blur = 0.006 * stage.height
    share = smoothstep(stage.edge - blur, stage.edge + blur, stage.rows())[..., None]
    return _lit(np.asarray(wall * (1 - share) + ground * share, np.float32), stage)


def _wall(scene: Scene, stage: Stage) -> Floats:
    """The backdrop's colours over the whole picture."""
    first, last = _ends(scene)
    match scene.shade:
        case Shade.RADIAL:
            share = np.asarray(1 - stage.round_light(stage.base - 0.28 * stage.height, 0.48, 0.48))
        case Shade.LINEAR:
            share = smoothstep(-0.05 * stage.height, 1.05 * stage.height, stage.rows())
        case Shade.FLAT:
            share = np.zeros((1, 1), np.float32)
        case _:
            # A sweep: the wall turns into the ground without an edge.
            share = smoothstep(0.30 * stage.height, stage.height, stage.rows())
    field = first + (last - first) * share[..., None]
    return np.broadcast_to(field, (stage.height, stage.width, 3)).astype(np.float32)


def _ends(scene: Scene) -> tuple[Floats, Floats]:
    """The two colours to blend between; a single colour is given a lighter or darker partner."""
    first = _tint(scene.colours[0])
    if len(scene.colours) == 2:
        return first, _tint(scene.colours[1])
    match scene.shade:
        case Shade.LINEAR:
            return first + (1 - first) * np.float32(0.45), first * np.float32(0.90)
        case Shade.RADIAL:
            return first + (1 - first) * np.float32(0.35), first * np.float32(0.72)
        case Shade.FLAT:
            return first, first
        case Shade.SWEEP:
            return first, first * np.float32(0.955)


def _ground(scene: Scene, stage: Stage) -> Floats:
    """The surface in perspective; only the rows below its far edge are worth looking at."""
    material = texture(scene.surface, scene.surface_colour)
    far = stage.edge - 0.28 * stage.height  # the row of the horizon, which the surface never reaches
    away = np.maximum(stage.rows() - far, 1.0)
    nearness = (stage.base - far) / away
    scale = SIDE / (1.3 * max(stage.width, stage.height))
    across = (stage.columns() - stage.centre) * nearness * scale + SIDE * 0.37
    depth = nearness * (stage.base - far) * 1.6 * scale
    sharp = _sampled(material, across, np.broadcast_to(depth, across.shape))
    soft = _out_of_focus(sharp, stage)
    # In focus around the product, less so towards the far edge and the very front.
    focus = np.abs(stage.rows() - stage.base + 0.05 * stage.height) / (0.26 * stage.height)
    share = smoothstep(0.25, 1.0, focus)[..., None]
    return np.asarray(sharp * (1 - share) + soft * share, np.float32)


def _out_of_focus(picture: Floats, stage: Stage) -> Floats:
    return blurred(picture, 0.005 * max(stage.width, stage.height))


def _sampled(material: Floats, across: Floats, down: Floats) -> Floats:
    """The material at those places, mirrored beyond its borders, with bilinear interpolation."""
    left, top = np.floor(across).astype(np.int32), np.floor(down).astype(np.int32)
    share_x, share_y = (across - left)[..., None], (down - top)[..., None]
    x0, x1, y0, y1 = _mirrored(left), _mirrored(left + 1), _mirrored(top), _mirrored(top + 1)
    upper = material[y0, x0] * (1 - share_x) + material[y0, x1] * share_x
    lower = material[y1, x0] * (1 - share_x) + material[y1, x1] * share_x
    return np.asarray(upper * (1 - share_y) + lower * share_y, np.float32)


def _mirrored(index: NDArray[np.int32]) -> NDArray[np.int32]:
    period = 2 * SIDE
    folded = index % period
    return np.asarray(np.where(folded < SIDE, folded, period - 1 - folded), np.int32)


def _lit(field: Floats, stage: Stage) -> Floats:
    """A lamp above: brighter behind and under the product, a little darker in the corners."""
    behind = stage.round_light(stage.base - 0.30 * stage.height, 0.45, 0.40)
    under = stage.round_light(stage.base, 0.42, 0.16)
    corners = 1 - 0.03 * (1 - stage.round_light(0.5 * stage.height, 0.75, 0.75))
    # Light adds little where the backdrop is bright already, and makes a dark one readable.
    dark = 1 - field.mean(axis=2)
    gain = 1 + 0.03 * behind + 0.02 * under
    lift = (0.06 * under + 0.03 * behind) * dark * dark
    return np.asarray((field * (gain * corners)[..., None] + lift[..., None]).clip(0, 1), np.float32)


def _tint(colour: Colour) -> Floats:
    return np.array(colour, np.float32) / np.float32(255)
