"""Which folders that people dropped have files on their way, and which have come to their end.

A folder is remembered from the first look that finds a file of it on its way, as a row of `notice` without a channel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.notices import FolderOutcome, Kind, folder_message
from runflowd.store.notices import send

if TYPE_CHECKING:
    from typing import TypeAlias

    from runflowd.store.connection import Connection, Row
    from runflowd.store.notices import Audience

    Folder: TypeAlias = tuple[str, bytes]
    """A rule, and the name of a folder right below the one that it watches."""


def busy_folders(connection: Connection, since: float) -> dict[Folder, bool] | None:
    """The folders with files on their way (True), or with none but some that ended since then (epoch seconds).

    None where there are none, and none is remembered, so that nothing is to be written.
    """
    rows = connection.all("busy_folders", since=since)
    if not rows and connection.one("folders_begun") is None:
        return None
    return {(row["rule"], bytes(row["top"])): bool(row["open"]) for row in rows}


def note_folders(
    connection: Connection, busy: dict[Folder, bool], audience: Audience, now: float, *, since: float, quiet: float,
    least: int,
) -> None:  # fmt: skip
    """Remember folders that have begun, and tell of those of `least` files that were at rest for `quiet` seconds."""
    begun = {_folder(row): row for row in connection.all("folders_begun")}
    for folder in busy.keys() - begun.keys():
        connection.run("save_story", kind=Kind.FOLDER, scope=_scope(folder), now=since, body="{}")
    for folder, row in begun.items():
        if busy.get(folder):
            if row["over_at"] is not None:
                connection.run("set_quiet", id=row["id"], over_at=None)
        elif row["over_at"] is None:
            connection.run("set_quiet", id=row["id"], over_at=now + quiet)
        elif row["over_at"] <= now:
            outcome = _outcome(connection, folder, row["at"])
            if outcome.files >= least:
                send(connection, folder_message(outcome, row["at"]), audience, now)
            connection.run("drop_notice", id=row["id"])


def _outcome(connection: Connection, folder: Folder, since: float) -> FolderOutcome:
    rule, top = folder
    counts = {row["state"]: row["count"] for row in connection.all("folder_ended", rule=rule, top=top, since=since)}
    done, failed, in_doubt = (
        counts.get(state, 0) for state in (ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)
    )
    waiting = connection.all("folder_to_review", rule=rule, top=top, since=since)[0]["count"]
    return FolderOutcome(rule, os.fsdecode(top), done, failed, in_doubt, waiting)


def _scope(folder: Folder) -> str:
    """A rule's name holds no slash, and bytes that are no text survive."""
    return f"{folder[0]}/{folder[1].hex()}"


def _folder(row: Row) -> Folder:
    rule, _, name = row["scope"].partition("/")
    return rule, bytes.fromhex(name)
