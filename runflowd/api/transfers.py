"""Bytes in bulk: presigned uploads, and downloads from wherever a result lies.

Neither carries the API key: the permission is in the URL, which for the same reason appears in no error.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx

from runflowd.api.addresses import Refused
from runflowd.api.download import Download, inline_download
from runflowd.api.errors import Place, Scope, Transient, Unsafe
from runflowd.api.redaction import redact
from runflowd.api.refusals import storage_refusal
from runflowd.api.scalars import count
from runflowd.api.session import USER_AGENT, request_id
from runflowd.api.storage_transport import StorageTransport
from runflowd.api.transport import FOREIGN, Request, TooLarge, Transport, close
from runflowd.api.upload_body import UploadBody

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from runflowd.api.addresses import AddressPolicy
    from runflowd.api.connections import Connections
    from runflowd.api.gates import Gates
    from runflowd.api.settings import Limits
    from runflowd.api.values import Upload

BEHIND = 10.0
"""Seconds by which others may overtake the start of an upload: what is bought already comes first."""

_ERROR_BODY = 64 * 1024
_RANGE = re.compile(r"bytes (\d{1,18})-")
_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


class Transfers:
    """Moves bytes to and from object storage, within the borders."""

    def __init__(
        self, wire: Transport, limits: Limits, routes: Connections, borders: AddressPolicy, gates: Gates | None
    ) -> None:
        self._wire = wire
        self._limits = limits
        self._storage = StorageTransport(routes, borders)
        self._borders = borders
        self._gates = gates

    async def put(self, upload: Upload, mime_type: str, size: int, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        """Send `size` bytes to the upload's address; see `Runflow.put`."""
        target = self._target("upload the file", upload.upload_url, Scope.SERVICE)
        send = partial(self._put_once, target, mime_type, size, chunks)
        if self._gates is None:
            failure = await send()
        else:
            failure = await self._gates.storage(target.netloc.decode("ascii")).run(send, behind=BEHIND)
        if failure is not None:
            raise failure

    async def _put_once(
        self, target: httpx.URL, mime_type: str, size: int, chunks: Callable[[], AsyncIterator[bytes]]
    ) -> Exception | None:
        """Send the bytes; give the trouble that the caller's own iterator made, which is not the storage's."""
        place = Place("upload the file", target.host)
        body = UploadBody(chunks, size, self._wire)
        headers = [
            ("Host", target.netloc.decode("ascii")),
            ("User-Agent", USER_AGENT),
            ("Accept-Encoding", "identity"),
            ("Content-Type", mime_type),
            ("Content-Length", str(size)),
        ]
        request = httpx.Request("PUT", target, headers=headers, stream=body, extensions=self._wire.extensions())
        with self._wire.exchange(place, "PUT upload", seconds=self._timeout(size), scope=Scope.SERVICE) as running:
            try:
                answer = await self._wire.answer(running, self._storage, request, _ERROR_BODY)
            except Exception:
                if body.error is not None:
                    return body.error
                raise
            finally:
                await body.aclose()
        if not answer.response.is_success:
            place = Place("upload the file", target.host, request_id(answer.response))
            raise storage_refusal(place, answer.response, answer.body, scope=Scope.SERVICE)
        return None

    @asynccontextmanager
    async def download(self, url: str, limit: int, start: int = 0, validator: str = "") -> AsyncGenerator[Download]:
        """Open `url` for reading at most `limit` bytes in all; see `Runflow.download`."""
        if url[:5].lower() == "data:":
            yield inline_download(url, limit)
            return
        target = self._target("download the result", url, Scope.ITEM)
        send = partial(self._entered, target, limit, start, validator)
        async with AsyncExitStack() as stack:
            if self._gates is None:
                exchange, found = await send()
            else:
                (exchange, found), turn = await self._gates.storage(target.netloc.decode("ascii")).open(send)
                stack.callback(turn.end)
            stack.push_async_exit(exchange)
            yield found

    async def _entered(
        self, target: httpx.URL, limit: int, start: int, validator: str
    ) -> tuple[AbstractAsyncContextManager[Download], Download]:
        """A download whose headers have come; whoever asked for it leaves its context."""
        exchange = self._exchange(target, limit, start, validator)
        return exchange, await exchange.__aenter__()

    @asynccontextmanager
    async def _exchange(self, target: httpx.URL, limit: int, start: int, validator: str) -> AsyncGenerator[Download]:
        place = Place("download the result", target.host)
        headers = [
            ("Host", target.netloc.decode("ascii")),
            ("User-Agent", USER_AGENT),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        if start and validator:  # the rest, if it is still the rest of the same (RFC 9110 sections 13.1.5 and 14.2)
            headers += [("Range", f"bytes={start}-"), ("If-Range", validator)]
        nothing = httpx.ByteStream(b"")
        request = httpx.Request("GET", target, headers=headers, stream=nothing, extensions=self._wire.extensions())
        with self._wire.exchange(place, "GET download", seconds=self._limits.transfer, scope=Scope.ITEM) as running:
            response = await self._wire.open(running, self._storage, request)
            try:
                begins = _start(response)
                length = await self._vetted(running, response, limit - begins, partly=start > 0)
                if begins not in (0, start):
                    message = f"bytes from {start} on were asked for, and those from {begins} on came"
                    raise Transient(running.place, code="RANGE", message=message, scope=Scope.ITEM)
                running.deadline.deadline = anyio.current_time() + self._timeout(length or limit)
                async with aclosing(self._chunks(running, response, limit - begins)) as chunks:
                    yield Download(length, _mime_type(response), chunks, begins, _validator(response))
            finally:
                await close(response)

    async def _vetted(self, running: Request, response: httpx.Response, limit: int, *, partly: bool) -> int | None:
        """Return the promised length. Raises `ApiError` unless the answer is a file of fair size."""
        if response.status_code != 200 and not (partly and response.status_code == 206):
            place = Place(running.place.action, running.place.host, request_id(response))
            body = await self._error_body(running, response)
            raise storage_refusal(place, response, body, scope=Scope.ITEM)
        length = count(response.headers.get("content-length"))
        if length is not None and length > limit:
            raise running.refused(f"{length} bytes exceed the limit of {limit}", code="TOO_LARGE")
        coded = response.headers.get("content-encoding", "identity") != "identity"
        return None if coded else length

    async def _error_body(self, running: Request, response: httpx.Response) -> bytes:
        try:
            return await self._wire.read(response, _ERROR_BODY)
        except TooLarge:
            return b""
        except FOREIGN as error:
            raise running.unheard(error) from error

    async def _chunks(self, running: Request, response: httpx.Response, limit: int) -> AsyncGenerator[bytes]:
        async with aclosing(self._wire.chunks(response, limit)) as chunks:
            source = aiter(chunks)
            while True:
                # Only the network's failures are mapped here, never those of whoever takes the bytes.
                try:
                    chunk = await anext(source)
                except StopAsyncIteration:
                    return
                except TooLarge:
                    raise running.refused(f"more than {limit} bytes", code="TOO_LARGE") from None
                except FOREIGN as error:
                    raise running.unheard(error) from error
                yield chunk

    def _target(self, action: str, url: str, scope: Scope) -> httpx.URL:
        try:
            return self._borders.check(url)
        except Refused as reason:
            place = Place(action, "the address the service named")
            raise Unsafe(place, code="ADDRESS", message=f"refused: {reason}", scope=scope) from None

    def _timeout(self, size: int) -> float:
        return self._limits.transfer + size / self._limits.least_rate


def _mime_type(response: httpx.Response) -> str:
    content_type = response.headers.get("content-type", "")
    return redact(content_type.partition(";")[0].strip().lower(), 100)


def _start(response: httpx.Response) -> int:
    """The place of the first byte in what is downloaded: that of a partial answer, else 0."""
    found = _RANGE.match(response.headers.get("content-range", "")) if response.status_code == 206 else None
    return int(found[1]) if found else 0


def _validator(response: httpx.Response) -> str:
    """What names this content for `If-Range`: a strong entity tag (RFC 9110 section 8.8.3)."""
    tag = response.headers.get("etag", "")
    return tag if _TAG.fullmatch(tag) else ""
