"""Turns an HTTP answer that is no success into the one exception that says what it means.

Error bodies are documented in three forms and seen in four: flat `{code, message, errors}`, nested
`{error: {code, message}}`, FastAPI's `{detail}` (a string or a list), and text or HTML of a gateway.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from runflowd.api.errors import (
    ApiError,
    Conflict,
    Expired,
    Gone,
    NotFound,
    OutOfCredit,
    Permanent,
    Place,
    RateLimited,
    Rejected,
    Scope,
    Transient,
    Unauthorized,
    Unsafe,
)
from runflowd.api.rejection import Rejection
from runflowd.api.scalars import Unreadable, decode, first, text
from runflowd.core.backoff import MAX_WAIT

if TYPE_CHECKING:
    import httpx

    from runflowd.core.model import Json

_PASSING = frozenset({407, 408, 425, 429})
"""Besides 5xx, the answers that say nothing about the request itself: a proxy, a time-out, a crowd."""

_ABOUT_US = {401: Unauthorized, 402: OutOfCredit, 403: Unauthorized}
_ABOUT_THE_REQUEST = {404: NotFound, 409: Conflict, 410: NotFound}
_MOST_PROBLEMS = 200
_PART = re.compile(r"[^\[\]./]+")
_POINTER_IN_PROSE = re.compile(
    r"\b((?:inputs?|items)(?:\[\d{1,3}\]|\.\d{1,3}\b)(?:\.[A-Za-z_]\w{0,80}|\.\d{1,3}\b|\[\w{1,80}\]){0,8})"
    r":?([^;]{0,300})"
)
_XML_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_XML_MESSAGE = re.compile(r"<Message>([^<]{1,500})</Message>")


def refusal(place: Place, response: httpx.Response, body: bytes, *, scope: Scope, ambiguous: bool) -> ApiError:
    """Return the exception for an answer of the API outside 2xx.

    `scope` is what a wrong request is the fault of; `ambiguous` whether the request was one that a
    failing server may have carried out all the same.
    """
    status = response.status_code
    code, message, problems = explain(body)
    if status in _PASSING or status >= 500:
        return _passing(place, response, code, message, ambiguous=ambiguous)
    if 300 <= status < 400:
        return Unsafe(place, status=status, code="REDIRECT", message=_redirect(response), scope=Scope.SERVICE)
    if status in (400, 422):
        return Rejected(place, status=status, code=code, message=message, problems=problems, scope=scope)
    if status in _ABOUT_US:
        return _ABOUT_US[status](place, status=status, code=code, message=message)
    kind = _ABOUT_THE_REQUEST.get(status, Permanent)
    return kind(place, status=status, code=code, message=message, scope=scope)


def storage_refusal(place: Place, response: httpx.Response, body: bytes, *, scope: Scope) -> ApiError:
    """Return the exception for an answer of the object storage outside what was hoped for.

    S3 and R2 answer 403 for an expired link (R2 also 400 or 401 with a code that says so).
    """
    status = response.status_code
    page = body.decode("utf-8", "replace")
    code, message = _tag(_XML_CODE, page), _tag(_XML_MESSAGE, page)
    if status in (401, 403) or (status == 400 and "expired" in code.lower()):
        return Expired(place, status=status, code=code, message=message)
    if status == 429:
        wait = retry_after(response)
        return RateLimited(place, status=status, code=code, message=message, retry_after=wait, scope=scope)
    if 300 <= status < 400:
        # Not the storage's doing, which signs every address: the login page of a network, most likely.
        return Transient(place, status=status, code="REDIRECT", message=_redirect(response), scope=scope)
    if status in (404, 410):
        return Gone(place, status=status, code=code, message=message or "nothing is at its link any more")
    if 400 <= status < 500 and status not in (408, 425):
        return Permanent(place, status=status, code=code, message=message, scope=Scope.ITEM)
    wait = retry_after(response)
    return Transient(place, status=status, code=code, message=message, retry_after=wait, scope=scope)


def _passing(place: Place, response: httpx.Response, code: str, message: str, *, ambiguous: bool) -> Transient:
    status = response.status_code
    scope = Scope.MACHINE if status == 407 else Scope.SERVICE
    kind = RateLimited if status == 429 else Transient
    return kind(
        place,
        status=status,
        code=code,
        message=message,
        scope=scope,
        retry_after=retry_after(response),
        ambiguous=ambiguous and (status == 408 or status >= 500),
    )


def _redirect(response: httpx.Response) -> str:
    # The host alone: the rest may hold whatever the server was sent.
    where = response.headers.get("location", "").partition("://")[2].partition("/")[0] or "another address"
    return f"it redirects to {where}, and redirects are never followed"


def _tag(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    return found[1] if found else ""


def _is_page(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds `Retry-After` asks for, from 0 to an hour; None when absent or absurd.

    A date is measured against the answer's own `Date`, so a wrong clock on this machine is no matter.
    """
    header = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,12}(\.\d{0,6})?", header, re.ASCII):
        return min(float(header), MAX_WAIT)
    then, now = _moment(header), _moment(response.headers.get("date", "")) or datetime.now(UTC)
    if then is None:
        return None
    return min(max((then - now).total_seconds(), 0.0), MAX_WAIT)


