"""The body of an upload: the caller's bytes as the line takes them, exactly as many as were announced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from runflowd.api.errors import Place, Scope, Transient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from runflowd.api.transport import Transport


class UploadBody(httpx.AsyncByteStream):
    """A request body of exactly `size` bytes, read from the caller's iterator as the line takes it."""

    def __init__(self, chunks: Callable[[], AsyncIterator[bytes]], size: int, wire: Transport) -> None:
        self._make = chunks
        self._source: AsyncIterator[bytes] | None = None
        self._missing = size
        self._wire = wire
        self.error: Exception | None = None
        """What the caller's iterator raised: theirs, to be passed on unmapped."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self._source = self._source or self._make()
        try:
            chunk = await anext(self._source, None)
        except Exception as error:
            self.error = error
            raise
        self._missing -= len(chunk or b"")
        if self._missing < 0 or (chunk is None and self._missing):
            self.error = _changed()
            raise self.error
        if chunk is None:
            raise StopAsyncIteration
        self._wire.counters.sent(len(chunk))
        return chunk

    async def aclose(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()


def _changed() -> Transient:
    place = Place("upload the file", "this machine")
    return Transient(place, code="CHANGED", message="the file changed size while it was read", scope=Scope.ITEM)
