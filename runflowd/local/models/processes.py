"""What a model does when it runs: work that is imported only then, or a file that is passed through."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from runflowd.local.models.contract import EncodedImage, Json, ModelFailure, Process, Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_SIGNATURES = {
    b"\xff\xd8\xff": ("jpg", "image/jpeg"),
    b"\x89PNG\r\n\x1a\n": ("png", "image/png"),
    b"GIF8": ("gif", "image/gif"),
    b"RIFF": ("webp", "image/webp"),
}


def pass_through(values: Mapping[str, Json], images: Mapping[str, bytes]) -> Result:  # noqa: ARG001 - a Process
    """The image's bytes as they came; the type is told by the first bytes, nothing is decoded."""
    data = images["image_url"]
    suffix, mime = next(
        (kind for start, kind in _SIGNATURES.items() if data.startswith(start)),
        ("bin", "application/octet-stream"),
    )
    return Result((EncodedImage(f"result_0.{suffix}", mime, data, 0, 0),))


def late(module: str, function: str, weights: Path | None) -> Process:
    """A process whose module, and the libraries that it needs, are imported when it first runs."""

    def process(values: Mapping[str, Json], images: Mapping[str, bytes]) -> Result:
        try:
            found = import_module(f"runflowd.local.models.{module}")
        except ModuleNotFoundError as error:
            raise ModelFailure(
                "DEPENDENCY_MISSING",
                f"The local models need the Python package {error.name}, which is not installed. "
                "Install them with: pip install 'runflowd[local]'",
            ) from error
        result: Result = getattr(found, function)(values, images, weights)
        return result

    return process
