"""Which decoders this machine has. Nothing of them is imported here: the daemon never decodes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

HEIF = frozenset({"image/heic"})
"""What Pillow opens with pillow-heif only."""

DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/aac": "aac",
}
"""The MIME types that FFmpeg is asked for, and the one reader of containers that it may use for each."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Versions of Pillow, pillow-heif and PyAV, and the path of ffmpeg; "" for what is not there."""

    pillow: str = ""
    heif: str = ""
    av: str = ""
    ffmpeg: str = ""

    @property
    def program(self) -> str:
        """The path of ffmpeg where recordings are for it; "" where PyAV, which brings FFmpeg as a library, is there."""
        return "" if self.av else self.ffmpeg

    def lacking(self, mime: str) -> str:
        """The name of what would have to be installed to decode this type; "" if it is, or if nothing would help."""
        if mime in DEMUXERS:
            return "" if self.av or self.ffmpeg else "PyAV (or ffmpeg)"
        if not mime.startswith("image/"):
            return ""
        if not self.pillow:
            return "Pillow"
        return "pillow-heif" if mime in HEIF and not self.heif else ""

    def opens(self, mime: str) -> bool:
        """Whether one of them can be asked for this type."""
        return (mime in DEMUXERS or mime.startswith("image/")) and not self.lacking(mime)


def installed() -> Installed:
    """What is there now."""
    return Installed(_version("pillow"), _version("pillow-heif"), _version("av"), shutil.which("ffmpeg") or "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
