"""Arithmetic on single colours: what a word such as `light` or `warm` does to one."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.local.models.vocabulary import Colour


def modified(colour: Colour, modifiers: tuple[str, ...]) -> Colour:
    """The colour made lighter, darker, warmer, cooler, more or less saturated."""
    for modifier in modifiers:
        colour = _modified_once(colour, modifier)
    return colour


def _modified_once(colour: Colour, modifier: str) -> Colour:
    red, green, blue = colour
    match modifier:
        case "light":
            return _whole(*((channel + 255) / 2 for channel in colour))
        case "dark":
            return _whole(*(channel * 0.5 for channel in colour))
        case "warm":
            return _whole(red * 1.03 + 3, green, blue * 0.93)
        case "cool":
            return _whole(red * 0.94, green * 0.99, blue * 1.03 + 3)
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    factor = 1.4 if modifier == "vivid" else 0.55
    changed = colorsys.hls_to_rgb(hue, lightness, min(1.0, saturation * factor))
    return _whole(*(channel * 255 for channel in changed))


def _whole(red: float, green: float, blue: float) -> Colour:
    return (_byte(red), _byte(green), _byte(blue))


def _byte(value: float) -> int:
    return max(0, min(255, round(value)))


def hexadecimal(word: str) -> Colour:
    """The colour that `#rrggbb` writes."""
    return (int(word[1:3], 16), int(word[3:5], 16), int(word[5:7], 16))
