"""What rules leave out by default, counted by folder and pattern: a snapshot folder is one row, whatever is in it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.store.connection import Connection

MAX_ROWS = 200
"""Rows reported by folder; where there are more, they are reported for all folders of a rule together."""


class Count(NamedTuple):
    """How many files, and how many folders with all that is in them, a pattern leaves out in one folder."""

    files: int
    folders: int


class LeftOut(NamedTuple):
    """What one pattern leaves out; `path` is that pattern in its folder, or below `**` for all folders."""

    rule: str
    path: str
    pattern: str
    amount: Count


def left_out_in_folder(connection: Connection, rule: str, folder: str) -> dict[str, Count]:
    """What is on record of a folder, by pattern."""
    rows = connection.all("left_out_in_folder", rule=rule, dir=os.fsencode(folder))
    return {row["pattern"]: Count(row["files"], row["folders"]) for row in rows}


def save_left_out(connection: Connection, rule: str, found: Mapping[str, Mapping[str, Count]]) -> None:
    """Record what was found in folders; what was on record of them before is forgotten."""
    for folder, counts in found.items():
        place = {"rule": rule, "dir": os.fsencode(folder)}
        connection.run("forget_left_out", **place)
        rows = [{**place, "pattern": pattern, **count._asdict()} for pattern, count in counts.items()]
        connection.run_many("save_left_out", rows)


def left_out_folders(connection: Connection, rule: str, after: str, limit: int) -> list[str]:
    """Folders behind `after`, in their order, of which anything is on record."""
    rows = connection.all("left_out_folders", rule=rule, after=os.fsencode(after), limit=limit)
    return [os.fsdecode(row["dir"]) for row in rows]


def left_out(connection: Connection, rules: Iterable[str]) -> list[LeftOut]:
    """What rules leave out: by folder, or where that would be too much, for all folders together."""
    chosen = json.dumps(list(rules))
    rows = connection.all("left_out", rules=chosen, limit=MAX_ROWS + 1)
    if len(rows) > MAX_ROWS:
        rows = connection.all("left_out_in_all", rules=chosen, limit=MAX_ROWS)
    return [
        LeftOut(
            row["rule"],
            f"{folder}/{row['pattern']}" if (folder := os.fsdecode(row["dir"])) else row["pattern"],
            row["pattern"],
            Count(row["files"], row["folders"]),
        )
        for row in rows
    ]
