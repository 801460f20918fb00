"""Large photos are decoded in a process of their own, which may use so much memory and time and no more.

A file of a few kilobytes can announce fifty megapixels. Where that is more than the machine gives, it is the child
that ends, and its run fails with a reason; the service goes on. Small photos cannot do such harm.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from runflowd.local.models.contract import ModelFailure
from runflowd.local.models.images import DAMAGE, FORMATS, Photo, decode, too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGE = 4_000_000
"""Pixels from which on a photo is decoded in a child."""

MAX_MEMORY = 700 * 1024 * 1024
"""Bytes that a child may allocate."""

MAX_CPU = 60
"""Seconds of computing that a child may take, which a machine that is busy stretches to any length."""

_LAST_TO_LIVE = 1000
"""Whom the kernel ends first when memory is short: this child, not the service (proc(5), oom_score_adj)."""


def read_photo(images: Mapping[str, bytes], name: str = "image_url") -> Photo:
    """The photo that came in as `name`. Raises ModelFailure: UNREADABLE_IMAGE, IMAGE_TOO_LARGE."""
    data = images.get(name)
    if not data:
        raise ModelFailure("UNREADABLE_IMAGE", f"The file given as {name} is empty.")
    return decode_apart(data, name) if _pixels(data) > LARGE else decode(io.BytesIO(data), name)


def _pixels(data: bytes) -> int:
    """Pixels that the header announces; 0 where it cannot be read, which is told by `decode`."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.width * opened.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, *DAMAGE):
        return 0


def decode_apart(data: bytes, name: str) -> Photo:
    """The photo, decoded in a child. Raises ModelFailure as `read_photo` does."""
    command = [sys.executable, "-P", "-m", "runflowd.local.models.decoding", name]
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)  # noqa: S603  our own module
    head, _, pixels = done.stdout.partition(b"\n")
    if done.returncode or not head:
        raise too_large("The photo")
    told = json.loads(head)
    if "code" in told:
        raise ModelFailure(told["code"], told["message"])
    size = (told["width"], told["height"])
    end = 3 * size[0] * size[1]
    alpha = Image.frombytes("L", size, pixels[end:]) if told["alpha"] else None
    return Photo(Image.frombytes("RGB", size, pixels[:end]), alpha, tuple(told["notes"]))


def main(name: str, source: BinaryIO, target: BinaryIO) -> None:
    """The child: a photo in, one line of JSON and its bytes out; or the code and the message of its failure."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU, MAX_CPU))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_LAST_TO_LIVE), "ascii")

    try:
        photo = decode(io.BytesIO(source.read()), name)
    except ModelFailure as failure:
        target.write(json.dumps({"code": failure.code, "message": failure.message}).encode() + b"\n")
        return
    width, height = photo.colours.size
    facts = {"width": width, "height": height, "alpha": photo.alpha is not None, "notes": photo.notes}
    target.write(json.dumps(facts).encode() + b"\n")
    target.write(photo.colours.tobytes())
    if photo.alpha is not None:
        target.write(photo.alpha.tobytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
