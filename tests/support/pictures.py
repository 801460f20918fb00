"""Tiny real images of every type the daemon tells apart."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from runflowd.core.media.image_type import Check, Doubt, ImageType, Partial

WIDTH, HEIGHT = 40, 30


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory as an `imagetype.Source`."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on."""
        return self.data[offset : offset + length]


def noise(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A picture that does not compress to nearly nothing, unlike a flat one."""
    return Image.effect_noise((width, height), 80).convert("RGB")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as Pillow writes it in a format."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def box(kind: bytes, payload: bytes) -> bytes:
    """One box of an ISO base media file."""
    return (8 + len(payload)).to_bytes(4, "big") + kind + payload


def heic(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """The boxes of a HEIC photo (no free encoder is at hand): a thumbnail size, the image size, data."""
    sizes = b"".join(
        box(b"ispe", bytes(4) + w.to_bytes(4, "big") + h.to_bytes(4, "big"))
        for w, h in ((width // 2, height // 2), (width, height))
    )
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", sizes)))
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + meta + box(b"mdat", bytes(range(1, 256)) * 40)


def is_cut(found: Check) -> bool:
    """Whether the walk says that the end is missing, for certain or as far as it can tell."""
    return isinstance(found, Partial) or (isinstance(found, Doubt) and found.cut)


def odd_gif() -> bytes:
    """A GIF with a stray byte in front of its picture, which decoders pass over."""
    data = encoded(noise(), "GIF")
    at = 13 + 3 * 256
    return data[:at] + b"\x07" + data[at:]


def jpeg(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A baseline JPEG."""
    return encoded(noise(width, height), "JPEG")


def png(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A PNG."""
    return encoded(noise(width, height), "PNG")


def every_type(width: int = WIDTH, height: int = HEIGHT) -> dict[ImageType, bytes]:
    """One image of each type, all of the same size in pixels."""
    image = noise(width, height)
    return {
        ImageType.JPEG: encoded(image, "JPEG"),
        ImageType.PNG: encoded(image, "PNG"),
        ImageType.WEBP: encoded(image, "WEBP"),
        ImageType.GIF: encoded(image, "GIF"),
        ImageType.TIFF: encoded(image, "TIFF", compression="tiff_lzw"),
        ImageType.BMP: encoded(image, "BMP"),
        ImageType.HEIC: heic(width, height),
        ImageType.AVIF: encoded(image, "AVIF", speed=10),
    }
