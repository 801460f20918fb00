"""Images to work on: whole, valid, each with a content of its own, of any size, made in microseconds."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TINY = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqm"
    "x5moq6T/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVf/Z"
)
"""A grey JPEG of 8 by 8 pixels."""

_LONGEST = 65_533
"""Bytes of payload in one JPEG segment (ITU T.81, B.1.1.4: the length counts its own two bytes)."""

SMALLEST = len(_TINY) + 20


def picture(size: int) -> bytes:
    """A JPEG of exactly `size` bytes (at least `SMALLEST`): a tiny one with comments of random bytes."""
    left = size - len(_TINY)
    segments: list[bytes] = []
    while left:
        # No remainder may be too short for a segment of its own.
        payload = min(left - 4, _LONGEST) if left <= _LONGEST + 4 or left >= _LONGEST + 24 else left - 24
        segments.append(b"\xff\xfe" + (payload + 2).to_bytes(2, "big") + os.urandom(payload))
        left -= payload + 4
    return _TINY[:2] + b"".join(segments) + _TINY[2:]


def fill(root: Path, files: int, size: int, per_folder: int = 100) -> None:
    """Write `files` distinct images below `root`, `per_folder` to a folder."""
    for number in range(files):
        folder = root / f"shoot-{number // per_folder:04}"
        if number % per_folder == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"photo-{number:06}.jpg").write_bytes(picture(size))


def count_files(root: Path) -> int:
    """Finished files below `root`, two levels deep: drafts are hidden and do not count."""
    if not root.exists():
        return 0
    folders = [root, *(entry for entry in root.iterdir() if entry.is_dir())]
    return sum(
        not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
        for folder in folders
        for entry in os.scandir(folder)
    )
