"""The words that a background prompt may use, and what each stands for. Everything else is not understood.

`docs/local-models.md` prints these tables; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue in sRGB, 0 to 255."""


class Surface(StrEnum):
    """What the product stands on; `NONE` is a seamless sweep without a visible edge."""

    NONE = "none"
    PLAIN = "plain"
    MARBLE = "marble"
    WOOD = "wood"
    CONCRETE = "concrete"
    STONE = "stone"
    LINEN = "linen"


class Shadow(StrEnum):
    """What the product casts on the ground."""

    NONE = "none"
    SOFT = "soft"
    STRONG = "strong"
    FLOATING = "floating"


class Shade(StrEnum):
    """How the backdrop's colours are spread."""

    SWEEP = "sweep"
    FLAT = "flat"
    LINEAR = "linear"
    RADIAL = "radial"


COLOURS: dict[str, Colour] = {
    "white": (250, 250, 250),
    "ivory": (246, 241, 227),
    "cream": (245, 236, 216),
    "beige": (226, 208, 180),
    "sand": (216, 196, 160),
    "tan": (200, 168, 128),
    "brown": (122, 84, 56),
    "terracotta": (192, 108, 78),
    "grey": (172, 173, 175),
    "silver": (200, 202, 205),
    "charcoal": (58, 60, 64),
    "black": (24, 24, 26),
    "red": (190, 44, 44),
    "burgundy": (110, 30, 48),
    "coral": (240, 128, 108),
    "orange": (232, 138, 56),
    "peach": (248, 204, 176),
    "yellow": (244, 206, 82),
    "mustard": (206, 160, 52),
    "gold": (206, 170, 94),
    "green": (92, 146, 92),
    "mint": (190, 226, 206),
    "sage": (172, 186, 160),
    "olive": (120, 124, 72),
    "teal": (46, 128, 130),
    "turquoise": (92, 196, 194),
    "blue": (70, 122, 190),
    "sky": (176, 212, 240),
    "navy": (34, 48, 88),
    "purple": (112, 72, 148),
    "lavender": (204, 194, 228),
    "pink": (242, 190, 202),
    "blush": (240, 214, 208),
}

SPELLINGS: dict[str, str] = {
    "gray": "grey",
    "colour": "color",
    "off-white": "ivory",
    "offwhite": "ivory",
    "rose": "pink",
    "violet": "purple",
    "anthracite": "charcoal",
    "golden": "gold",
    "wooden": "wood",
    "oak": "wood",
    "cement": "concrete",
    "slate": "stone",
    "granite": "stone",
    "fabric": "linen",
    "cloth": "linen",
    "tabletop": "table",
    "counter": "table",
    "countertop": "table",
    "desk": "table",
    "surface": "table",
    "reflective": "glossy",
    "acrylic": "glossy",
    "mirror": "glossy",
    "reflections": "reflection",
    "shadows": "shadow",
    "spotlight": "radial",
    "vignette": "radial",
    "halo": "radial",
    "solid": "flat",
    "plain": "flat",
    "hard": "strong",
    "deep": "dark",
    "pastel": "light",
    "pale": "light",
    "bright": "vivid",
    "muted": "dusty",
    "float": "floating",
    "hovering": "floating",
    "levitating": "floating",
}
"""Words taken to mean another word of the vocabulary."""

MODIFIERS: dict[str, str] = {
    "light": "half way to white",
    "dark": "half as bright",
    "warm": "a little redder",
    "cool": "a little bluer",
    "vivid": "more saturated",
    "dusty": "less saturated",
}
"""Stand directly before a colour or a surface and change its colour."""

SURFACES: dict[str, Surface] = {
    "table": Surface.PLAIN,
    "marble": Surface.MARBLE,
    "wood": Surface.WOOD,
    "walnut": Surface.WOOD,
    "concrete": Surface.CONCRETE,
    "stone": Surface.STONE,
    "linen": Surface.LINEN,
}

SURFACE_COLOURS: dict[str, Colour] = {
    "table": (224, 218, 210),
    "marble": (236, 235, 236),
    "wood": (190, 146, 102),
    "walnut": (104, 72, 50),
    "concrete": (170, 169, 166),
    "stone": (112, 113, 114),
    "linen": (222, 214, 200),
}

SHADES: dict[str, Shade] = {
    "studio": Shade.SWEEP,
    "seamless": Shade.SWEEP,
    "sweep": Shade.SWEEP,
    "flat": Shade.FLAT,
    "gradient": Shade.LINEAR,
    "radial": Shade.RADIAL,
}

SHADOWS: dict[str, Shadow] = {
    "soft": Shadow.SOFT,
    "subtle": Shadow.SOFT,
    "natural": Shadow.SOFT,
    "contact": Shadow.SOFT,
    "strong": Shadow.STRONG,
    "dark": Shadow.STRONG,
    "dramatic": Shadow.STRONG,
    "floating": Shadow.FLOATING,
    "drop": Shadow.FLOATING,
}
"""Stand directly before `shadow`; `floating` also stands alone."""

REFLECTION = ("glossy", "reflection")

NEGATIONS = ("no", "without")
"""Before `shadow`, `reflection` or `gradient`: none of it."""

BACKDROP = ("background", "backdrop", "wall")
"""The word before these is the backdrop's, even if it also names a surface."""

FILLERS = frozenset(
    {"a", "an", "the", "on", "in", "of", "at", "to", "from", "into", "with", "and", "against", "over", "for"}
    | {"it", "its", "is", "standing", "placed", "set", "top", "please", "product", "item", "object"}
    | {"photo", "photograph", "photography", "shot", "picture", "image", "style", "look", "finish", "effect"}
    | {"color", "colored", "coloured", "tone", "tones", "background", "backdrop", "wall", "floor", "ground"}
)
"""Words that carry no meaning of their own here; they are not reported."""
