"""What a video or a sound really is: its bytes decoded, not its name believed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from runflowd.local.models.planes import Floats


@dataclass(frozen=True)
class Video:
    """`container` as the bytes tell it, `codec`, and every frame, decoded. `seconds` is how long it plays."""

    container: str
    codec: str
    seconds: float
    streams: int
    frames: list[Image.Image]

    def change(self, first: int, second: int) -> float:
        """How far two frames are apart: the mean over all pixels, 0 to 255."""
        pair = (np.asarray(self.frames[n], np.float32) for n in (first, second))
        return float(np.abs(next(pair) - next(pair)).mean())


@dataclass(frozen=True)
class Sound:
    """A sound's samples of its first channel, -1 to 1, at `rate` a second."""

    container: str
    codec: str
    rate: int
    samples: Floats

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def loudness(self, begin: float = 0.0, end: float = 1.0) -> float:
        """Root mean square between two shares of its length."""
        part = self.samples[int(begin * len(self.samples)) : int(end * len(self.samples))]
        return float(np.sqrt((part.astype(np.float64) ** 2).mean()))


def video(data: bytes) -> Video:
    """Decode all of a video."""
    with av.open(io.BytesIO(data)) as opened:
        frames = [frame.to_image() for frame in opened.decode(video=0)]
        stream = opened.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
        return Video(opened.format.name, stream.codec_context.name, seconds, len(opened.streams), frames)


def sound(data: bytes) -> Sound:
    """Decode all of a sound."""
    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.audio[0]
        parts = [frame.to_ndarray() for frame in opened.decode(audio=0)]
        full = np.iinfo(parts[0].dtype).max if np.issubdtype(parts[0].dtype, np.integer) else 1
        samples = np.concatenate([part[0] for part in parts]).astype(np.float32) / np.float32(full)
        return Sound(opened.format.name, stream.codec_context.name, stream.rate, samples)
