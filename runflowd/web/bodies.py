"""Reading what a stranger sends: at most so many bytes, in at most so many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from starlette.requests import Request


class BodyRefused(Exception):
    """The body is not taken; `status` is the answer and `why` the reason, for the log."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(why)


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The whole body; raise `BodyRefused` when it is larger than `most` bytes or takes longer than `seconds`.

    An announced size is believed at once, so that nothing of a huge body is read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > most:
        raise BodyRefused(413, "its body is too large")
    body = bytearray()
    with anyio.move_on_after(seconds) as scope:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise BodyRefused(413, "its body is too large")
    if scope.cancelled_caught:
        raise BodyRefused(408, "its body came too slowly")
    return bytes(body)
