"""Drawn materials for the ground: flat squares of colour, made of noise with a fixed seed.

Each takes the colour that the material shall have on average and gives SIDE x SIDE pixels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from runflowd.local.models.planes import Floats, blurred, noise, smoothstep
from runflowd.local.models.vocabulary import Colour, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 1024


@functools.lru_cache(maxsize=8)
def texture(surface: Surface, colour: Colour) -> Floats:
    """The material in that colour, SIDE x SIDE x 3. Not to be written to: it is shared."""
    tint = np.array(colour, np.float32) / np.float32(255)
    drawn = _DRAWN[surface](tint).clip(0, 1)
    drawn.setflags(write=False)
    return drawn


def _plain(tint: Floats) -> Floats:
    """Paint or paper: the colour, with hardly visible unevenness."""
    uneven = noise(SIDE, SIDE, 7, seed=3) - 0.5
    return _varied(tint, uneven * 0.03)


def _marble(tint: Floats) -> Floats:
    """Long veins that wander about one direction, a few bold, most faint, over soft clouds."""
    across, down = np.meshgrid(*(np.linspace(0, 1, SIDE, dtype=np.float32),) * 2)
    clouds = noise(SIDE, SIDE, 6, seed=11)
    bend, fray = noise(SIDE, SIDE, 4, seed=12), noise(SIDE, SIDE, 8, seed=15)
    course = across * 1.1 + down * 0.8 + bend * 0.9 + fray * 0.28
    bold = _veins(course * 2.2, 0.05) * smoothstep(0.35, 0.75, noise(SIDE, SIDE, 4, seed=13))
    fine = _veins(course * 5.3 + clouds, 0.05) * smoothstep(0.4, 0.8, noise(SIDE, SIDE, 5, seed=14))
    haze = _veins(course * 2.2, 0.30) * smoothstep(0.3, 0.8, noise(SIDE, SIDE, 3, seed=16))
    veins = (0.55 * bold**2 + 0.25 * fine + 0.22 * haze).clip(0, 0.8)[..., None]
    # The lamp needs room above: pure white would lose its veins.
    stone = _varied(np.minimum(tint, np.float32(0.925)), (clouds - 0.5) * 0.06)
    # Light stone has grey veins, dark stone pale ones.
    vein = np.array([0.52, 0.52, 0.54] if tint.mean() > 0.4 else [0.80, 0.78, 0.74], np.float32)
    return np.asarray(stone * (1 - veins) + vein * veins, np.float32)


def _wood(tint: Floats) -> Floats:
    """Planks from left to right, each with its own tone and run of grain."""
    planks = 5
    rows = np.linspace(0, planks, SIDE, endpoint=False, dtype=np.float32)
    plank = rows.astype(int)
    own = np.random.default_rng(21).random((planks, 3)).astype(np.float32)[plank]
    streaks = noise(SIDE, SIDE, 7, seed=22, stretch=(1, 12))
    # Each plank is a different stretch of the same tree.
    shifted = np.stack([np.roll(row, int(shift * SIDE)) for row, shift in zip(streaks, own[:, 0], strict=True)])
    rings = 0.5 + 0.5 * np.sin((shifted * 5 + own[:, 1:2] * 9) * 6.283)
    pores = noise(SIDE, SIDE, 3, seed=23, stretch=(6, 128)) - 0.5
    tone = (shifted - 0.5) * 0.30 + (rings - 0.5) * 0.07 + pores * 0.10 + (own[:, 2:3] - 0.5) * 0.12
    gap = smoothstep(0.0, 0.012, np.minimum(rows % 1, 1 - rows % 1))[:, None]
    return np.asarray(_varied(tint, tone) * (0.55 + 0.45 * gap)[..., None], np.float32)


def _concrete(tint: Floats) -> Floats:
    """Clouds, fine sand and a few pores."""
    clouds = noise(SIDE, SIDE, 7, seed=31) - 0.5
    sand = blurred(np.random.default_rng(32).normal(0, 1, (SIDE, SIDE)).astype(np.float32), 1)
    pores = smoothstep(0.80, 0.86, noise(SIDE, SIDE, 3, seed=33, stretch=(24, 24)))
    return _varied(tint, clouds * 0.16 + sand * 0.03 - pores * 0.10)


def _stone(tint: Floats) -> Floats:
    """Slate: layered, with faint ridges."""
    layers = noise(SIDE, SIDE, 8, seed=41, stretch=(2, 3))
    ridges = _veins(layers * 3, 0.06) * 0.10
    grit = np.random.default_rng(42).normal(0, 0.02, (SIDE, SIDE)).astype(np.float32)
    return _varied(tint, (layers - 0.5) * 0.30 - ridges + grit)


def _linen(tint: Floats) -> Floats:
    """A plain weave of uneven threads."""
    across, down = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    weave = np.sin(across * 0.9) * np.sin(down * 0.9)
    threads = noise(SIDE, SIDE, 4, seed=51, stretch=(1, 60)) + noise(SIDE, SIDE, 4, seed=52, stretch=(60, 1)) - 1
    folds = noise(SIDE, SIDE, 3, seed=53) - 0.5
    return _varied(tint, weave * 0.05 + threads * 0.12 + folds * 0.08)


def _veins(field: Floats, width: float) -> Floats:
    """1 on the lines where the field passes a whole number, falling to 0 within `width`."""
    away = np.abs(field - np.round(field))
    return 1 - smoothstep(0, width, np.asarray(away, np.float32))


def _varied(tint: Floats, change: Floats) -> Floats:
    """The colour made lighter and darker by a share of itself."""
    return np.asarray(tint * (1 + change)[..., None], np.float32)


_DRAWN: dict[Surface, Callable[[Floats], Floats]] = {
    Surface.PLAIN: _plain,
    Surface.MARBLE: _marble,
    Surface.WOOD: _wood,
    Surface.CONCRETE: _concrete,
    Surface.STONE: _stone,
    Surface.LINEN: _linen,
}
