"""The models that lift the product off its backdrop. Each is a process of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from runflowd.local.models.contract import Json, ModelFailure, Result
from runflowd.local.models.cutout import cut_out
from runflowd.local.models.decoding import read_photo
from runflowd.local.models.formats import canvas_size
from runflowd.local.models.images import jpeg, png, reduced
from runflowd.local.models.prompt import read_prompt
from runflowd.local.models.studio import compose, placed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_SIDE = 4096
"""Drawn scenes are no larger than this on a side."""

NOTABLE_ENLARGEMENT = 1.25


def remove_background(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:  # noqa: ARG001 - a Process takes its input
    """The product on transparency, in the photo's frame and size."""
    cutout = cut_out(read_photo(images), weights)
    clear = Image.new("RGBA", cutout.alpha.size, (255, 255, 255, 0))
    visible = cutout.alpha.point(lambda value: 255 if value else 0)
    return Result((png(Image.composite(cutout.layer, clear, visible)),), cutout.notes)


def colour_background(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The product on one flat colour, in the photo's frame and size."""
    cutout = cut_out(read_photo(images), weights)
    colour = (int(values["color_red"]), int(values["color_green"]), int(values["color_blue"]))
    flat = Image.new("RGB", cutout.alpha.size, colour)
    return Result((png(Image.composite(cutout.colours, flat, cutout.alpha)),), cutout.notes)


def replace_background(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The product in the scene that the prompt describes, in the photo's size."""
    reading = read_prompt(_prompt(values))
    cutout = cut_out(reduced(read_photo(images), MAX_SIDE), weights)
    width, height = cutout.alpha.size
    product = placed(cutout, width, height)
    return Result((jpeg(compose(product, width, height, reading.scene)),), (*reading.notes(), *cutout.notes))


def isolate_product(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """The product centred on a canvas of the ratio and resolution asked for."""
    width, height = canvas_size(str(values["aspect_ratio"]), str(values["resolution"]))
    cutout = cut_out(read_photo(images), weights)
    product = placed(cutout, width, height, largest=8.0)
    notes = (*cutout.notes, *enlargement(product.scale))
    if not values.get("prompt"):
        return Result((png(product.on(width, height)),), notes)
    reading = read_prompt(str(values["prompt"]))
    return Result((jpeg(compose(product, width, height, reading.scene)),), (*reading.notes(), *notes))


def enlargement(scale: float) -> tuple[str, ...]:
    """A note where the photo had to be enlarged noticeably."""
    if scale < NOTABLE_ENLARGEMENT:
        return ()
    return (f"The photo is small for this resolution and was enlarged {scale:.1f} times, which adds no detail.",)


def _prompt(values: Mapping[str, Json]) -> str:
    prompt = str(values.get("prompt") or "").strip()
    if not prompt:
        raise ModelFailure("INPUT_VALIDATION_FAILED", "prompt is empty: say what backdrop is wanted.")
    return prompt
