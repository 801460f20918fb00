"""What a callback says, once its signature is found good: which batch or run to look at, and nothing else.

The signature is 64 lowercase hex digits of HMAC-SHA256 over the raw body, under the whole secret with its
`whsec_` (concepts/callbacks, guides/verify-callback-signatures). It carries no timestamp, so any callback
can be replayed for ever; that is harmless, because a callback wakes and never decides.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "/callbacks/runflow"
"""Where the web listener takes callbacks."""

SIGNATURE_HEADER = "runflow-signature"

_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Hint:
    """The ids a callback names, as the service writes them; "" for the one it does not name."""

    batch: str = ""
    run: str = ""


def address(public_url: str) -> str:
    """The URL to give to the service, from the public address of the web listener."""
    base = public_url.rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def well_formed(signature: str) -> bool:
    """Whether this can be a signature at all."""
    return _SIGNATURE.fullmatch(signature) is not None


class Verification:
    """Whether one of the secrets signed a body, found out while that comes."""

    def __init__(self, signature: str, secrets: Iterable[str]) -> None:
        self._signature = signature
        self._codes = [hmac.new(secret.encode(), digestmod="sha256") for secret in secrets]

    def update(self, piece: bytes) -> None:
        """Take the next bytes of the body."""
        for code in self._codes:
            code.update(piece)

    def holds(self) -> bool:
        """Whether the body so far is what was signed; takes the same time whichever secret it is, or none."""
        found = [hmac.compare_digest(code.hexdigest(), self._signature) for code in self._codes]
        return any(found)


def read_hint(body: bytes) -> Hint | None:
    """The ids in a callback's body; None when it holds none that could be one."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    hint = Hint(_identifier(payload.get("batch_id")), _identifier(payload.get("run_id")))
    return hint if hint.batch or hint.run else None


def _identifier(value: Any) -> str:
    """An opaque id: short text that prints. A lone surrogate, which no database takes, does not."""
    usable = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()
    return value if usable else ""
