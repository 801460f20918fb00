"""Images as cameras, old programs and downloaders leave them: what a decoder opens is whole, what has a hole waits."""

from __future__ import annotations

import struct

import pytest
from pictures import BytesSource, box, encoded, is_cut, jpeg, noise, odd_gif, png
from PIL import Image

from runflowd.core.media.image_bytes import BLOCK
from runflowd.core.media.image_type import Doubt, ImageType, NotAnImage, Partial, Whole, check
from runflowd.core.media.input_type import DOUBT_STILLNESS, HOLE_STILLNESS, Acceptable, Doubtful
from runflowd.core.media.input_type import check as check_input
from runflowd.core.media.kinds import MediaKind

LARGE = encoded(noise(300, 300), "JPEG", quality=90)


def quantisation(data: bytes) -> int:
    """Where the first quantisation table of a JPEG begins."""
    return data.index(b"\xff\xdb")


def item_location(*extents: tuple[int, int]) -> bytes:
    """An `iloc` box of one item with these extents: version 0, offsets and lengths of four bytes."""
    table = b"".join(struct.pack(">II", *extent) for extent in extents)
    return box(b"iloc", bytes(4) + b"\x44\x00" + struct.pack(">HHHH", 1, 1, 0, len(extents)) + table)


def heif(extent: int, data: bytes = bytes(range(1, 256)) * 8) -> bytes:
    """A HEIC file whose image is said to be `extent` bytes of its data."""
    head = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    start = len(head) + len(box(b"meta", bytes(4) + item_location((0, 0)))) + 8
    return head + box(b"meta", bytes(4) + item_location((start, extent))) + box(b"mdat", data)