def _moment(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def explain(body: bytes) -> tuple[str, str, tuple[Rejection, ...]]:
    """Return code, message and the single problems that an error body tells of."""
    try:
        value = decode(body)
    except Unreadable:
        return "", _prose(body), ()
    if not isinstance(value, dict):
        return "", text(value), _problems(value)
    nested = value.get("error")
    inner = nested if isinstance(nested, dict) else {}
    code = text(value.get("code")) or text(inner.get("code")) or text(value.get("error_type"))
    message = _said(value) or _said(inner) or text(nested) or text(value.get("title"))
    lists = (value.get("errors"), inner.get("errors"), inner.get("details"), value.get("detail"))
    problems = next((found for one in lists if not isinstance(one, str) and (found := _problems(one))), ())
    return code, message, problems or _pointed_at(message)


def _said(value: dict[str, Json]) -> str:
    detail = first(value, "message", "detail", "msg")
    return text(first(detail, "message", "msg")) if isinstance(detail, dict) else text(detail)


def _prose(body: bytes) -> str:
    if not _is_page(body):
        return body[:2000].decode("utf-8", "replace")
    title = re.search(rb"(?i)<title[^>]{0,200}>([^<]{1,200})", body[:10_000])
    heading = f" titled {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
    return f"an HTML page{heading} instead of JSON (a proxy or login page?)"


def _problems(value: Json) -> tuple[Rejection, ...]:
    if isinstance(value, dict) and not {"loc", "msg", "message"} & value.keys():
        # The {field: [messages]} form of some frameworks.
        return tuple(Rejection(_location(name), _words(words)) for name, words in list(value.items())[:_MOST_PROBLEMS])
    entries = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return tuple(_problem(entry) for entry in entries[:_MOST_PROBLEMS] if isinstance(entry, dict | str))


def _problem(entry: dict[str, Json] | str) -> Rejection:
    if isinstance(entry, str):
        return next(iter(_pointed_at(entry)), Rejection((), entry))
    message = text(first(entry, "msg", "message", "detail", "error"))
    loc = _location(first(entry, "loc", "location", "field", "path", "pointer", "param"))
    return Rejection(loc, message) if loc else next(iter(_pointed_at(message)), Rejection((), message))


def _words(value: Json) -> str:
    return "; ".join(text(one) for one in value[:5]) if isinstance(value, list) else text(value)


def _location(value: Json) -> tuple[str | int, ...]:
    """Return a location from a list of parts, `input[3].image_url`, or the pointer `/input/3`."""
    parts = value[:20] if isinstance(value, list) else _PART.findall(value[:500]) if isinstance(value, str) else []
    return tuple(_part(part) for part in parts if isinstance(part, str | int) and not isinstance(part, bool))


def _part(part: str | int) -> str | int:
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdigit() and len(part) < 10 else part[:200]


def _pointed_at(message: str) -> tuple[Rejection, ...]:
    """Return what plain sentences such as "input[3]: image_url is required; items.4.prompt: too long" point at."""
    found = _POINTER_IN_PROSE.finditer(message[:2000])
    return tuple(Rejection(_location(each[1]), each[2].strip() or message) for each in found)
