"""Reading what a stranger sends: at most so many bytes, in at most so many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


class BodyRefused(Exception):
    """The body is not taken; `status` is the answer and `why` the reason, for the log."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(why)


async def read_body(
    request: Request, *, most: int, seconds: float, each: Callable[[bytes], None] = lambda _: None
) -> bytes:
    """The whole body, given to `each` piece by piece as it comes.

    An announced size is believed at once, so that nothing of a huge body is read. Raises `BodyRefused` when it is
    larger than `most` bytes, takes longer than `seconds`, or ends before its end.
    """
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > most:
        raise BodyRefused(413, "its body is too large")
    body = bytearray()
    try:
        with anyio.move_on_after(seconds) as scope:
            async for chunk in request.stream():
                each(chunk)
                body += chunk
                if len(body) > most:
                    raise BodyRefused(413, "its body is too large")
    except ClientDisconnect:
        raise BodyRefused(400, "its body ends before its end") from None
    if scope.cancelled_caught:
        raise BodyRefused(408, "its body came too slowly")
    return bytes(body)
