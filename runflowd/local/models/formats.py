"""How many pixels an aspect ratio at a resolution means."""

from __future__ import annotations

ONE_K: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
"""Width and height at 1K. Twice that at 2K is what the hosted smart-resize was seen to give for 16:9
(2752 x 1536); multiples of 16 come close to the ratio, not exactly to it."""

FACTORS = {"1K": 1, "2K": 2, "4K": 4}


def canvas_size(ratio: str, resolution: str) -> tuple[int, int]:
    """Width and height in pixels."""
    width, height = ONE_K[ratio]
    return width * FACTORS[resolution], height * FACTORS[resolution]


def proportion(ratio: str) -> float:
    """Width divided by height, exactly as the ratio says."""
    width, height = ratio.split(":")
    return int(width) / int(height)
