"""Small recordings of every kind that a rule takes, encoded by the real FFmpeg that PyAV brings."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE, RATE, FRAMES = 64, 16_000, 12

CODECS = {
    "mp4": ("mp4", "mpeg4"),
    "faststart.mp4": ("mp4", "libx264"),
    "mov": ("mov", "mpeg4"),
    "webm": ("webm", "libvpx"),
    "mkv": ("matroska", "mpeg4"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "libopus"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
    "m4a": ("ipod", "aac"),
}
"""By name: FFmpeg's names of the container and of the codec."""


def recording(name: str) -> bytes:
    """Half a second of noise."""
    form, codec = CODECS[name]
    options = {"movflags": "+faststart"} if name.startswith("faststart") else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"  # an index is written into what was written before
        with av.open(str(path), "w", format=form, options=options) as container:
            fast = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
            stream = container.add_stream(codec, rate=25 if _is_video(codec) else _rate(codec), options=fast)
            for frame in _pictures(stream) if _is_video(codec) else _sounds(stream):
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()


def _is_video(codec: str) -> bool:
    return str(av.codec.Codec(codec, "w").type) == "video"


def _rate(codec: str) -> int:
    return 48_000 if codec == "libopus" else RATE


def _pictures(stream: Any) -> Iterator[av.VideoFrame]:
    stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
    random = Random(12)
    for number in range(FRAMES):
        frame = av.VideoFrame(SIDE, SIDE, "yuv420p")
        for plane in frame.planes:
            plane.update(random.randbytes(plane.buffer_size))
        frame.pts, frame.time_base = number, Fraction(1, 25)
        yield frame


def _sounds(stream: Any) -> Iterator[av.AudioFrame]:
    stream.layout = "mono"
    stream.codec_context.open()
    samples = stream.codec_context.frame_size or 1024
    random = Random(12)
    for start in range(0, stream.rate // 2, samples):
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(random.randbytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = stream.rate, start, Fraction(1, stream.rate)
        yield frame
