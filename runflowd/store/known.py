"""What the store remembers of the files in a folder, as much as a look into it needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.store.items import item_at, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.store.connection import Connection

_STATES = {state.value: state for state in ItemState}


class Known(NamedTuple):
    """What the store remembers of one path."""

    id: int
    stat: Stat
    state: ItemState
    present: bool
    requested: bool
    """Whether its file is to be read whatever its stat says."""


class Differences(NamedTuple):
    """How a folder differs from what is on record: files on `record` that changed, went, came back or are not at rest,
    and `new` ones without a row. What stands as it stood is in neither.
    """

    record: dict[str, Known]
    new: dict[str, Stat]


def known_in_folder(connection: Connection, rule: str, folder: str) -> dict[str, Known]:
    """Every remembered file directly in a folder, by name."""
    rows = connection.tuples("known_in_folder", rule=rule, dir=os.fsencode(folder))
    return {
        os.fsdecode(name): Known(number, Stat(size, mtime_ns, inode), _STATES[state], bool(present), bool(requested))
        for number, name, size, mtime_ns, inode, state, present, requested in rows
    }


def differences(connection: Connection, rule: str, folder: str, files: Mapping[str, Stat]) -> Differences:
    """Hold the `files` found directly in a folder against what is on record of it.

    A rescan does this for every file there is, and nearly all are as they were: of those no object is made.
    """
    new, odd = dict(files), set[str]()
    for name, size, mtime_ns, inode, rests in connection.tuples("stats_in_folder", rule=rule, dir=os.fsencode(folder)):
        text = name.decode("utf-8", "surrogateescape")
        if new.pop(text, None) != (size, mtime_ns, inode) or not rests:
            odd.add(text)
    if not odd:
        return Differences({}, new)
    return Differences(
        {name: row for name, row in known_in_folder(connection, rule, folder).items() if name in odd}, new
    )


def new_files(connection: Connection, rule: str, contents: Mapping[str, str]) -> list[str]:
    """The paths of those of which nothing is on record, neither of the path nor of the content, which is given by path.

    Of equal contents the first one alone is new.
    """
    first = {content: path for path, content in reversed(list(contents.items()))}
    asked = [{"rule": rule, **split(path), "content_hash": content} for content, path in first.items()]
    known = connection.all_each("on_record", asked)
    return [path for path, found in zip(first.values(), known, strict=True) if not found]


def known_contents(
    connection: Connection, rules: Iterable[str], rested: Mapping[str, Stat]
) -> dict[str, tuple[str, str]]:
    """Content and type of the files that other rules have read just as they are, by path."""
    found: dict[str, tuple[str, str]] = {}
    for rule in rules:
        for path in rested.keys() - found.keys():
            item = item_at(connection, rule, path)
            if item is not None and item.content_hash is not None and item.stat == rested[path]:
                found[path] = item.content_hash, item.mime
    return found
