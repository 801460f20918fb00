"""How long a signed link to an upload may be used, and which failures mean that the service could not follow one.

Ages are counted by one clock and lives by the other: how old a link is this machine's clock says, how long it lives
the service's, so it is no matter whether the two agree.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from runflowd.core.template import links_given, uploads_in

if TYPE_CHECKING:
    from runflowd.core.model import Json

UNTIL_LEARNT = 600.0
"""Seconds for which a link is used while nothing is known of its life. The documentation says about seven days
in one place and "short" in another; ten minutes suits both."""

SHORTEST = 10.0
"""Seconds below which no life is believed: a link that is refused at once is not refused for its age."""

MAX_TRIES = 3
"""Times that one content is sent once more because the service could not read it."""

REFERENCE = "runflow://assets/"
"""How an upload is named without a link. Such a name does not age."""

_LIVES = ("x-amz-expires", "x-goog-expires")
_ENDS = ("expires", "expiry", "se")
"""Parameters of signed links, in lower case: the life in seconds (AWS, Google), or its end (CloudFront, S3, Azure)."""

_CODE = re.compile(
    r"(?!.*(OUTPUT|RESULT|MODEL|CALLBACK))(.*_)?(INPUT|ASSET|MEDIA|IMAGE|FILE|URL|LINK|DOWNLOAD|FETCH)_(.*_)?"
    r"(EXPIRED|NOT_FOUND|FORBIDDEN|UNREACHABLE|(DOWNLOAD|FETCH)_(FAILED|ERROR))|(DOWNLOAD|FETCH)_(FAILED|ERROR)"
)
_LINK = re.compile(
    r"\b(urls?|links?|assets?|presigned|signed|http|download(ed|ing)?|fetch(ed|ing)?|retriev\w+)\b|://", re.IGNORECASE
)
_CLOSED = re.compile(
    r"\b(40[134]|410|forbidden|access ?denied|expired|not found|no longer|gone|does not exist|invalid signature)\b"
    r"|\bthere is no\b",
    re.IGNORECASE,
)
_TOO_OLD = re.compile(r"\b(40[13]|forbidden|denied|expired|invalid signature)\b", re.IGNORECASE)
_SCHEME = re.compile(r"\bgot 'runflow'|\bscheme\b|\bmust (use|be) http", re.IGNORECASE)
_NOT_OURS = re.compile(r"\b(outputs?|results?|weights|checkpoint|callback|models?)\b", re.IGNORECASE)


def ages(link: str) -> bool:
    """Whether a link may be too old one day."""
    return not link.startswith(REFERENCE)


def usable_for(life: float | None) -> float:
    """Seconds after its making during which a link may be sent, given the shortest life seen, if any was.

    Half of the life is the service's: it reads an input when its turn comes, not when it is bought.
    """
    return UNTIL_LEARNT if life is None else life / 2


def is_fresh(made_at: float | None, life: float | None, now: float) -> bool:
    """Whether links of which the oldest was made at `made_at` may be sent now; None stands for no link that ages.

    A clock that was set back makes an age negative; such a link's true age cannot be known.
    """
    return made_at is None or 0 <= now - made_at < usable_for(life)


def shorter(known: float | None, seen: float) -> float:
    """The shortest life of a link after another one was seen."""
    return max(SHORTEST, seen if known is None else min(known, seen))


def life_ended(made_at: float | None, now: float) -> float | None:
    """What the end of a link by `now` tells of its life: at most its age, and no more than is trusted unseen."""
    return None if made_at is None or now <= made_at else min(now - made_at, 2 * UNTIL_LEARNT)


def stated_life(link: str, now: float) -> float | None:
    """How many seconds a link will live, as its own parameters have it; None where they do not say, or make no sense.

    `now` is the time of the service that signed it, in epoch seconds.
    """
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(link).query)}
    except ValueError:
        return None
    lives = [_number(query[name]) for name in _LIVES if name in query]
    lives += [end - now for name in _ENDS if name in query and (end := _moment(query[name])) is not None]
    return min((life for life in lives if life is not None and life > 0), default=None)


def input_was_unreadable(symbolic: Json, code: str, message: str) -> bool:
    """Whether a failure means that the service could not read what this program uploaded.

    Nobody documents the words, so the code or the message must speak of a link and of its being closed. A link that
    the rule itself gives, beside the uploads in its `symbolic` input, is the rule's: a message that names it is none.
    """
    if not uploads_in(symbolic) or any(link in message for link in links_given(symbolic)):
        return False
    if _CODE.fullmatch(code.upper()):
        return True
    return bool(_LINK.search(message) and _CLOSED.search(message)) and not _NOT_OURS.search(message)


def was_too_old(code: str, message: str) -> bool:
    """Whether a failure to read an upload speaks of the age of its link, and not of a file that is gone."""
    return _TOO_OLD.search(f"{code.replace('_', ' ')} {message}") is not None


def refuses_references(message: str) -> bool:
    """Whether a refusal says that uploads may not be named by `runflow://`, as one source has it."""
    return _SCHEME.search(message) is not None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,11}", text, re.ASCII) else None


def _moment(text: str) -> float | None:
    """Epoch seconds, or a date as Azure writes it."""
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
