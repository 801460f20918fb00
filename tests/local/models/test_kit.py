"""Several files of several kinds from one photo."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from probing import sound

from runflowd.local.models.cutout import Cutout
from runflowd.local.models.kit import colours, description

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.local.models.contract import EncodedFile, Result

KINDS = {
    "studio.jpg": "image/jpeg",
    "cutout.png": "image/png",
    "description.json": "application/json",
    "narration.mp3": "audio/mpeg",
}


@pytest.fixture
def kit(run: Callable[..., Result]) -> dict[str, EncodedFile]:
    """The kit of the mug, by file name."""
    return {file.name: file for file in run("product-kit", "mug", name="Orange mug", prompt="sage studio").files}


def picture(file: EncodedFile) -> Image.Image:
    return Image.open(io.BytesIO(file.data))


def test_a_kit_has_a_file_of_each_kind(kit: dict[str, EncodedFile]) -> None:
    """A picture, a cut-out, a document and a sound."""
    assert KINDS == {name: file.mime_type for name, file in kit.items()}
    assert ("JPEG", "PNG", "RGBA") == (
        picture(kit["studio.jpg"]).format,
        picture(kit["cutout.png"]).format,
        picture(kit["cutout.png"]).mode,
    )


def test_the_description_fits_the_cut_out(kit: dict[str, EncodedFile]) -> None:
    """The box is where the product is, the coverage is its share of the picture."""
    said = json.loads(kit["description.json"].data)
    alpha = picture(kit["cutout.png"]).getchannel("A")
    box = alpha.point([0] * 128 + [255] * 128).getbbox()

    assert tuple(said["box"].values()) == box
    assert abs(said["coverage"] - sum(n * v for v, n in enumerate(alpha.histogram())) / 255 / (1000 * 900)) < 0.002
    assert ("Orange mug", 1000, 900) == (said["name"], said["width"], said["height"])
    assert "orange" in said["text"]


def test_the_description_is_read_aloud(kit: dict[str, EncodedFile]) -> None:
    """It takes as long as such a sentence takes."""
    heard = sound(kit["narration.mp3"].data)

    assert 2 < heard.seconds < 10
    assert heard.loudness() > 0.02


def cutout(size: tuple[int, int], *parts: tuple[str, tuple[int, int, int, int]]) -> Cutout:
    """A product of flat rectangles."""
    picture, alpha = Image.new("RGB", size, "white"), Image.new("L", size, 0)
    for colour, box in parts:
        picture.paste(colour, box)
        alpha.paste(255, box)
    found = alpha.getbbox()
    assert found is not None
    return Cutout(picture, alpha, found)


def test_colours_are_named_by_how_much_there_is_of_them() -> None:
    """Three quarters and one quarter."""
    found = colours(cutout((400, 400), ("#223058", (0, 0, 400, 300)), ("#f4ce52", (0, 300, 400, 400))))

    assert [{"name": "navy", "share": 0.75}, {"name": "yellow", "share": 0.25}] == found


@pytest.mark.parametrize(("name", "begins"), [("", "The product is mostly red"), ("A lamp", "A lamp is mostly red")])
def test_a_product_without_a_name_is_a_product(name: str, begins: str) -> None:
    """What it is, nobody knows."""
    assert description(cutout((50, 100), ("#be2c2c", (10, 10, 40, 90))), name)["text"].startswith(begins)
