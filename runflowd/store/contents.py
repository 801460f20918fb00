"""Where a content lies, given its hash: as a result, or as a file that somebody dropped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from runflowd.store.items import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.connection import Connection


class Place(NamedTuple):
    """A path below a root, and the rule that it is of; "" for a root is the watched folder of the rule."""

    rule: str
    root: str
    relative: str


def places_of(connection: Connection, content: str, rules: Iterable[str]) -> list[Place]:
    """A few files on record that have, or had, this content; as a dropped one it is looked for under these rules."""
    results = connection.all("results_of_content", content=content)
    found = [Place(row["rule"], os.fsdecode(row["root"]), os.fsdecode(row["relative"])) for row in results]
    for rule in rules:
        sources = connection.all("sources_of_content", rule=rule, content=content)
        found += [Place(rule, "", path_of(row)) for row in sources]
    return found
