"""Arithmetic on whole pictures as float arrays: blurs, noise, and the way to and from Pillow.

A plane is height x width, a colour field height x width x 3, both float32 and 0 to 1.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]


def from_image(image: Image.Image) -> Floats:
    """The pixels as 0 to 1."""
    return np.asarray(image, np.float32) / np.float32(255)


def to_image(values: Floats, grain: float = 0.0) -> Image.Image:
    """The array as an 8-bit picture; `grain` in 8-bit steps of noise keeps smooth gradients from banding."""
    steps = values * np.float32(255)
    if grain:
        noise = np.random.default_rng(7).normal(0.0, grain, steps.shape[:2]).astype(np.float32)
        steps = steps + (noise[..., None] if steps.ndim == 3 else noise)
    return Image.fromarray((steps + 0.5).clip(0, 255).astype(np.uint8))


def box_mean(values: Floats, radius: int) -> Floats:
    """The mean over a square of 2 * radius + 1 pixels, over fewer at the borders."""
    return _running_mean(_running_mean(values, radius, 0), radius, 1)


def blurred(values: Floats, radius: float, radius_x: float | None = None) -> Floats:
    """Three box means in a row: close to a Gaussian of standard deviation `radius` pixels.

    `radius_x`, where given, is the one along the rows.
    """
    for axis, deviation in enumerate((radius, radius if radius_x is None else radius_x)):
        for _ in range(3 if deviation >= 0.5 else 0):
            values = _running_mean(values, max(1, round(deviation)), axis)
    return values


def resized(plane: Floats, width: int, height: int) -> Floats:
    """A plane at another size."""
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def smoothstep(low: float, high: float, values: Floats) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    place = ((values - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    return np.asarray(place * place * (3 - 2 * place), np.float32)


def noise(width: int, height: int, octaves: int, seed: int, stretch: tuple[int, int] = (1, 1)) -> Floats:
    """Smooth noise, 0 to 1: octaves of random grids, each finer and fainter; `stretch` makes streaks."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 1)
        grid = generator.random((max(2, cells * stretch[1]), max(2, cells * stretch[0]))).astype(np.float32)
        total += resized(grid, width, height) * np.float32(0.6**octave)
    total -= total.min()
    return np.asarray(total / total.max(), np.float32)


def _running_mean(values: Floats, radius: int, axis: int) -> Floats:
    length = values.shape[axis]
    sums = np.cumsum(values, axis=axis, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis)), sums], axis)
    last = np.minimum(np.arange(length) + radius + 1, length)
    first = np.maximum(np.arange(length) - radius, 0)
    shape = [1] * values.ndim
    shape[axis] = length
    total = np.take(sums, last, axis) - np.take(sums, first, axis)
    return np.asarray(total / (last - first).reshape(shape), np.float32)
