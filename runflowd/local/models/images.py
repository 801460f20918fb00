"""Photos in, pictures out: decoding that survives hostile files, and encoding that keeps the quality.

Every photo becomes 8-bit sRGB, upright, with its own transparency kept aside.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from runflowd.local.models.contract import EncodedFile, ModelFailure

MAX_PIXELS = 50_000_000
"""Photos and results above this are refused: 50 megapixels take about 0.6 GB while they are worked on."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
"""What is decoded, first frame only. JPEG includes MPO, in which phones store a second picture."""

JPEG_QUALITY = 93

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged files."""


@dataclass(frozen=True, slots=True)
class Photo:
    """`colours` is mode RGB in sRGB. `alpha` is mode L of the same size, None where the file has none."""

    colours: Image.Image
    alpha: Image.Image | None
    notes: tuple[str, ...] = ()


def decode(source: io.BytesIO, name: str) -> Photo:
    """The photo in these bytes, decoded in this process. Raises ModelFailure as `read_photo` does."""
    data = source.getbuffer()
    try:
        with Image.open(source, formats=FORMATS) as opened:
            _check_size(opened.size)
            opened.load()
            return _normalised(opened)
    except MemoryError as error:
        raise too_large("The photo") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large("The photo") from error
    except UnidentifiedImageError as error:
        raise ModelFailure(
            "UNREADABLE_IMAGE",
            f"The file given as {name} ({len(data)} bytes) is in none of the formats read here: "
            "JPEG, PNG, WebP, TIFF, BMP, GIF.",
        ) from error
    except DAMAGE as error:
        raise ModelFailure(
            "UNREADABLE_IMAGE",
            f"The file given as {name} cannot be decoded as an image ({len(data)} bytes): {error}",
        ) from error


def reduced(photo: Photo, longest: int) -> Photo:
    """The photo with no side above `longest` pixels, with a note if that changed anything."""
    factor = longest / max(photo.colours.size)
    if factor >= 1:
        return photo
    size = (max(1, round(photo.colours.width * factor)), max(1, round(photo.colours.height * factor)))
    note = f"Reduced to {size[0]} x {size[1]}: no side is above {longest} pixels."
    alpha = photo.alpha and photo.alpha.resize(size, Image.Resampling.LANCZOS)
    return Photo(photo.colours.resize(size, Image.Resampling.LANCZOS), alpha, (*photo.notes, note))


def check_result_size(width: int, height: int) -> None:
    """Raise ModelFailure where a result of that many pixels would be too large."""
    if width * height > MAX_PIXELS:
        raise too_large(f"The result ({width} x {height})")


def png(picture: Image.Image) -> EncodedFile:
    """The picture as PNG: lossless, keeps transparency."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return EncodedFile("result_0.png", "image/png", buffer.getvalue(), picture.width, picture.height)


def jpeg(picture: Image.Image) -> EncodedFile:
    """The opaque picture as JPEG without colour subsampling, so that coloured edges stay crisp."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, progressive=True)
    return EncodedFile("result_0.jpg", "image/jpeg", buffer.getvalue(), picture.width, picture.height)


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise too_large(f"The photo ({width} x {height})")


def too_large(what: str) -> ModelFailure:
    """The failure of a photo or a result with more pixels than are worked on here."""
    return ModelFailure(
        "IMAGE_TOO_LARGE", f"{what} has more than {MAX_PIXELS // 1_000_000} megapixels, the local models' limit."
    )


def _normalised(image: Image.Image) -> Photo:
    """Upright, 8-bit sRGB, transparency aside."""
    profile = image.info.get("icc_profile")
    upright = _upright(image)
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    notes: tuple[str, ...] = ()
    colours = _eight_bit(upright)
    if isinstance(profile, bytes) and profile:
        colours, notes = _to_srgb(colours, profile)
    return Photo(_opaque(colours), _meaningful(alpha), notes)


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation wants to be seen; unreadable EXIF leaves it as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGE:
        return image.copy()


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit greys scaled down (Pillow would clip them at 255); palettes resolved; other modes as they are."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB") if image.mode == "P" else image


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """The colours converted from the embedded profile; a profile that does not fit is ignored with a note."""
    plain = image.convert({"RGBA": "RGB", "LA": "L"}.get(image.mode, image.mode))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(plain, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, *DAMAGE):
        return image, ("The photo's colour profile could not be used; its colours were taken as sRGB.",)
    return (converted or plain), ()


def _opaque(image: Image.Image) -> Image.Image:
    """RGB; the colours under full transparency are replaced by white, since editors leave anything there."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    hidden = layered.getchannel("A").point(lambda value: 255 if value == 0 else 0)
    return Image.composite(white, layered, hidden).convert("RGB")


def _meaningful(alpha: Image.Image | None) -> Image.Image | None:
    """None for an alpha channel that hides nothing."""
    if alpha is None or alpha.getextrema() == (255, 255):
        return None
    return alpha
