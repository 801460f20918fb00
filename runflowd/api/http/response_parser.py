"""An answer as it comes over the line: status, headers, body, and whether the connection outlives it.

llhttp reads it strictly: two lengths, a length beside a transfer coding, bare line feeds and folded headers are errors.
"""

from __future__ import annotations

import httptools
import httpx

MAX_HEAD = 64 * 1024
"""Bytes before the body; interim answers (1xx) count."""


class ResponseParser:
    """Reads one final answer. Each feed raises `httpx.RemoteProtocolError` for what is no answer."""

    def __init__(self) -> None:
        self._llhttp = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._head_size = 0
        self._until_end = False
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_headers = False
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request once this answer is complete."""

    def feed(self, data: bytes) -> None:
        """Take what came; b"" when the server closed its side."""
        if not data:
            self._end()
            return
        self._head_size += 0 if self.has_headers else len(data)
        try:
            self._llhttp.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise httpx.RemoteProtocolError(f"the answer is no proper HTTP: {error}") from error
            self.reusable = False
        if not self.has_headers and self._head_size > MAX_HEAD:
            raise httpx.RemoteProtocolError(f"the headers of the answer exceed {MAX_HEAD} bytes")
        if self.has_headers and self._is_coded():
            raise httpx.RemoteProtocolError("the answer has a transfer coding other than chunked")

    def take(self) -> bytes:
        """The bytes of the body that came since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _end(self) -> None:
        self.reusable = False
        if self.complete:
            return
        if not (self.has_headers and self._until_end):
            where = "in the middle of its answer" if self._head_size else "without an answer"
            raise httpx.RemoteProtocolError(f"the server hung up {where}")
        self.complete = True

    def _is_coded(self) -> bool:
        return any(name.lower() == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers)

    def _is_over(self) -> bool:
        """Whether what comes now is not this answer's: bytes that nobody asked for, and trailers."""
        self.reusable = self.reusable and not self.complete
        return self.complete

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if not self._is_over():  # an interim answer may have come before
            self.reason, self.headers = b"", []

    def on_status(self, reason: bytes) -> None:
        if not self._is_over():
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_over() and not self.has_headers:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._llhttp.get_status_code()
        if self._is_over() or status < 200:
            return
        self.status, self.has_headers = status, True
        self.reusable = self._llhttp.should_keep_alive()
        framed = {name.lower() for name, _ in self.headers} & {b"content-length", b"transfer-encoding"}
        self._until_end = not framed

    def on_body(self, piece: bytes) -> None:
        if not self._is_over():
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        if not self._is_over():
            self.complete = self.has_headers