WHOLE = {
    "JPEG, a preview and zeros to the block": (ImageType.JPEG, jpeg() + jpeg() + bytes(4096)),
    "JPEG and 200,000 bytes of something": (ImageType.JPEG, jpeg() + b"\x07film" * 40_000),
    "JPEG with stray bytes before a segment": (
        ImageType.JPEG,
        jpeg()[: quantisation(jpeg())] + b"\x12\x34" + jpeg()[quantisation(jpeg()) :],
    ),
    "HEIC with bytes behind its last box": (ImageType.HEIC, heif(2000) + b"trailing words of 20"),
    "HEIC with one byte behind its last box": (ImageType.HEIC, heif(2040) + b"\x00"),
    "AVIF with one byte behind its last box": (ImageType.AVIF, encoded(noise(), "AVIF", speed=10) + b"\x00"),
    "WebP with zeros behind its end": (ImageType.WEBP, encoded(noise(), "WEBP") + bytes(10_000)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_stands_behind_or_between_is_not_part_of_the_image(name: str) -> None:
    """All that the image needs is there."""
    kind, data = WHOLE[name]

    assert Whole(kind) == check(BytesSource(data))


def test_a_bitmap_whose_header_counts_too_many_bytes_is_whole() -> None:
    """Width, height and depth say how long it is; the size in the header is often wrong."""
    data = encoded(noise(), "BMP")
    larger = data[:2] + (len(data) + 1).to_bytes(4, "little") + data[6:]

    assert Whole(ImageType.BMP) == check(BytesSource(larger))


@pytest.mark.parametrize(("field", "value"), [(30, 1), (30, 2), (14, 12)], ids=["RLE8", "RLE4", "a header of OS/2"])
def test_half_a_bitmap_of_which_only_the_header_knows_the_length_waits(field: int, value: int) -> None:
    """Compressed, or from OS/2: width and height do not say how many bytes there are."""
    data = encoded(noise(), "BMP")
    data = data[:field] + value.to_bytes(4, "little") + data[field + 4 :]

    assert Whole(ImageType.BMP) == check(BytesSource(data))
    assert is_cut(check(BytesSource(data[: len(data) // 2])))


def test_a_bitmap_whose_header_points_into_its_palette_is_in_doubt() -> None:
    """Its pixels seem to end where they do not, so that a part of it would look whole: a decoder says."""
    data = encoded(noise().quantize(), "BMP")
    moved = data[:10] + (54).to_bytes(4, "little") + data[14:]

    assert Whole(ImageType.BMP) == check(BytesSource(moved))
    assert isinstance(check(BytesSource(moved[:-1])), Doubt)
    assert isinstance(check(BytesSource(data[:-1])), Partial)


def test_an_image_whose_extent_is_not_there_waits() -> None:
    """However whole its boxes look."""
    assert isinstance(check(BytesSource(heif(3000))), Partial)


def test_stray_bytes_between_the_blocks_of_a_gif_are_a_doubt() -> None:
    """Decoders pass over them; whether they do is for one of them to say, once nothing has changed for ten seconds."""
    expected = Doubt(ImageType.GIF, "the GIF is damaged at byte 781", cut=False, hole=False)

    assert expected == check(BytesSource(odd_gif()))
    assert Doubtful("image/gif", expected.reason, DOUBT_STILLNESS) == check_input(
        BytesSource(odd_gif()), (MediaKind.IMAGE,)
    )


def test_a_hole_in_an_image_that_is_cut_is_no_question_for_a_decoder() -> None:
    """It would take zeros for data."""
    assert isinstance(check(BytesSource(holed(LARGE)[:-100])), Partial)


@pytest.mark.parametrize("missing", [1, 20, 500])
def test_an_image_without_its_last_bytes_waits(missing: int) -> None:
    """Its extents are not there, and neither is its box."""
    assert isinstance(check(BytesSource(heif(2040)[:-missing])), Partial)


def holed(data: bytes) -> bytes:
    """A file of which one block in the middle is not written yet."""
    at = len(data) // 2 // BLOCK * BLOCK
    return data[:at] + bytes(BLOCK) + data[at + BLOCK :]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (ImageType.JPEG, holed(LARGE)),
        (ImageType.PNG, holed(png(300, 300))),
        (ImageType.WEBP, holed(encoded(noise(300, 300), "WEBP", lossless=True))),
        (ImageType.TIFF, encoded(Image.new("RGB", (200, 200)), "TIFF")),
    ],
    ids=lambda value: value.name if isinstance(value, ImageType) else "",
)
def test_a_hole_in_an_image_is_a_doubt(kind: ImageType, data: bytes) -> None:
    """Space that is reserved first and written out of order looks so; a black picture does as well."""
    assert Whole(kind, hole=True) == check(BytesSource(data))


def test_a_doubt_is_neither_for_ever_nor_at_once() -> None:
    """It ends by standing still."""
    found = check_input(BytesSource(holed(LARGE)), (MediaKind.IMAGE,))

    assert Acceptable("image/jpeg", HOLE_STILLNESS) == found


def test_zeros_that_lie_on_no_block_are_data() -> None:
    """Space is reserved in blocks: fewer zeros than one, or across a border, were written by somebody."""
    data = bytearray(LARGE)
    at = len(data) // 2 // BLOCK * BLOCK + 100
    data[at : at + BLOCK] = bytes(BLOCK)

    assert Whole(ImageType.JPEG) == check(BytesSource(bytes(data)))


def tiff_with_sensor_data(photometric: int) -> bytes:
    """A TIFF whose first directory, a thumbnail, points to another one of this kind."""
    beneath = struct.pack("<HHHIII", 1, 262, 3, 1, photometric, 0)
    entries = [(256, 4, 1, 16), (257, 4, 1, 12), (330, 4, 1, 8 + 2 + 3 * 12 + 4)]
    first = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\x00" + struct.pack("<I", 8) + first + beneath


def test_camera_raw_is_known_from_the_thumbnail_that_it_begins_with() -> None:
    """NEF, ARW and PEF are TIFF files whose first picture is small."""
    assert NotAnImage("this is a camera raw file") == check(BytesSource(tiff_with_sensor_data(32803)))


def test_a_tiff_with_smaller_copies_of_its_picture_is_no_camera_raw() -> None:
    """Directories beneath the first one are common."""
    assert Whole(ImageType.TIFF) == check(BytesSource(tiff_with_sensor_data(2)))


def tiff_whose(tag: int, offset: int) -> bytes:
    """A TIFF that refers to the values of a field at `offset`."""
    data = encoded(noise(), "TIFF", dpi=(72, 72))
    at = data.index(tag.to_bytes(2, "little") + b"\x05\0\x01\0\0\0") + 8
    return data[:at] + offset.to_bytes(4, "little") + data[at + 4 :]


@pytest.mark.parametrize("offset", [9_000_000, 0xFFFF_FFF0])
def test_a_tiff_that_refers_to_values_behind_its_end_is_cut(offset: int) -> None:
    """No decoder misses a resolution, so none is asked: what a directory refers to was written with it."""
    x_resolution = 282

    assert isinstance(check(BytesSource(tiff_whose(x_resolution, offset))), Partial)
    assert Whole(ImageType.TIFF) == check(BytesSource(tiff_whose(x_resolution, 8)))
