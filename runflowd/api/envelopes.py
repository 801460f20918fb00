"""Unpacks what answers come wrapped in: single records, lists, and the way to the next page.

The concept page says `next_pq`, the reference `next`; whether that is a cursor or a URL is shown nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, urlsplit

from runflowd.api.scalars import Unreadable, first

if TYPE_CHECKING:
    from runflowd.core.model import Json

Record: TypeAlias = "dict[str, Json]"

_CURSOR_LIMIT = 4096


def record(body: Json) -> Record:
    """Return the object an answer is about; one level of `data` is unwrapped."""
    if not isinstance(body, dict):
        raise Unreadable("the answer is no JSON object")
    inner = body.get("data")
    return inner if isinstance(inner, dict) and "id" not in body else body


def rows(body: Json) -> list[Record]:
    """Return the objects of a list answer, be it an envelope (`items`, `data`) or a bare array."""
    found = first(body, "items", "data", "results", "runs") if isinstance(body, dict) else body
    if isinstance(found, dict):
        found = first(found, "items", "data")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def cursor(body: Json) -> str | None:
    """Return the cursor of the next page from `next_pq` or `next`, a bare cursor or a URL; or None."""
    if not isinstance(body, dict):
        return None
    cursor = first(body, "next_pq", "next", "next_cursor")
    if isinstance(cursor, dict):
        cursor = first(cursor, "pq", "cursor", "href", "url")
    if not isinstance(cursor, str) or not 0 < len(cursor) <= _CURSOR_LIMIT:
        return None
    if cursor.startswith(("/", "?")) or "://" in cursor[:12]:
        return _cursor_of(cursor)
    return cursor


def _cursor_of(url: str) -> str | None:
    try:
        query = parse_qs(urlsplit(url).query)
    except ValueError:
        return None
    return next((query[name][0] for name in ("pq", "next_pq", "cursor") if query.get(name)), None)
