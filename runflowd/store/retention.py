"""What is never needed again goes, some rows at a time; nothing of money, of verdicts, or of what was bought ever does.

Old steps of files that are done go, and old uploads. A file whose upload is not on record is uploaded anew should it be
bought under another recipe; what keeps it from being bought twice is its own row, which stays.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from runflowd.store.connection import stored_value

if TYPE_CHECKING:
    from runflowd.store.connection import Connection

KEPT = 90 * 86_400.0
"""Seconds for which the steps of a file that is done, and its upload, stay on record."""

PAGE = 1000
"""Rows looked at in one transaction."""

_STEPS = "retention:steps"
_STORIES = "retention:stories"
_UPLOADS = "retention:uploads"


def prune_steps(connection: Connection, now: float) -> bool:
    """Drop the oldest steps of files that are done; whether there are more to look at. `now` is epoch seconds.

    Steps are looked at once, in their order: those of a file that is not done by then stay.
    """
    after = int(stored_value(connection, "", _STEPS) or 0)
    rows = connection.all("steps_after", after=after, limit=PAGE)
    old = [row["id"] for row in takewhile(lambda row: row["at"] < now - KEPT, rows)]
    if old:
        connection.run("drop_steps", after=after, until=old[-1])
        connection.run("save_value", service="", key=_STEPS, value=str(old[-1]))
    return len(old) == PAGE


def prune_stories(connection: Connection, now: float) -> bool:
    """Drop packed steps of files that were done long ago; whether there are more to look at. `now` is epoch seconds.

    In the order of the files, around and around: a file that is run again may be done later than the next one.
    """
    after = int(stored_value(connection, "", _STORIES) or 0)
    rows = connection.all("stories_after", after=after, limit=PAGE)
    if rows:
        connection.run("drop_stories", after=after, until=rows[-1]["item"], before=now - KEPT)
    further = len(rows) == PAGE
    connection.run("save_value", service="", key=_STORIES, value=str(rows[-1]["item"]) if further else "0")
    return further


def prune_uploads(connection: Connection, now: float) -> bool:
    """Drop the uploads that were made long ago; whether there are more to look at. `now` is epoch seconds.

    In the order of their contents, around and around: an upload has no number by which the oldest could be found.
    """
    after = stored_value(connection, "", _UPLOADS) or ""
    rows = connection.all("uploads_after", after=after, limit=PAGE)
    until = rows[-1]["content_hash"] if len(rows) == PAGE else ""
    if rows:
        connection.run("drop_uploads", after=after, until=rows[-1]["content_hash"], before=now - KEPT)
    connection.run("save_value", service="", key=_UPLOADS, value=until)
    return bool(until)
