"""The span of days that a report is asked for."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from runflowd.core.periods import day_begins, day_ends
from runflowd.core.units import DURATION_PATTERN, seconds

if TYPE_CHECKING:
    from datetime import tzinfo

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def span_of(since: str | None, until: str | None, zone: tzinfo | None, now: float) -> tuple[float, float]:
    """From the beginning of one day to the end of another, in epoch seconds; without them, all of time.

    Each is written as `2026-11-29`, or as a span before `now` such as `7d`. Raises ValueError with the remedy.
    """
    begins = _moment("--since", since, zone, now) if since else 0.0
    ends = _moment("--until", until, zone, now, ends=True) if until else math.inf
    if begins >= ends:
        raise ValueError(f"--since {since or ''} is not before --until {until or ''}")
    return begins, ends


def _moment(name: str, text: str, zone: tzinfo | None, now: float, *, ends: bool = False) -> float:
    if re.fullmatch(DURATION_PATTERN, text):
        return now - seconds(text)
    try:
        if _DAY.fullmatch(text):
            return day_ends(text, zone) if ends else day_begins(text, zone)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name} {text} is no day; write one such as 2026-11-29, or a span such as 7d")
