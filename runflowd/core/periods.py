"""The days and months that limits of money count by.

A period is a day, written `2026-11-29`, of the time zone that the configuration names; a month is the days that begin
alike.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


def period_of(now: float, zone: tzinfo | None, latest: str = "") -> str:
    """The day of a purchase at `now` (epoch seconds), never one before the `latest` that there was.

    A clock that is set back fills no limit anew.
    """
    return max(datetime.fromtimestamp(now, zone).date().isoformat(), latest)


def day_begins(period: str, zone: tzinfo | None) -> float:
    """When a period begins (epoch seconds)."""
    return _begins(date.fromisoformat(period), zone)


def latest_time_of_day(at: time, now: float, zone: tzinfo | None) -> float:
    """When it was that time of day last (epoch seconds); now counts."""
    today = datetime.fromtimestamp(now, zone).date()
    moments = (datetime.combine(today - timedelta(days=days), at, zone).timestamp() for days in (0, 1))
    return next((moment for moment in moments if moment <= now), now)


def day_ends(period: str, zone: tzinfo | None) -> float:
    """When the day after a period begins (epoch seconds), in whatever offset from UTC the zone then has."""
    return _begins(date.fromisoformat(period) + timedelta(days=1), zone)


def month_begins(period: str, zone: tzinfo | None) -> float:
    """When the month of a period begins (epoch seconds)."""
    return _begins(date.fromisoformat(period).replace(day=1), zone)


def month_ends(period: str, zone: tzinfo | None) -> float:
    """When the month after that of a period begins (epoch seconds)."""
    return _begins((date.fromisoformat(period).replace(day=1) + timedelta(days=32)).replace(day=1), zone)


def _begins(day: date, zone: tzinfo | None) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
