"""Small pictures of media, drawn in a process apart, with limits and nothing of the daemon's."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import anyio

from runflowd.core.media.image_type import SNIFF_BYTES, ImageType, sniff
from runflowd.decoder.asking import KEPT
from runflowd.decoder.installed import DEMUXERS, installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_ANSWER = 60.0
"""Seconds after which a child that should have ended by its own limits is killed."""

MAX_PREVIEW = 4 * 1024 * 1024
"""Bytes of one preview."""


@cache
def draws(mime: str) -> bool:
    """Whether previews of this type can be drawn by what this machine had at the first question."""
    has = installed()
    if mime in DEMUXERS:
        return bool(mime.startswith("video/") and has.pillow and has.opens(mime))
    return mime.startswith("image/") and has.opens(mime)


async def draw(files: Sequence[tuple[int, str]], sides: Sequence[int]) -> list[tuple[bytes, ...]]:
    """For each open file, given by descriptor and MIME type, a WebP of at most each of `sides` pixels; () for none.

    Cancelled, it ends the process.
    """
    asked = {"files": list(files), "sides": list(sides), "ffmpeg": installed().program}
    question = json.dumps(asked).encode() + b"\n"
    said = b""
    with anyio.move_on_after(MAX_ANSWER):
        async with await anyio.open_process(
            [sys.executable, "-P", "-m", "runflowd.decoder.preview_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[descriptor for descriptor, _ in files],
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            cwd="/",
            start_new_session=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(anyio.BrokenResourceError):  # it ended at once
                await process.stdin.send(question)
            await process.stdin.aclose()
            async for piece in process.stdout:
                said += piece
                if len(said) > len(files) * len(sides) * (MAX_PREVIEW + 4):
                    break
    found = list(_previews(said, len(sides)))
    return [*found, *[()] * (len(files) - len(found))][: len(files)]


def _previews(said: bytes, sides: int) -> Iterator[tuple[bytes, ...]]:
    """What the child has said of each file: the length of each preview and its bytes, all of length 0 for none.

    Whoever has taken the child over by a file can say anything: what is no WebP is none.
    """
    at = 0
    while at < len(said):
        parts = []
        for _ in range(sides):
            if len(said) < at + 4:
                return
            (length,) = struct.unpack_from("<I", said, at)
            part = said[at + 4 : at + 4 + length]
            if len(part) < length:
                return
            parts.append(part)
            at += 4 + length
        yield tuple(parts) if all(_is_preview(part) for part in parts) else ()


def _is_preview(part: bytes) -> bool:
    return len(part) <= MAX_PREVIEW and sniff(part[:SNIFF_BYTES]) is ImageType.WEBP
