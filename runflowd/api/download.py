"""What a download gives, and the one kind that needs no request: an inline result (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from runflowd.api.errors import Place, Unsafe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Download:
    """A download under way. `length` is the promised size of what comes in bytes, None when the server named none.

    `mime_type` is what the server claims, empty when it claims nothing. Iterate `chunks` once; it
    raises `Transient` when the body is cut short and `Unsafe` when it outgrows the limit. `start` is the byte
    that comes first. `validator` names this very content, for going on after a cut; empty where nothing does.
    """

    length: int | None
    mime_type: str
    chunks: AsyncIterator[bytes] = field(repr=False)
    start: int = 0
    validator: str = ""


def inline_download(url: str, limit: int) -> Download:
    """Decode a `data:` URI (RFC 2397), as models with `sync_mode` return it."""
    place = Place("read the inline result", "the service's answer")
    head = _DATA.match(url[:1000])
    if head is None:
        raise Unsafe(place, code="ADDRESS", message="it is no data URI")
    if (len(url) - head.end()) * (3 if head[3] else 1) > limit * 4 + 1024:
        raise Unsafe(place, code="TOO_LARGE", message=f"more than {limit} bytes")
    try:
        data = unquote_to_bytes(url[head.end() :])
        plain = base64.b64decode(data, validate=True) if head[3] else data
    except (binascii.Error, ValueError):
        raise Unsafe(place, code="ADDRESS", message="its base64 is damaged") from None
    if len(plain) > limit:
        raise Unsafe(place, code="TOO_LARGE", message=f"more than {limit} bytes")
    return Download(len(plain), (head[1] or "text/plain").lower(), _once(plain))


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data
