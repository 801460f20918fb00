"""Previews on disk, by the hash of the content that they show; the oldest go when there are too many bytes of them.

A cache: what is lost is drawn again, so nothing is synced. Everything here blocks.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIDES = (320, 1600)
"""The longer side of each preview, in pixels: in a list, and alone."""

KEPT_AFTER = 0.9
"""The part of what may be kept that is left when the oldest have gone, so that this is seldom."""


class PreviewStore:
    """The previews below a folder. Raises OSError where that cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes: int | None = None

    def __repr__(self) -> str:
        return f"<PreviewStore {self._folder}>"

    def has(self, content: str) -> bool:
        """Whether the previews of a content are there."""
        return os.access(self._place(content, SIDES[-1]), os.R_OK)

    def read(self, content: str, side: int) -> bytes | None:
        """One preview; None where it is not there."""
        with suppress(OSError):
            return self._place(content, side).read_bytes()
        return None

    def put(self, content: str, previews: Mapping[int, bytes], most: int) -> None:
        """Keep the previews of a content, and at most so many bytes of all."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for side, data in previews.items():
            place = self._place(content, side)
            draft = place.with_suffix(f".{os.getpid()}.new")
            draft.write_bytes(data)
            draft.replace(place)
        if self._bytes is None:
            self._bytes = sum(size for _, size, _ in self._all())
        else:
            self._bytes += sum(map(len, previews.values()))
        if self._bytes > most:
            self._bytes = self._drop_oldest(int(most * KEPT_AFTER))

    def _drop_oldest(self, most: int) -> int:
        """Remove the oldest until no more than so many bytes are left; give how many are."""
        found = sorted(self._all())
        left = sum(size for _, size, _ in found)
        for _, size, path in found:
            if left <= most:
                break
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108  text
            left -= size
        return left

    def _all(self) -> list[tuple[float, int, str]]:
        """Time of writing, size and path of everything in the folder, also of what a crash left half written."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    found.append((facts.st_mtime, facts.st_size, entry.path))
        return found

    def _place(self, content: str, side: int) -> Path:
        return self._folder / f"{content}-{side}.webp"
