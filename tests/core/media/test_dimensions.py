"""How many pixels an image has is read from its header, whatever its format."""

from __future__ import annotations

import pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.media.dimensions import pixels
from runflowd.core.media.image_type import ImageType

SAMPLES = pictures.every_type(200, 150)
VARIANTS = {
    "progressive JPEG": pictures.encoded(pictures.noise(31, 17), "JPEG", progressive=True),
    "lossless WebP": pictures.encoded(pictures.noise(31, 17), "WEBP", lossless=True),
    "extended WebP": pictures.encoded(pictures.noise(31, 17).convert("RGBA"), "WEBP"),
    "big TIFF": pictures.encoded(pictures.noise(31, 17), "TIFF", big_tiff=True),
}


def count(data: bytes) -> int | None:
    """What the header of these bytes says."""
    return pixels(pictures.BytesSource(data))


@pytest.mark.parametrize("kind", list(ImageType), ids=lambda kind: kind.label)
def test_the_header_of_every_type_tells_its_pixels(kind: ImageType) -> None:
    """Width times height; nothing is decoded for it."""
    assert 200 * 150 == count(SAMPLES[kind])


@pytest.mark.parametrize("name", VARIANTS)
def test_so_do_the_variants_of_a_type(name: str) -> None:
    """Each has a header of its own."""
    assert 31 * 17 == count(VARIANTS[name])


@pytest.mark.parametrize("data", [b"", b"no image at all", SAMPLES[ImageType.PNG][:20], b"GIF89a" + bytes(20)])
def test_what_does_not_say_has_no_number(data: bytes) -> None:
    """Unknown, which is not zero."""
    assert count(data) is None


@given(st.sampled_from(list(SAMPLES)), st.integers(0, 400), st.binary(max_size=60))
def test_hostile_bytes_are_answered_with_a_number_or_none(kind: ImageType, place: int, data: bytes) -> None:
    """Never with an error, nor with a number that nothing can hold."""
    whole = SAMPLES[kind]
    found = count(whole[:place] + data + whole[place + len(data) :])

    assert found is None or 0 < found <= 2**40
