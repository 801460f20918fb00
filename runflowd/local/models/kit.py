"""All that a shop needs of one photo in one run: the product in a studio, cut out, described, and read aloud."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from runflowd.local.models.contract import EncodedFile, Json, Result
from runflowd.local.models.cutout import cut_out
from runflowd.local.models.decoding import read_photo
from runflowd.local.models.images import jpeg, png, reduced
from runflowd.local.models.prompt import read_prompt
from runflowd.local.models.speech import readable, spoken
from runflowd.local.models.studio import compose, placed
from runflowd.local.models.vocabulary import COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runflowd.local.models.cutout import Cutout

MAX_SIDE = 2048
"""Pixels of a side of the pictures: what a shop's page shows at most."""

SAMPLE_SIDE = 64
"""Pixels of a side at which colours are counted."""

MAIN_SHARE = 0.15
"""A colour that less of the product has is not named."""


def product_kit(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:
    """A studio picture (JPEG), the cut-out (PNG), its description (JSON) and the same in spoken words (MP3)."""
    reading = read_prompt(str(values["prompt"]))
    cutout = cut_out(reduced(read_photo(images), MAX_SIDE), weights)
    width, height = cutout.alpha.size
    studio = compose(placed(cutout, width, height), width, height, reading.scene)
    name = readable(str(values.get("name") or "")[:200])
    described = description(cutout, name)
    document = json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n"
    files = (
        replace(jpeg(studio), name="studio.jpg"),
        replace(png(cutout.layer), name="cutout.png"),
        EncodedFile("description.json", "application/json", document),
        spoken(described["text"], 1.0, "mp3", "narration"),
    )
    return Result(files, (*reading.notes(), *cutout.notes))


def description(cutout: Cutout, name: str) -> dict[str, Json]:
    """What can be said of the product without knowing what it is: where it stands, how large, of which colours."""
    width, height = cutout.alpha.size
    left, top, right, bottom = cutout.box
    found = colours(cutout)
    shape = _shape((right - left) / (bottom - top))
    words = " and ".join(each["name"] for each in found[:2])
    said = f"{name or 'The product'} is mostly {words} and {shape}."
    return {
        "name": name or None,
        "text": said,
        "width": width,
        "height": height,
        "box": {"left": left, "top": top, "right": right, "bottom": bottom},
        "coverage": round(float(np.asarray(cutout.alpha, np.float32).mean()) / 255, 3),
        "colors": found,
    }


def colours(cutout: Cutout) -> list[dict[str, Json]]:
    """The named colours that most of the product has, each with its share, the first one always."""
    small = cutout.layer.crop(cutout.box).resize((SAMPLE_SIDE, SAMPLE_SIDE)).convert("RGBA")
    pixels = np.asarray(small, np.int32).reshape(-1, 4)
    solid = pixels[pixels[:, 3] > 127][:, :3]
    solid = solid if len(solid) else pixels[:, :3]
    names, known = list(COLOURS), np.array(list(COLOURS.values()), np.int32)
    nearest = ((solid[:, None, :] - known[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(names)) / len(solid)
    order = [index for index in np.argsort(-counts) if counts[index] >= MAIN_SHARE] or [int(counts.argmax())]
    return [{"name": names[index], "share": round(float(counts[index]), 2)} for index in order]


def _shape(ratio: float) -> str:
    return "taller than wide" if ratio < 0.8 else "wider than tall" if ratio > 1.25 else "about as tall as wide"
