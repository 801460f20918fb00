"""Images are told by their bytes, whole ones by their end."""

from __future__ import annotations

import re

import pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.media.image_type import (
    SNIFF_BYTES,
    Doubt,
    ImageType,
    NotAnImage,
    Partial,
    Whole,
    check,
    describe,
    sniff,
)

SAMPLES = pictures.every_type(200, 150)
ENDS_WITHOUT_MARKER = {ImageType.BMP}
VARIANTS = {
    "progressive": pictures.encoded(pictures.noise(), "JPEG", progressive=True),
    "cmyk": pictures.encoded(pictures.noise().convert("CMYK"), "JPEG"),
    "sixteen-bit": pictures.encoded(pictures.noise().convert("I;16"), "PNG"),
    "lossless": pictures.encoded(pictures.noise(), "WEBP", lossless=True),
    "transparent": pictures.encoded(pictures.noise().convert("RGBA"), "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "moving gif": pictures.encoded(
        pictures.noise(), "GIF", save_all=True, append_images=[pictures.noise(), pictures.noise()]
    ),
    "plain tiff": pictures.encoded(pictures.noise(), "TIFF"),
    "pages": pictures.encoded(pictures.noise(), "TIFF", save_all=True, append_images=[pictures.noise()]),
    "big tiff": pictures.encoded(pictures.noise(), "TIFF", big_tiff=True),
}
types = pytest.mark.parametrize("kind", list(ImageType), ids=lambda kind: kind.label)


@types
def test_sniff_tells_the_type_by_content(kind: ImageType) -> None:
    """The first bytes are enough, no name is needed."""
    found = sniff(SAMPLES[kind][:SNIFF_BYTES])

    assert kind is found


@types
def test_a_whole_image_is_whole(kind: ImageType) -> None:
    """A file as its encoder left it passes."""
    found = check(pictures.BytesSource(SAMPLES[kind]))

    assert Whole(kind) == found


@types
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_image_is_partial(kind: ImageType, share: float) -> None:
    """A copy that stopped halfway is told from a whole one (scenario 1)."""
    data = SAMPLES[kind]

    found = check(pictures.BytesSource(data[: int(len(data) * share)]))

    assert pictures.is_cut(found)


@types
def test_one_missing_byte_is_enough(kind: ImageType) -> None:
    """The very last byte counts."""
    found = check(pictures.BytesSource(SAMPLES[kind][:-1]))

    assert pictures.is_cut(found)


@pytest.mark.parametrize("kind", [kind for kind in ImageType if kind not in ENDS_WITHOUT_MARKER])
def test_a_preallocated_image_is_partial(kind: ImageType) -> None:
    """Full size but zeros from the middle on: the copier is not done (scenario 4)."""
    data = SAMPLES[kind]
    half = len(data) // 2

    found = check(pictures.BytesSource(data[:half] + bytes(len(data) - half)))

    assert pictures.is_cut(found)


@pytest.mark.parametrize("name", VARIANTS)
def test_unusual_variants_are_whole(name: str) -> None:
    """Progressive, CMYK, 16 bit, animated, multi-page and 64-bit files pass too (scenario 19)."""
    found = check(pictures.BytesSource(VARIANTS[name]))

    assert isinstance(found, Whole)


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "GIF", "JPEG", "PNG"])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_flat_images_are_whole(form: str, colour: str) -> None:
    """Compressed flat areas may honestly end in zeros."""
    image = pictures.noise().resize((1200, 900))
    image.paste(colour, (0, 0, 1200, 900))

    found = check(pictures.BytesSource(pictures.encoded(image, form)))

    assert isinstance(found, Whole)


def test_a_jpeg_padded_by_its_camera_is_whole() -> None:
    """Zeros up to the next block behind the end marker are no missing data."""
    found = check(pictures.BytesSource(SAMPLES[ImageType.JPEG] + bytes(4096)))

    assert Whole(ImageType.JPEG) == found


def test_a_jpeg_before_much_reserved_space_is_in_doubt() -> None:
    """A first image followed by a large unwritten part may wait for the second, but not for ever."""
    found = check(pictures.BytesSource(SAMPLES[ImageType.JPEG] + bytes(300_000)))

    assert Whole(ImageType.JPEG, hole=True) == found


def test_a_motion_photo_is_whole() -> None:
    """A phone appends a video, or a second image, to the JPEG."""
    video = pictures.box(b"ftyp", b"mp42" + bytes(4)) + pictures.box(b"mdat", b"\x11" * 5000)

    found = check(pictures.BytesSource(SAMPLES[ImageType.JPEG] + video))

    assert Whole(ImageType.JPEG) == found


