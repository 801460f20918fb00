"""Reads of an upload with a deadline: a disk that stops answering must not keep the network from other rules' files."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.pipeline.io_guard import FolderIo

T = TypeVar("T")

READ_TIMEOUT = 5.0
"""Seconds that a disk has for its next piece, the first time; twice as many after each time that it was late."""


class Stalled(Exception):
    """The disk did not answer in time: the upload is begun anew when it does."""


class DeadlineReader:
    """The reads of one try of an upload."""

    def __init__(self, folder: FolderIo, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    async def read(self, call: Callable[..., T], *given: object) -> T:
        """Run a blocking call to the folder. Raises `Stalled`."""
        with anyio.move_on_after(self._seconds):
            return await self._folder.read(call, *given)
        raise Stalled
