"""Reading photos: orientation, colour, odd modes, and files that are made to hurt."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from runflowd.local.models import decoding
from runflowd.local.models.contract import ModelFailure
from runflowd.local.models.decoding import read_photo
from runflowd.local.models.images import Photo, decode, jpeg, reduced


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes) -> Photo:
    return read_photo({"image_url": data})


def refused(data: bytes) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        read(data)
    return caught.value


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: 70 bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_exif_orientation_turns_the_photo_upright() -> None:
    """Orientation 6 means: turn right. The red left edge becomes the top."""
    drawn = Image.new("RGB", (40, 20), "blue")
    drawn.paste("red", (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = read(encoded(drawn, "PNG", exif=exif)).colours

    assert photo.size == (20, 40)
    assert photo.getpixel((10, 2)) == (255, 0, 0)


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    """The same Lab value as sRGB mid grey, stored under a Lab profile, comes out as that grey."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    stored = Image.new("LAB", (8, 8), (137, 128, 128))  # L 53.7, which is sRGB 128
    photo = read(encoded(stored, "TIFF", icc_profile=profile))

    assert photo.colours.getpixel((4, 4)) == pytest.approx((128, 128, 128), abs=3)
    assert photo.notes == ()


def test_a_broken_profile_is_ignored_and_said() -> None:
    """The colours are taken as they are, which the notes tell."""
    photo = read(encoded(Image.new("RGB", (8, 8), (1, 2, 3)), icc_profile=b"not a profile"))

    assert photo.colours.getpixel((4, 4)) == (1, 2, 3)
    assert photo.notes == ("The photo's colour profile could not be used; its colours were taken as sRGB.",)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Whatever the file holds, the models see 8-bit RGB."""
    kind = "TIFF" if mode == "CMYK" else "PNG"

    assert read(encoded(Image.new(mode, (8, 8)), kind)).colours.mode == "RGB"


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    """Half of the 16-bit range is half of the 8-bit range."""
    photo = read(encoded(Image.new("I;16", (8, 8), 32896)))

    assert photo.colours.getpixel((4, 4)) == (128, 128, 128)


def test_an_alpha_channel_that_hides_nothing_is_none() -> None:
    """Such a photo is opaque: the network must look at it."""
    assert read(encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 255)))).alpha is None


def test_transparency_is_kept_aside() -> None:
    """The alpha channel survives as a mask of the same size."""
    alpha = read(encoded(Image.new("RGBA", (8, 6), (1, 2, 3, 77)))).alpha

    assert alpha is not None
    assert (alpha.size, alpha.getpixel((3, 3))) == ((8, 6), 77)


@pytest.mark.parametrize("side", [7100, 12_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    """Above 50 megapixels nothing is decoded, also where Pillow itself warns or refuses."""
    failure = refused(png_header(side, side))

    assert (failure.code, failure.stage) == ("IMAGE_TOO_LARGE", "preprocess")
    assert "50 megapixels" in failure.message


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 "])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    """Empty files, text and bare signatures get the same clear code."""
    assert refused(data).code == "UNREADABLE_IMAGE"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_file_is_unreadable(kind: str) -> None:
    """Half a picture is no result."""
    whole = encoded(Image.effect_noise((200, 200), 50), kind)

    assert refused(whole[: len(whole) // 2]).code == "UNREADABLE_IMAGE"


def outcome(data: bytes) -> str:
    try:
        return read(data).colours.mode
    except ModelFailure as failure:
        return failure.code


@given(data=st.binary(max_size=60), at=st.integers(8, 600))
def test_damage_never_escapes_as_anything_but_a_model_failure(data: bytes, at: int) -> None:
    """Bytes overwritten anywhere in a PNG: it reads or it fails in the one way that the service knows."""
    whole = bytearray(encoded(Image.linear_gradient("L").resize((32, 32))))
    whole[at : at + len(data)] = data

    assert outcome(bytes(whole)) in {"RGB", "UNREADABLE_IMAGE", "IMAGE_TOO_LARGE"}


def test_reducing_keeps_the_ratio_and_says_so() -> None:
    """The longer side is the limit, and the note tells the new size."""
    photo = reduced(Photo(Image.new("RGB", (400, 200)), None), 100)

    assert (photo.colours.size, photo.notes) == ((100, 50), ("Reduced to 100 x 50: no side is above 100 pixels.",))


def test_a_jpeg_keeps_coloured_edges() -> None:
    """Without subsampling a red line one pixel wide stays red."""
    drawn = Image.new("RGB", (32, 32), "white")
    drawn.paste("red", (16, 0, 17, 32))
    pixel = Image.open(io.BytesIO(jpeg(drawn).data)).convert("RGB").getpixel((16, 16))

    assert isinstance(pixel, tuple)
    assert pixel[0] - pixel[1] > 200


def test_a_large_photo_is_decoded_apart_and_comes_back_the_same() -> None:
    """Colours, transparency and notes survive the way out of the child (scenario 149)."""
    large = Image.new("RGBA", (2100, 2000), (10, 200, 30, 255))
    large.putpixel((7, 9), (1, 2, 3, 0))
    data = encoded(large)

    apart, here = read(data), decode(io.BytesIO(data), "image_url")

    assert (True, True) == (large.width * large.height > decoding.LARGE, here.alpha is not None)
    assert (here.colours.tobytes(), here.alpha and here.alpha.tobytes(), here.notes) == (
        apart.colours.tobytes(),
        apart.alpha and apart.alpha.tobytes(),
        apart.notes,
    )


def test_a_photo_that_needs_more_memory_than_there_is_ends_its_child_only() -> None:
    """A few kilobytes announce 49 megapixels; the limit of the child is the limit of the harm (scenario 149)."""
    bomb = encoded(Image.new("P", (7000, 7000)), "PNG", optimize=False)
    limits = "import resource, runflowd.local.models.decoding as d; d.MAX_MEMORY = 150 << 20; "
    run = f"{limits}import sys; d.main('image_url', sys.stdin.buffer, sys.stdout.buffer)"
    done = subprocess.run([sys.executable, "-c", run], input=bomb, capture_output=True, check=False)

    assert (True, 0, "IMAGE_TOO_LARGE") == (len(bomb) < 100_000, done.returncode, json.loads(done.stdout)["code"])
