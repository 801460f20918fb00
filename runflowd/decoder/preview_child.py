"""The process in which previews are drawn: `python -P -m runflowd.decoder.preview_child`, started by `previewing`.

It reads one line of JSON: for each file its descriptor and MIME type, the sides, and the path of ffmpeg ("" where PyAV
is there). For each file it forks, so that
what one file does to its decoder is that file's matter, and writes for each side the length of the preview as four
bytes, the lowest first, and the preview; lengths of 0 where the file cannot be drawn.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from runflowd.decoder.limits import confine, confine_to

if TYPE_CHECKING:
    from collections.abc import Sequence

NICE = 10
"""How much this gives way to the daemon, and to whatever else the machine does."""


def main() -> None:
    """Draw what is asked for, one after the other."""
    asked = json.loads(sys.stdin.buffer.readline())
    os.nice(NICE)
    _prepare(any(mime.startswith("video/") for _, mime in asked["files"]) and not asked["ffmpeg"])
    confine()
    for descriptor, mime in asked["files"]:
        drawn = _drawn_apart(descriptor, mime, asked["sides"], asked["ffmpeg"])
        sys.stdout.buffer.write(drawn or bytes(4 * len(asked["sides"])))
        sys.stdout.buffer.flush()


def _prepare(video: bool) -> None:
    """Import what is needed, once, before the forks. What cannot be imported is missed where it is used."""
    with suppress(ImportError):
        from runflowd.decoder import preview  # noqa: F401, PLC0415
    with suppress(ImportError):
        from pillow_heif import register_heif_opener  # noqa: PLC0415

        register_heif_opener()
    if video:
        with suppress(ImportError):
            import av  # noqa: F401, PLC0415


def _drawn_apart(descriptor: int, mime: str, sides: Sequence[int], ffmpeg: str) -> bytes:
    """The previews of one file, each behind its length; empty where it cannot be drawn."""
    hearing, saying = os.pipe()
    process = os.fork()
    if not process:
        os.dup2(saying, 1)
        _draw(descriptor, mime, sides, ffmpeg)
    os.close(saying)
    said = b""
    while piece := os.read(hearing, 65536):
        said += piece
    os.close(hearing)
    return said if os.waitpid(process, 0)[1] == 0 else b""


def _draw(descriptor: int, mime: str, sides: Sequence[int], ffmpeg: str) -> NoReturn:
    """Draw one file in this process, which ends with it."""
    try:
        confine_to(descriptor)
        from runflowd.decoder.preview import previews  # noqa: PLC0415

        for each in previews(descriptor, mime, sides, ffmpeg):
            sys.stdout.buffer.write(struct.pack("<I", len(each)) + each)
        sys.stdout.buffer.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001  whatever it is, this file has no preview, and the parent's code is not for it
        os._exit(1)


if __name__ == "__main__":
    main()
