"""A picture of a medium, made small: an image by Pillow, a frame of a video by PyAV or ffmpeg."""

from __future__ import annotations

import io
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from runflowd.decoder.image import FORMATS
from runflowd.decoder.installed import DEMUXERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUALITY, EFFORT = 80, 2
"""Of WebP: quick rather than smallest."""

OPENING = 1.0
"""Seconds from the beginning of a video at which its frame is taken: many begin in black."""

PROGRAM_TIMEOUT = 10.0
"""Seconds for ffmpeg: less than this process has, which ends it."""


def previews(descriptor: int, mime: str, sides: Sequence[int], ffmpeg: str) -> Iterator[bytes]:
    """A WebP for each side that is asked for, in pixels; of a video by the program `ffmpeg`, or by PyAV without one.

    Raises whatever the decoder raises.
    """
    Image.MAX_IMAGE_PIXELS = None  # what bounds is the memory
    warnings.simplefilter("ignore")
    if mime not in DEMUXERS:
        picture = _image(descriptor, mime, max(sides))
    else:
        picture = _frame_by_program(ffmpeg, descriptor, mime) if ffmpeg else _frame(descriptor, mime)
    for side in sides:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        small.save(stream, "webp", quality=QUALITY, method=EFFORT, icc_profile=picture.info.get("icc_profile", b""))
        yield stream.getvalue()


def _image(descriptor: int, mime: str, side: int) -> Image.Image:
    with Path(f"/proc/self/fd/{descriptor}").open("rb") as file, Image.open(file, formats=(FORMATS[mime],)) as image:
        image.draft("RGB", (side, side))  # a JPEG is decoded at the size that is needed
        upright = ImageOps.exif_transpose(image)
        clear = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
        made = upright.convert("RGBA" if clear else "RGB")
    if upright.mode not in {"RGB", "RGBA"}:
        made.info.pop("icc_profile", None)  # it is for the colours that were there before
    return made


def _frame(descriptor: int, mime: str) -> Image.Image:
    import av  # noqa: PLC0415  in an extra of its own

    path = f"/proc/self/fd/{descriptor}"
    with av.open(path, format=DEMUXERS[mime], options={"protocol_whitelist": "file"}) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1  # threads need memory for their stacks
        found = None
        for found in container.decode(stream):
            if found.time is None or found.time >= OPENING:
                break
        if found is None:
            raise EOFError
        image: Image.Image = found.to_image()
    return image


def _frame_by_program(ffmpeg: str, descriptor: int, mime: str) -> Image.Image:
    """The first frame, since a time behind the end would have none. The program has the limits of this process."""
    source = ("-protocol_whitelist", "file", "-f", DEMUXERS[mime], "-i", f"/proc/self/fd/{descriptor}")
    command = (ffmpeg, "-nostdin", "-v", "quiet", *source, "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-")
    said = subprocess.run(  # noqa: S603  no shell, and nothing of a stranger's in the command
        command, stdout=subprocess.PIPE, env={}, pass_fds=[descriptor], check=True, timeout=PROGRAM_TIMEOUT
    ).stdout
    return Image.open(io.BytesIO(said), formats=("png",)).convert("RGB")
