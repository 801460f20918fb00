"""Signed URLs: whoever holds one may read or write that one asset until it expires."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from runflowd.local.identity import parse_id

if TYPE_CHECKING:
    from collections.abc import Callable

STORAGE = "/storage/"


class Signer:
    """Makes and checks signed paths. `key` is the secret, `clock` gives seconds since 1970."""

    def __init__(self, key: str, clock: Callable[[], float]) -> None:
        self._key = key.encode()
        self._clock = clock

    def path(self, method: str, asset_id: str, name: str, lifetime: float) -> str:
        """A path with query that allows `method` on the asset for `lifetime` seconds."""
        expires = int(self._clock() + lifetime)
        signature = self._signature(method, asset_id, expires)
        return f"{STORAGE}{asset_id}/{quote(name, safe='')}?expires={expires}&signature={signature}"

    def allows(self, method: str, asset_id: str, query: str) -> bool:
        """Whether the query string is a valid and unexpired permission for this method and asset."""
        expires = self._expiry(method, asset_id, query)
        return expires is not None and self._clock() < expires

    def _expiry(self, method: str, asset_id: str, query: str) -> int | None:
        """Until when a permission of ours holds or held, None when it never was one."""
        fields = parse_qs(query)
        expires, signature = fields.get("expires", [""])[0], fields.get("signature", [""])[0]
        if not (expires.isascii() and expires.isdigit() and len(expires) < 15 and signature.isascii()):
            return None
        good = hmac.compare_digest(signature, self._signature(method, asset_id, int(expires)))
        return int(expires) if good else None

    def asset_in(self, url: str) -> tuple[str, int] | None:
        """The asset a URL of ours points at and until when (epoch seconds), None when it is not ours.

        Host and port are not looked at: the signature proves the origin, and a port may change.
        """
        parts = urlsplit(url)
        asset_id = parse_id(parts.path.removeprefix(STORAGE).partition("/")[0])
        if not parts.path.startswith(STORAGE) or asset_id is None:
            return None
        expires = self._expiry("GET", asset_id, parts.query)
        return (asset_id, expires) if expires is not None else None

    def _signature(self, method: str, asset_id: str, expires: int) -> str:
        message = f"{method}\n{asset_id}\n{expires}".encode()
        return hmac.digest(self._key, message, "sha256").hex()
