"""Decodes JSON from a stranger, and reads single fields of it without ever trusting them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.core.model import Json

_ID = re.compile(r"[\x21-\x7e]{1,255}")
_CURRENCY = re.compile(r"[A-Z]{2,12}")
_MOST_MONEY = Decimal(10) ** 9
_FINEST_MONEY = Decimal("1e-12")
_MOST_COUNT = 2**53
_DEEPEST = 32
"""Levels of nesting an output may have; real ones have three."""


class Unreadable(Exception):
    """An answer that is no JSON, or lacks the one thing it was asked for."""


# NaN and Infinity are no JSON; Python would let them through as floats that compare with nothing.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


def decode(body: bytes) -> Json:
    """Return the JSON in `body`. Raises `Unreadable` for anything else, however it is malformed."""
    try:
        value = _DECODER.decode(body.decode("utf-8-sig"))
        # An escape can smuggle in half a surrogate pair, which no database or socket would take later.
        if b"\\ud" in body or b"\\uD" in body:
            whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            value = _DECODER.decode(whole.decode("utf-8"))
    except RecursionError:
        raise Unreadable("the answer is nested too deeply") from None
    except ValueError:
        page = body.lstrip()[:1] == b"<"
        what = "an HTML page (a login page or a proxy?)" if page else "no JSON"
        raise Unreadable(f"the answer is {what}") from None
    return value


def first(record: Json, *names: str) -> Json:
    """Return the first of the named fields that is neither absent nor null."""
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def text(value: Json) -> str:
    """Return a string as it is, a whole number as its digits, and anything else as empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and -1e18 < value < 1e18 else ""


def identifier(value: Json) -> str:
    """Return an id that may become part of a URL path, or empty: printable ASCII, no `.` or `..`."""
    word = text(value)
    return word if _ID.fullmatch(word) and word.strip(".") else ""


def count(value: Json) -> int | None:
    """Return a whole number of at least 0, from a number or its digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < _MOST_COUNT else None


def money(value: Json, *, debt: bool = False) -> Decimal | None:
    """Return an amount in dollars from a string or number; None when absurd.

    Negative amounts count as absurd unless `debt` allows them.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str_of(value)) > 60:
        return None
    try:
        amount = Decimal(str_of(value).strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or not -_MOST_MONEY < amount < _MOST_MONEY or (amount < 0 and not debt):
        return None
    return amount if amount.as_tuple().exponent >= -12 else amount.quantize(_FINEST_MONEY)  # type: ignore[operator]  # finite: never 'n', 'N', 'F'


def currency(*records: Json) -> str:
    """Return in which currency an amount in one of these records is, in capitals, or empty where none says it."""
    named = (first(one, "currency_code", "currency", "cost_currency") for one in records if isinstance(one, dict))
    word = next((text(value).strip().upper() for value in named if value is not None), "")
    return word if _CURRENCY.fullmatch(word) else ""


def moment(value: Json) -> float:
    """Return a time in ISO 8601 as epoch seconds; one without an offset is UTC, and what is no time is 0."""
    try:
        found = datetime.fromisoformat(text(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def str_of(value: str | int | float) -> str:  # noqa: PYI041  a float annotation would hide the int case
    """Return a number's digits without ever meeting Python's limit on converting huge integers."""
    if isinstance(value, int) and not -_MOST_COUNT < value < _MOST_COUNT:
        return "NaN"
    return str(value)


def shallow(value: Json) -> bool:
    """Tell whether `value` nests at most 32 levels, so that whoever walks it later cannot overflow."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False
