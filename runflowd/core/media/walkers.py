"""The walker through each medium that is no image, by its MIME type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.media.document_walk import glb_end, matroska_end, pdf_end, zip_end
from runflowd.core.media.movie_walk import movie_end
from runflowd.core.media.sound_walk import frames_end, mp3_end, ogg_end, riff_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.core.media.image_bytes import End, Source

WALKERS: dict[str, Callable[[Source], End]] = {
    **dict.fromkeys(("video/mp4", "video/quicktime", "audio/mp4"), movie_end),
    **dict.fromkeys(("video/webm", "video/x-matroska"), matroska_end),
    **dict.fromkeys(("audio/wav", "video/x-msvideo"), riff_end),
    "audio/mpeg": mp3_end,
    **dict.fromkeys(("audio/ogg", "audio/opus"), ogg_end),
    **dict.fromkeys(("audio/flac", "audio/aac"), frames_end),
    "application/pdf": pdf_end,
    "model/gltf-binary": glb_end,
    **dict.fromkeys(("application/zip", "model/vnd.usdz+zip"), zip_end),
}