@pytest.mark.parametrize("shift", range(-2, 3))
def test_an_end_marker_is_found_wherever_pieces_meet(shift: int) -> None:
    """Large files are read a piece at a time; the marker may lie across two."""
    data = SAMPLES[ImageType.JPEG]
    scan = data.index(b"\xff\xda")
    scan += 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    filler = b"\x55" * (256 * 1024 - 1 + shift)

    found = check(pictures.BytesSource(data[:scan] + filler + b"\xff\xd9" + b"video" * 1000))

    assert Whole(ImageType.JPEG) == found


@pytest.mark.parametrize("name", ["plain tiff", "big tiff"])
def test_a_tiff_whose_directory_comes_first_needs_its_pixels(name: str) -> None:
    """The directory alone does not make an image."""
    found = check(pictures.BytesSource(VARIANTS[name][:-1]))

    assert pictures.is_cut(found)


def test_a_thumbnails_end_is_not_the_images_end() -> None:
    """The end marker of an embedded preview must not make a cut JPEG look whole."""
    data = SAMPLES[ImageType.JPEG]
    preview = pictures.jpeg(16, 16)
    exif = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview

    found = check(pictures.BytesSource(data[:2] + exif + data[2 : len(data) // 2]))

    assert pictures.is_cut(found)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n%...", "this is a PDF document"),
        (b"<!DOCTYPE html><html></html>", "this is an HTML page"),
        (b"\xef\xbb\xbf  <html></html>", "this is an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "this is an XML document"),
        (b"<?xml version='1.0'?><svg></svg>", "this is an SVG drawing"),
        (b'{"detail": "expired"}', "this is JSON text"),
        (b"BM is how this plain text begins, no bitmap", "this is text"),
        (b"PK\x03\x04rest", "this is a ZIP archive or an office document"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "this is an audio or video file"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0qt  ", "this is a QuickTime video"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42", "this is a video or another media file"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "this is a camera raw file (CR3)"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(4) + b"\x01\0" + bytes(40), "this is a camera raw file"),
        (b"\x07\x08\x01\x02", "the content is of no known format"),
        (b"", "the file is empty"),
    ],
)
def test_other_content_is_named_in_plain_words(data: bytes, reason: str) -> None:
    """People read why their .jpg is none (scenarios 16 and 114)."""
    found = check(pictures.BytesSource(data))

    assert NotAnImage(reason) == found


def test_a_file_of_zeros_may_become_anything() -> None:
    """Space reserved and nothing written yet is no verdict about the content."""
    found = check(pictures.BytesSource(bytes(100_000)))

    assert pictures.is_cut(found)


@pytest.mark.parametrize("data", [b"\xff", b"\x89PN", b"GI"])
def test_the_beginning_of_a_signature_is_partial(data: bytes) -> None:
    """The first bytes of a slow writer are an image to be."""
    found = check(pictures.BytesSource(data))

    assert pictures.is_cut(found)


def test_damage_in_the_middle_of_a_png_is_a_doubt() -> None:
    """A chunk that cannot be one is no end that is missing; a decoder may open it all the same (scenario 17)."""
    data = SAMPLES[ImageType.PNG]

    found = check(pictures.BytesSource(data[:33] + b"\xff" * 8 + data[41:]))

    assert Doubt(ImageType.PNG, "the PNG is damaged at byte 33", cut=False, hole=False) == found


def test_huge_dimensions_are_only_numbers() -> None:
    """A decompression bomb is walked through, never decoded (scenario 18)."""
    data = SAMPLES[ImageType.PNG]
    bomb = data[:16] + (2**31 - 1).to_bytes(4, "big") * 2 + data[24:]

    found = check(pictures.BytesSource(bomb))

    assert Whole(ImageType.PNG) == found


@given(st.binary(max_size=300))
def test_random_bytes_get_a_verdict(data: bytes) -> None:
    """Whatever the bytes, the answer is a verdict with a reason and not an exception."""
    found = check(pictures.BytesSource(data))

    assert isinstance(found, Whole) or found.reason


@given(st.sampled_from(list(ImageType)), st.data())
def test_mangled_images_get_a_verdict(kind: ImageType, data: st.DataObject) -> None:
    """Hostile edits of real images never raise and never hang."""
    mangled = bytearray(SAMPLES[kind])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, min(600, len(mangled) - 1)), st.integers(0, 255)), max_size=8)
    ):
        mangled[at] = value

    found = check(pictures.BytesSource(bytes(mangled)))

    assert isinstance(found, (Whole, Partial, NotAnImage, Doubt))


@given(st.binary(max_size=64))
def test_descriptions_are_clauses(head: bytes) -> None:
    """A description can stand inside a sentence: no full stop, no line break."""
    found = describe(head)

    assert re.fullmatch(r"[a-z][^.\n]*", found)
