"""Ids, timestamps and amounts as the API writes them."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from decimal import Decimal

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, as ULIDs use it."""

MICROS = 1_000_000
"""Amounts are kept as whole millionths of a US dollar."""


def new_id(now: float) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits."""
    value = (int(now * 1000) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def as_ulid(identity: str) -> str:
    """The same 128 bits in the 26 letters of a ULID."""
    value = uuid.UUID(identity).int
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def parse_id(text: str) -> str | None:
    """The UUID in any spelling this service ever hands out, None for anything else."""
    letters = text.rpartition("_")[2]
    try:
        if len(letters) == 36:
            return str(uuid.UUID(letters))
        if len(letters) == 26:
            return str(uuid.UUID(int=_from_base32(letters.upper())))
    except ValueError:
        pass
    return None


def _from_base32(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value << 5 | ALPHABET.index(letter)
    return value


def timestamp(moment: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 with `+00:00`, never `Z` (concepts/callbacks); None stays None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def to_micros(amount: Decimal) -> int:
    """US dollars as whole millionths."""
    return int(amount * MICROS)


def dollars(micros: int) -> str:
    """Millionths of a dollar as the decimal string of the API: `0.35`, `0`."""
    text = format(Decimal(micros).scaleb(-6), "f").rstrip("0").rstrip(".")
    return text if text not in {"", "-"} else "0"
