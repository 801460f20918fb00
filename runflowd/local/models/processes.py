"""What a model does when it runs: work that is imported only then, or a file that is passed through."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from runflowd.local.models.contract import EncodedFile, Json, ModelFailure, Process, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_SIGNATURES = (
    (0, b"\xff\xd8\xff", "jpg", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png", "image/png"),
    (0, b"GIF8", "gif", "image/gif"),
    (8, b"WEBP", "webp", "image/webp"),
    (8, b"WAVE", "wav", "audio/wav"),
    (4, b"ftypqt  ", "mov", "video/quicktime"),
    (4, b"ftypM4A ", "m4a", "audio/mp4"),
    (4, b"ftyphei", "heic", "image/heic"),
    (4, b"ftypmif1", "heic", "image/heic"),
    (4, b"ftypavi", "avif", "image/avif"),
    (4, b"ftyp", "mp4", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "webm", "video/webm"),
    (0, b"ID3", "mp3", "audio/mpeg"),
    (0, b"\xff\xfb", "mp3", "audio/mpeg"),
    (0, b"fLaC", "flac", "audio/flac"),
    (0, b"OggS", "ogg", "audio/ogg"),
    (0, b"%PDF-", "pdf", "application/pdf"),
    (0, b"glTF", "glb", "model/gltf-binary"),
)
"""Where the bytes that tell a type stand, what they are, extension and MIME type. The first that fits counts."""


_PACKAGES = {"PIL": "pillow", "hibari": "hibari-tts"}
"""Name that is imported -> name that is installed, where they differ."""


def install_names(needed: Sequence[str]) -> list[str]:
    """The packages behind these imports, as they are called where they are installed from."""
    return [_PACKAGES.get(name, name) for name in needed]


def extras_with(needed: Sequence[str]) -> str:
    """The extras that bring these: video has one of its own, since it weighs more than all the others."""
    return "local,video" if "av" in needed else "local"


def pass_through(values: Mapping[str, Json], images: Mapping[str, bytes]) -> Result:  # noqa: ARG001 - a Process
    """The file's bytes as they came; the type is told by the first bytes, nothing is decoded."""
    data = images["image_url"]
    suffix, mime = next(
        ((suffix, mime) for at, magic, suffix, mime in _SIGNATURES if data.startswith(magic, at)),
        ("bin", "application/octet-stream"),
    )
    return Result((EncodedFile(f"result_0.{suffix}", mime, data, 0, 0),))


def late(module: str, function: str, weights: Path | None) -> Process:
    """A process whose module, and the libraries that it needs, are imported when it first runs."""

    def process(values: Mapping[str, Json], images: Mapping[str, bytes]) -> Result:
        try:
            found = import_module(f"runflowd.local.models.{module}")
        except ModuleNotFoundError as error:
            named = install_names([error.name or module])
            raise ModelFailure(
                "DEPENDENCY_MISSING",
                f"This local model needs the Python package {', '.join(named)}, which is not installed. "
                f"Install it with: pip install 'runflowd[{extras_with([error.name or module])}]'",
            ) from error
        result: Result = getattr(found, function)(values, images, weights)
        return result

    return process
