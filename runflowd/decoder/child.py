"""The process in which media are decoded: `python -P -m runflowd.decoder.child`, started by `asking`.

It reads one line of JSON: the path of ffmpeg ("" where PyAV is there), and for each file its descriptor and its MIME
type. For each it forks, so that what one file does to its decoder is that file's matter, and writes one line of JSON:
what the decoder said, "" if it decoded all. After `MAX_BATCH` seconds it begins no further one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from runflowd.decoder.installed import DEMUXERS
from runflowd.decoder.limits import MAX_CPU, MAX_SECONDS, confine, confine_to

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_BATCH = 20.0
"""Seconds after which no further file is begun."""

_SPEAKER = re.compile(r"^\[[^]]{0,100}] ")
"""Which part of ffmpeg speaks, and where it lies in memory."""

MAX_WORDS = 2_000
"""Bytes kept of what a decoder says."""

_BY_SIGNAL = {
    signal.SIGALRM: f"decoding took more than {MAX_SECONDS} s",
    signal.SIGXCPU: f"decoding took more than {MAX_CPU} s of computing",
    signal.SIGKILL: f"its decoder was killed: {MAX_CPU} s of computing, or the memory, did not suffice",
}


def main() -> None:
    """Decode what is asked for, one after the other."""
    asked = json.loads(sys.stdin.buffer.readline())
    _prepare({mime for _, mime in asked["files"]}, asked["ffmpeg"])
    confine()
    began = time.monotonic()
    for descriptor, mime in asked["files"]:
        if time.monotonic() - began > MAX_BATCH:
            break
        print(json.dumps(_decoded_apart(descriptor, mime, asked["ffmpeg"])), flush=True)  # noqa: T201  the answer


def _prepare(mimes: Collection[str], ffmpeg: str) -> None:
    """Import what these files need, once, before the forks. What cannot be imported is said where it is used."""
    if not ffmpeg and any(mime in DEMUXERS for mime in mimes):
        with suppress(ImportError):
            import_module("av")
    if not any(mime.startswith("image/") for mime in mimes):
        return
    with suppress(ImportError):
        from PIL import Image  # noqa: PLC0415

        Image.preinit()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener  # noqa: PLC0415

        register_heif_opener()


def _decoded_apart(descriptor: int, mime: str, ffmpeg: str) -> str:
    """What the decoder of one file said, "" if it decoded all of it."""
    hearing, saying = os.pipe()
    process = os.fork()
    if not process:
        os.dup2(saying, 1)
        os.dup2(saying, 2)
        _decode(descriptor, mime, ffmpeg)
    os.close(saying)
    words = b""
    while piece := os.read(hearing, 4096):
        words = (words + piece)[:MAX_WORDS]
    os.close(hearing)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status < 0:
        return _BY_SIGNAL.get(signal.Signals(-status), f"its decoder was ended by {signal.Signals(-status).name}")
    text = words.decode("utf-8", "backslashreplace").strip()
    if text:
        return _SPEAKER.sub("", text.splitlines()[0])
    return "" if status == 0 else f"its decoder ended with exit code {status}"


def _decode(descriptor: int, mime: str, ffmpeg: str) -> NoReturn:
    """Decode one file in this process, which ends with it."""
    try:
        confine_to(descriptor)
        if mime in DEMUXERS and ffmpeg:
            os.execve(ffmpeg, _command(ffmpeg, descriptor, mime), {})  # noqa: S606  no shell
        sys.stdout.write(_trouble(descriptor, mime))
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  it must not go on in the parent's code
        os.write(1, f"decoding failed: {type(error).__name__}: {error}".encode("utf-8", "backslashreplace"))
    os._exit(0)


def _trouble(descriptor: int, mime: str) -> str:
    """What is wrong with a file, "" if all of it was decoded. Each module needs a library that may not be there."""
    if mime in DEMUXERS:
        from runflowd.decoder import recording  # noqa: PLC0415

        return recording.trouble_of(descriptor, mime)
    from runflowd.decoder import image  # noqa: PLC0415

    return image.trouble_of(descriptor, mime)


def _command(ffmpeg: str, descriptor: int, mime: str) -> list[str]:
    """Read every packet from beginning to end, and nothing but this file; whatever is odd is said, and ends it."""
    return [
        *(ffmpeg, "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-protocol_whitelist", "file"),
        *("-f", DEMUXERS[mime], "-i", f"/proc/self/fd/{descriptor}", "-map", "0:v?", "-map", "0:a?"),
        *("-c", "copy", "-f", "null", "-"),
    ]


if __name__ == "__main__":
    main()
