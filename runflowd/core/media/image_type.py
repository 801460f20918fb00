"""What a file is, recognised by its bytes and never by its name, and whether all of it is there.

A copier that reserves space first makes a file of full size at once, so size and mtime cannot tell
a half image. `check` therefore walks the container from header to end marker. It never decodes a
pixel, reads in small bounded pieces, and answers hostile bytes with a verdict, not an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.media import image_boxes, image_jpeg, image_tiff, image_walk
from runflowd.core.media.image_bytes import CameraRawError, CutShortError, DamagedError, MiscountedError, has_hole
from runflowd.core.media.image_bytes import Source as Source  # noqa: PLC0414  part of this module's interface

if TYPE_CHECKING:
    from collections.abc import Callable

SNIFF_BYTES = 512
"""How much of a file's beginning `sniff` and `describe` want to see."""


class ImageType(Enum):
    """The image formats distinguished: MIME type, usual extension without dot, name for people."""

    JPEG = ("image/jpeg", "jpg", "JPEG")
    PNG = ("image/png", "png", "PNG")
    WEBP = ("image/webp", "webp", "WebP")
    GIF = ("image/gif", "gif", "GIF")
    TIFF = ("image/tiff", "tiff", "TIFF")
    BMP = ("image/bmp", "bmp", "BMP")
    HEIC = ("image/heic", "heic", "HEIC")
    AVIF = ("image/avif", "avif", "AVIF")

    def __init__(self, mime: str, extension: str, label: str) -> None:
        self.mime = mime
        self.extension = extension
        self.label = label


@dataclass(frozen=True, slots=True)
class Whole:
    """Header and end marker are there; a `hole` is a block of zeros where data should lie, perhaps not written yet."""

    type: ImageType
    hole: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """An image whose end is missing, perhaps still being written; `reason` is a clause for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotAnImage:
    """No image, or camera raw; `reason` is a clause for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """An image that breaks the rules of its format, or whose end seems to be missing: a decoder knows better.

    `cut` says that its end seems to be missing; a `hole` is a block of zeros in it, and never in one that is cut.
    """

    type: ImageType
    reason: str
    cut: bool
    hole: bool


Check: TypeAlias = Whole | Partial | NotAnImage | Doubt


def check(source: Source) -> Check:
    """Say whether `source` is a whole image. `source.read` may raise; nothing else here does."""
    head = source.read(0, SNIFF_BYTES)
    kind = sniff(head)
    if kind is None:
        return _no_image(head)
    try:
        return Whole(kind, has_hole(source, *_WALKERS[kind](source)))
    except CameraRawError as error:
        return NotAnImage(str(error))
    except (CutShortError, DamagedError) as error:
        cut, hole = isinstance(error, CutShortError), has_hole(source, 0, source.size)
        if cut and (hole or not isinstance(error, MiscountedError)):
            return Partial(str(error))
        return Doubt(kind, str(error), cut, hole)


def _no_image(head: bytes) -> Check:
    if head and not any(head):
        return Partial("the file holds only zeros so far")
    if head and any(magic.startswith(head) for magic, _ in _MAGIC):
        return Partial(f"the file ends after {len(head)} bytes, before the image does")
    return NotAnImage(describe(head))


def sniff(head: bytes) -> ImageType | None:
    """The image type that the first bytes announce, None if they announce no image."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageType.WEBP
    # Two letters are not enough to tell a bitmap from a text that begins with "BM".
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return ImageType.BMP
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    return None


def describe(head: bytes) -> str:
    """What bytes that are no supported image seem to be, as a clause: "this is a PDF document"."""
    if not head:
        return "the file is empty"
    for magic, words in _OTHERS:
        if head.startswith(magic):
            return f"this is {words}"
    if head[4:8] == b"ftyp":
        return f"this is {_OTHER_BRANDS.get(head[8:12], 'a video or another media file')}"
    return f"this is {_text_kind(head)}" if _is_text(head) else "the content is of no known format"


def _by_brand(head: bytes) -> ImageType | None:
    """HEIC or AVIF by the brands of an ISO base media file (ISO/IEC 14496-12 section 4.3)."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[at : at + 4] for at in (8, *range(16, length - 3, 4))]
    if brands[0] in _OTHER_BRANDS:
        return None
    if any(brand in {b"avif", b"avis"} for brand in brands):
        return ImageType.AVIF
    return ImageType.HEIC if any(brand in _HEIF_BRANDS for brand in brands) else None


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)


def _text_kind(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith(b"<"):
        return "an XML document"
    return "JSON text" if text.startswith((b"{", b"[")) else "text"


_MAGIC = (
    (b"\xff\xd8\xff", ImageType.JPEG),
    (b"\x89PNG\r\n\x1a\n", ImageType.PNG),
    (b"GIF87a", ImageType.GIF),
    (b"GIF89a", ImageType.GIF),
    (b"II*\x00", ImageType.TIFF),
    (b"MM\x00*", ImageType.TIFF),
    (b"II+\x00", ImageType.TIFF),
    (b"MM\x00+", ImageType.TIFF),
)

_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})

_WALKERS: dict[ImageType, Callable[[Source], tuple[int, int]]] = {
    ImageType.JPEG: image_jpeg.jpeg_end,
    ImageType.PNG: image_walk.png_end,
    ImageType.WEBP: image_walk.webp_end,
    ImageType.GIF: image_walk.gif_end,
    ImageType.TIFF: image_tiff.tiff_end,
    ImageType.BMP: image_walk.bmp_end,
    ImageType.HEIC: image_boxes.box_end,
    ImageType.AVIF: image_boxes.box_end,
}

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})

_OTHER_BRANDS = {b"crx ": "a camera raw file (CR3)", b"qt  ": "a QuickTime video", b"M4A ": "an audio file"}

_OTHERS = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x01\x00", "an icon file"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image, which is not supported"),
    (b"\xff\x0a", "a JPEG XL image, which is not supported"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image, which is not supported"),
    (b"FUJIFILMCCD-RAW", "a camera raw file (RAF)"),
    (b"RIFF", "an audio or video file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"ID3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"glTF", "a 3D model"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"SQLite format 3\x00", "a database"),
)
