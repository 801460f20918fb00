"""The books against the intent: every wish has its result, every content was bought once, nothing is left over."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from decimal import Decimal
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from daemon_process import contents, sha256

from runflowd.core.lifecycle import ITEM_MOVES, ItemState
from runflowd.core.naming import TEMPORARY_PREFIX
from runflowd.store import open_reader
from runflowd.store.packed_story import unpack
from runflowd.store.reserving import every_limit
from tests.soak.people import BAD, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon_process import Installation

    from runflowd.core.money import Limit
    from tests.soak.people import People

OPEN = {
    "an item on its way": "SELECT rule, dir, basename, state FROM item WHERE state IN"
    " ('ready', 'duplicate', 'queued', 'submitted', 'downloading', 'waiting', 'outcome_unknown')",
    "an open batch": "SELECT id, rule, state FROM batch WHERE state IN ('sealed', 'submitted', 'unknown')",
    "an open purchase": "SELECT key, shape FROM purchase WHERE outcome IN ('intended', 'unknown')",
    "a receipt to be written": "SELECT rule, dir, basename FROM item WHERE receipt_state = 'outdated'",
    "trouble": "SELECT scope, message FROM incident",
}


def problems(installation: Installation, people: People) -> list[str]:
    """Everything that is not as it should be, in sentences."""
    return [
        *(f"{what}: {tuple(row)}" for what, sql in OPEN.items() for row in installation.rows(sql)),
        *_results(installation, people),
        *_strangers(installation, people),
        *_ledger(installation, people),
        *_stories(installation),
        *overspent(installation, people),
        *_sums(installation),
    ]


def limits(installation: Installation, people: People) -> list[Limit]:
    """Every limit of money with what counts against it; none while there is no state file."""
    if not installation.rows("SELECT 1 FROM ledger UNION SELECT 1"):
        return []
    with closing(open_reader(installation.place)) as connection:
        connection.begin_reading()  # one look at all of it
        return list(every_limit(connection, people.money, RULES, time.time()))


def overspent(installation: Installation, people: People) -> list[str]:
    """Every limit that is passed: no file costs more than was expected of it."""
    return [
        f"{limit.key} is {limit.amount}: {limit.charged} is charged, {limit.reserved} is reserved"
        for limit in limits(installation, people)
        if limit.left < 0
    ]


def _sums(installation: Installation) -> Iterator[str]:
    """What the service charged is what the ledger holds, and what the receipts say."""
    charged = Decimal(installation.service.ledger()["charged_amount"])
    entered = sum((Decimal(row["amount"]) for row in installation.rows("SELECT amount FROM ledger")), Decimal(0))
    receipts = contents(installation.folder / "receipts").items()
    found = [json.loads(data)["cost"] for name, data in receipts if TEMPORARY_PREFIX not in name]
    told = sum((Decimal(cost) for cost in found if cost is not None), Decimal(0))
    if not charged == entered == told:
        yield f"the service charged {charged}, the ledger holds {entered}, the receipts say {told}"


def _results(installation: Installation, people: People) -> Iterator[str]:
    """Every file that lies there has its result, or the note that says why not."""
    rows = installation.rows("SELECT * FROM full_item WHERE current = 1")
    items = {(row["rule"], os.fsdecode(os.path.join(row["dir"], row["basename"]))): row for row in rows}  # noqa: PTH118
    outputs: dict[int, list[str]] = {}
    for row in installation.rows("SELECT path, item FROM output"):
        outputs.setdefault(row["item"], []).append(os.fsdecode(row["path"]))
    for rule in RULES:
        for path, data in people.files[rule].items():
            item = items.get((rule, path))
            if item is None:
                yield f"{rule}/{path} is not on record"
            elif data == BAD:
                if item["state"] != "failed" or not (people.output(rule) / f"{path}.failed.txt").is_file():
                    yield f"{rule}/{path} is {item['state']} and has no note"
            elif item["state"] != "done" or item["content_hash"] != sha256(data):
                yield f"{rule}/{path} is {item['state']} with {item['content_hash']}, not done with {sha256(data)}"
            elif (rule, path) not in people.waived and [sha256(data)] != [*_hashes(outputs.get(item["id"], []))]:
                yield f"{rule}/{path} has no result: {outputs.get(item['id'])}"


def _hashes(paths: list[str]) -> Iterator[str]:
    for path in paths:
        try:
            with open(path, "rb") as file:  # noqa: PTH123  the path comes as text
                yield sha256(file.read())
        except FileNotFoundError:
            yield "missing"


def _strangers(installation: Installation, people: People) -> Iterator[str]:
    """Every file in an output folder is a result on record, a note about a file that failed, or somebody's edit."""
    recorded = {
        os.fsdecode(row["path"]): row["content_hash"]
        for row in installation.rows("SELECT path, lower(hex(content)) AS content_hash FROM output")
    }
    for result, data in people.edited.items():
        if not result.is_file() or result.read_bytes() != data:
            yield f"the edited {result} was touched"
    for rule in RULES:
        notes = {people.output(rule) / f"{path}.failed.txt" for path, data in people.files[rule].items() if data == BAD}
        for path in people.output(rule).rglob("*"):
            if path.is_file() and path not in people.edited and path not in notes:
                content = recorded.get(str(path))
                if content is None or content != sha256(path.read_bytes()):
                    yield f"{path} is on no record"


def _ledger(installation: Installation, people: People) -> Iterator[str]:
    """Each content was charged once under each prompt, was wanted by that rule, and reached somebody."""
    done = {row["content_hash"] for row in installation.rows("SELECT content_hash FROM full_item WHERE state = 'done'")}
    for charge in installation.service.ledger()["charges"]:
        rule = str(charge["input"]["prompt"]).partition(" ")[0]
        if charge["times"] != 1:
            yield f"{charge['content']} was bought {charge['times']} times as {charge['input']['prompt']!r}"
        if charge["content"] not in people.written[rule]:
            yield f"{charge['content']} was bought for {rule}, which never saw it"
        if charge["content"] not in done:
            yield f"{charge['content']} was bought and never delivered"


def _stories(installation: Installation) -> Iterator[str]:
    """Every item has a story, which is a way along the table of transitions and ends where the item is."""
    told: dict[int, list[str]] = {}
    for row in installation.rows("SELECT item, steps FROM packed_story"):
        told[row["item"]] = [str(step.state) for step in unpack(row["steps"])]
    for row in installation.rows("SELECT item, state FROM history ORDER BY id"):
        told.setdefault(row["item"], []).append(row["state"])
    for row in installation.rows("SELECT id, state FROM item"):
        way = [state for state, _ in groupby(told.get(row["id"], ()))]
        if way[-1:] != [row["state"]]:
            yield f"item {row['id']} is {row['state']}, its story is {way}"
        for before, after in pairwise(way):
            if ItemState(after) not in ITEM_MOVES[ItemState(before)]:
                yield f"item {row['id']} went from {before} to {after}"
