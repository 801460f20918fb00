"""A still becomes a video: a camera moves over the photo, frame by frame, into H.264 in an MP4 file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av
from PIL import Image

from runflowd.local.models.camera import read_move
from runflowd.local.models.contract import EncodedFile, Json, Result
from runflowd.local.models.decoding import read_photo
from runflowd.local.models.formats import proportion
from runflowd.local.models.images import reduced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runflowd.local.models.images import Photo

FRAMES_PER_SECOND = 25

LONGEST_SIDE = 1920
"""Pixels, whatever the resolution and the ratio: what plays everywhere."""

QUALITY = {"preset": "veryfast", "crf": "20"}
"""x264's own words for little time and no visible loss."""

_BT709 = 1
"""ITU-T H.273: the primaries, transfer and matrix of high definition, which players expect above 576 lines."""


def image_to_video(values: Mapping[str, Json], images: Mapping[str, bytes], weights: Path | None) -> Result:  # noqa: ARG001 - a Process
    """The photo under a moving camera, `duration` seconds long."""
    move = read_move(str(values.get("prompt") or ""))
    photo = read_photo(images, "start_image_url")
    ratio = proportion(str(values["aspect_ratio"])) if values.get("aspect_ratio") else _ratio(photo.colours.size)
    size = frame_size(ratio, int(str(values["resolution"]).removesuffix("p")))
    still = _opaque(reduced(photo, 2 * max(size)))  # more than the frames show costs time and is not seen
    seconds = int(values["duration"])
    boxes = move.boxes(still.size, size[0] / size[1], seconds * FRAMES_PER_SECOND)
    frames = (still.resize(size, Image.Resampling.BICUBIC, box) for box in boxes)
    video = EncodedFile("result_0.mp4", "video/mp4", encoded(frames, size), *size, float(seconds))
    return Result((video,), (*move.notes(), *photo.notes))


def frame_size(ratio: float, shorter: int) -> tuple[int, int]:
    """Width and height in pixels, both even as H.264 wants them, with no side above `LONGEST_SIDE`."""
    wide, tall = shorter * max(1.0, ratio), shorter * max(1.0, 1 / ratio)
    scale = min(1.0, LONGEST_SIDE / max(wide, tall))
    return max(2, round(wide * scale / 2) * 2), max(2, round(tall * scale / 2) * 2)


def _ratio(size: tuple[int, int]) -> float:
    """That of the photo itself, within what a frame can have."""
    return min(4.0, max(0.25, size[0] / size[1]))


def _opaque(photo: Photo) -> Image.Image:
    """A video has no transparency: what shows through is white."""
    if photo.alpha is None:
        return photo.colours
    return Image.composite(photo.colours, Image.new("RGB", photo.colours.size, "white"), photo.alpha)


def encoded(frames: Iterator[Image.Image], size: tuple[int, int]) -> bytes:
    """The frames as an MP4 file with its index in front, so that it plays while it is still coming."""
    with tempfile.TemporaryDirectory(prefix="runflowd-video-") as folder:
        path = Path(folder) / "video.mp4"  # the index is moved by reading the file again, which memory cannot do
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=QUALITY)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            for picture in frames:
                frame = av.VideoFrame.from_image(picture).reformat(format="yuv420p", dst_colorspace="ITU709")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()
