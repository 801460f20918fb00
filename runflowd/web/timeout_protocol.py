"""HTTP/1.1 with timeouts: for clients that ask for nothing, and for answers that nobody reads."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_TIMEOUT = 5.0
"""Seconds in which a new connection has to agree on its encryption, and then to send the head of a request; until then
it takes a place from others."""

READ_TIMEOUT = 30.0
"""Seconds in which a client has to take in what is on its way to it."""

CHECK_INTERVAL = 5.0
"""Seconds between two looks at what is still on its way to a client."""


class TimeoutProtocol(H11Protocol):
    """One connection, from the moment when it is taken."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A TLS handshake happens within this task of asyncio, which by itself waits a minute for it.
        self._handshake = asyncio.current_task()
        self._deadline: Any = None
        self._look: Any = None
        self._unread = 0.0
        self._expect_headers()

    def connection_made(self, transport: Any) -> None:
        """A client connected."""
        super().connection_made(transport)
        self._handshake = None
        self._expect_headers()
        self._look = self.loop.call_later(CHECK_INTERVAL, self._look_for_readers)

    def data_received(self, data: bytes) -> None:
        """Bytes came: headers are complete when a request is in hand."""
        if self._deadline is None and not self._in_hand():
            self._expect_headers()
        if not self._in_hand():
            self._date_answer()
        super().data_received(data)
        if self._deadline is not None and self._in_hand():
            self._deadline.cancel()
            self._deadline = None

    @property
    def busy_number(self) -> int:
        """The file number of the connection while a request is being answered on it, -1 while none is."""
        number: int = self.transport.get_extra_info("socket").fileno() if self._in_hand() else -1
        return number

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        for timer in (self._deadline, self._look):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _look_for_readers(self) -> None:
        # A closed connection lives until its last byte is read, however long that takes, so it is looked at, too.
        self._unread = self._unread + CHECK_INTERVAL if self.transport.get_write_buffer_size() else 0.0
        if self._unread >= READ_TIMEOUT:
            self.transport.abort()
            return
        self._look = self.loop.call_later(CHECK_INTERVAL, self._look_for_readers)

    def _date_answer(self) -> None:
        date = formatdate(usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date), *self.config.encoded_headers]

    def _in_hand(self) -> bool:
        # It is None before the first request, whatever its annotation says.
        return bool(self.cycle) and not self.cycle.response_complete

    def _expect_headers(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(HEADERS_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self._handshake is not None:
            self._handshake.cancel()
        elif not self._in_hand():
            self.transport.close()
