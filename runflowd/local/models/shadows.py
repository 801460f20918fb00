"""What ties a cut-out to the ground: contact shadow, cast shadow, reflection.

All work from the silhouette alone, so they suit things that stand; a product photographed from straight
above gets a shadow as if it stood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from runflowd.local.models.planes import Floats, blurred, smoothstep
from runflowd.local.models.vocabulary import Shadow


@dataclass(frozen=True, slots=True)
class Footing:
    """Where the silhouette meets the ground.

    `lowest` is the lowest row of the product in each column, `stands` (0 to 1) how surely that row is on the
    ground: less the higher it lies above `base`, the lowest of all. `tall` and `wide` are the product's size.
    """

    lowest: Floats
    stands: Floats
    base: float
    tall: float
    wide: float


def footing(cover: Floats) -> Footing:
    """The footing of a silhouette; it must not be empty."""
    solid = cover > 0.5
    filled = np.flatnonzero(solid.any(axis=0))
    rows = np.flatnonzero(solid.any(axis=1))
    height = cover.shape[0]
    lowest = np.full(cover.shape[1], -1.0, np.float32)
    lowest[filled] = height - 1 - np.argmax(solid[::-1][:, filled], axis=0)
    base, tall, wide = float(rows[-1]), float(np.ptp(rows)) + 1, float(np.ptp(filled)) + 1
    # Seen from slightly above, the sides of a round base lie higher than its front.
    reach = min(0.22 * tall, 0.22 * wide)
    stands = 1 - smoothstep(0.35 * reach, reach, np.asarray(base - lowest, np.float32))
    stands[lowest < 0] = 0
    return Footing(lowest, stands, base, tall, wide)


def darkness(cover: Floats, foot: Footing, kind: Shadow) -> Floats:
    """How much light the product takes from each pixel of the ground, 0 to 1."""
    match kind:
        case Shadow.NONE:
            return np.zeros_like(cover)
        case Shadow.FLOATING:
            return _below(cover, foot)
        case Shadow.SOFT:
            return np.asarray(1 - (1 - _contact(cover, foot)) * (1 - 0.62 * _pool(cover, foot)), np.float32)
        case Shadow.STRONG:
            light = (1 - _contact(cover, foot)) * (1 - 0.5 * _pool(cover, foot)) * (1 - 0.5 * _cast(cover, foot))
            return np.asarray(1 - light, np.float32)


def reflection(picture: Floats, cover: Floats, foot: Footing) -> tuple[Floats, Floats]:
    """The product mirrored at its footing, column by column, and how much of it to show, 0 to 0.3."""
    height, width = cover.shape
    rows = np.arange(height, dtype=np.float32)[:, None]
    source = (2 * foot.lowest[None, :] - rows).clip(0, height - 1).astype(np.int32)
    columns = np.broadcast_to(np.arange(width)[None, :], source.shape)
    depth = (rows - foot.lowest[None, :]) / (0.35 * foot.tall)
    fade = np.where(depth >= 0, (1 - depth).clip(0, 1) ** 2, 0)
    share = blurred(np.asarray(cover[source, columns] * fade * foot.stands[None, :] * 0.3, np.float32), 1.5)
    return blurred(picture[source, columns], 1.5), share


def _contact(cover: Floats, foot: Footing) -> Floats:
    """The thin dark line right under the product."""
    height = cover.shape[0]
    rows = np.arange(height, dtype=np.float32)[:, None]
    thick = max(2.0, 0.012 * max(foot.tall, foot.wide))
    near = np.exp(-(((rows - foot.lowest[None, :]) / thick) ** 2)) * foot.stands[None, :]
    return np.asarray((0.62 * blurred(near.astype(np.float32), thick * 0.6)).clip(0, 1), np.float32)


def _pool(cover: Floats, foot: Footing) -> Floats:
    """The wide soft shadow of a large lamp, from the patch of ground that the product covers."""
    rows = np.arange(cover.shape[0], dtype=np.float32)[:, None]
    # The visible front of the base, mirrored backwards, closes the outline that stands on the ground.
    middle = float(foot.lowest[foot.stands > 0.3].min())
    behind = np.minimum(2 * middle - foot.lowest, foot.lowest - 0.06 * foot.wide)
    under = ((rows <= foot.lowest) & (rows > behind)) * foot.stands[None, :]
    ground = under.astype(np.float32)
    size = max(foot.wide, 0.5 * foot.tall)
    close, far = blurred(ground, 0.03 * size), blurred(ground, 0.085 * size)
    return np.asarray((0.75 * close + 0.75 * far).clip(0, 1), np.float32)


def _cast(cover: Floats, foot: Footing) -> Floats:
    """A lamp at the upper left: the silhouette laid on the ground to the right and back, softer with height."""
    lean, flat = 0.55, 0.26  # columns to the right and rows back for each row of height
    foothold = foot.base - 0.04 * foot.tall
    coefficients = (1, lean / flat, -lean / flat * foothold, 0, 1 / flat, foothold * (1 - 1 / flat))
    silhouette = Image.fromarray(cover)
    laid = np.asarray(
        silhouette.transform(silhouette.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR),
        np.float32,
    )
    rows = np.arange(cover.shape[0], dtype=np.float32)[:, None]
    # Nothing lies in front of the footing, and the shadow ends softly there.
    laid = laid * (rows <= foothold)
    high = smoothstep(0, 1, np.asarray((foothold - rows) / (flat * foot.tall), np.float32))
    crisp, soft = blurred(laid, 0.010 * foot.tall), blurred(laid, 0.035 * foot.tall)
    return np.asarray((crisp * (1 - high) + soft * high) * (1 - 0.45 * high), np.float32)


def _below(cover: Floats, foot: Footing) -> Floats:
    """A blurred ellipse some way under a product that floats."""
    height, width = cover.shape
    filled = np.flatnonzero(foot.lowest >= 0)
    centre = float(filled.mean())
    row = min(foot.base + 0.07 * foot.tall, height - 0.02 * height)
    across = (np.arange(width, dtype=np.float32)[None, :] - centre) / (0.42 * foot.wide)
    down = (np.arange(height, dtype=np.float32)[:, None] - row) / (0.06 * foot.wide + 0.01 * height)
    return np.asarray(0.38 * np.exp(-((across**2 + down**2) ** 0.9)), np.float32)
