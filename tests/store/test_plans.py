"""How SQLite goes about every statement: by an index, or for a reason that stands here."""

from __future__ import annotations

import re
from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from runflowd.store.schema import in_memory
from runflowd.store.statements import STATEMENTS

if TYPE_CHECKING:
    import sqlite3

BOUNDED = frozenset(
    {"incident", "pause", "notice", "story", "snapshot", "recipe", "asset_kind", "account", "planned", "json_each"}
) | {
    *("crowd", "host", "duty"),
}
"""Tables, and other names for them, that hold a row for a rule, a host, an incident or a message: never one a file."""

COMPUTED = frozenset({"names", "item_rule", "kinds", "prices", "held", "ready", "last"})
"""What a statement makes for itself: rules, a page of folders, states, prices; a group or two."""

BY_AMOUNT = "groups by amount what a day or a month has cost, of which there are few, found by an index that has both"
ONE_BATCH = "sorts the rows of one batch"
ONE_ITEM = "sorts the few outputs of one item"
OPEN_BATCHES = "sorts the batches that are open, of which there are as many as slots and those that wait for one"
TROUBLE = "sorts what is in trouble; of that a page is kept"
FEW_CHARGES = "sorts the last charges of each rule that uses one model"
A_PERSON_ASKED = "runs once for a command that a person gave"

REASONS = {
    "age_pricing": A_PERSON_ASKED,
    "batches_elsewhere": "groups what is open at a service that is not in use: nothing, unless that was edited",
    "busy_folders": "groups what is on its way, and what ended since the last look, by folder",
    "charged": BY_AMOUNT,
    "charged_in_others": BY_AMOUNT,
    "charged_last": FEW_CHARGES,
    "charged_of_rule": BY_AMOUNT,
    "charged_since": BY_AMOUNT,
    "claim_batches": OPEN_BATCHES,
    "count_superseded": "its index holds older contents of files, and those of them that ended are counted",
    "count_to_review": "its index holds what waits for a verdict, and all of that is counted",
    "doubt_left_purchases": "its index holds the purchases whose outcome is open, and all of them are meant",
    "failed_items": TROUBLE,
    "failure_groups": TROUBLE,
    "files_left": OPEN_BATCHES,
    "folder_ended": "three states, counted once a folder",
    "holders_of_file": "sorts the names of one file",
    "incidents": "one row for each thing that is wrong",
    "items_of_batch": ONE_BATCH,
    "last_charges": FEW_CHARGES,
    "latest_costs": A_PERSON_ASKED,
    "latest_snapshots": "one row for each text that a rule ever had, read when rules change",
    "ledger_of_service": A_PERSON_ASKED,
    "left_out_in_all": A_PERSON_ASKED,
    "next_delivery": "goes along what is to be noted by its date and stops at the first that nobody holds",
    "next_receipt": "goes along what is outdated by its date and stops at the first that nobody holds",
    "next_verdict": "goes along what is to be carried out by its date and stops at the first that nobody holds",
    "open_batches": OPEN_BATCHES,
    "output_at": "sorts names that differ in case alone",
    "outputs_of": ONE_ITEM,
    "outputs_of_items": "sorts the few outputs of the items of one claim",
    "overdue": OPEN_BATCHES,
    "parked": "counts what is parked, and nothing but the index of that is read",
    "purchases_of_batch": ONE_BATCH,
    "ready_groups": "counts what is ready, and nothing but the index of that is read",
    "receipt_at": "sorts names that differ in case alone",
    "receipt_facts": "sorts the requests of one batch",
    "receipts_left": "its index holds what is still to be written, and all of that is counted",
    "references_pending": A_PERSON_ASKED,
    "rename_items": A_PERSON_ASKED,
    "requested_folders": "its index holds the files that are to be read again, and a page of those is meant",
    "reserved": BY_AMOUNT,
    "reserved_besides": A_PERSON_ASKED,
    "reserved_of_rule": BY_AMOUNT,
    "results_by_snapshot": A_PERSON_ASKED,
    "sample_of_folder": "asked only while a mark does not settle who a folder is",
    "spend_between": A_PERSON_ASKED,
    "spend_by_folder": A_PERSON_ASKED,
    "spend_by_model": A_PERSON_ASKED,
    "spend_by_rule": A_PERSON_ASKED,
    "stories_after": "a page of the files whose steps are packed, in their order",
    "steps_after": "a page of the steps that nobody has looked at yet, in their order",
    "unnoted_left": "its index holds what is still to be noted, and all of that is counted",
    "unpark": "its index holds what is parked, and all of that is meant",
    "verdicts_left": "its index holds what is still to be carried out, and all of that is counted",
    "waiting_items": TROUBLE,
    "wake_all_deliveries": "its index holds what is on its way to the output folders, and all of that is meant",
}
"""Statements that read more than an index points to, each with why it may."""

SWEEPING = re.compile(
    r"SEARCH \w+ USING ("
    r"INDEX \w+"  # along an index until something fits
    r"|INTEGER PRIMARY KEY \(rowid>\?\)"
    r"|INDEX item_(state|content) \(rule=\?\)"  # everything of a rule
    r")"
)


@pytest.fixture(scope="module")
def plans() -> dict[str, list[str]]:
    """By statement, the lines of its plan. The program runs no ANALYZE, so the schema is all that SQLite knows."""
    with closing(in_memory().raw) as raw:
        raw.execute(STATEMENTS["begin_plan"])
        return {name: _plan(raw, text) for name, text in STATEMENTS.items() if name != "begin_plan"}


def _plan(raw: sqlite3.Connection, text: str) -> list[str]:
    values = dict.fromkeys(re.findall(r":(\w+)", text))
    return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", values)]


def _reads_much(line: str) -> bool:
    """Whether a step of a plan goes through a table of files, or sorts what it found."""
    if "CONSTANT ROW" in line:
        return False
    if line.startswith("SCAN "):
        scanned = line.split()[1]
        return scanned not in BOUNDED | COMPUTED and not scanned.startswith("(subquery")
    return line.startswith("USE TEMP B-TREE") or SWEEPING.fullmatch(line) is not None


def test_every_statement_has_its_index(plans: dict[str, list[str]]) -> None:
    """Nothing that runs for a row or a turn goes through all that is known (scenario 137)."""
    found = {name: [line for line in plan if _reads_much(line)] for name, plan in plans.items()}

    assert {name: lines for name, lines in found.items() if lines and name not in REASONS} == {}


@pytest.mark.parametrize("name", ["original", "another_on_its_way", "holders_of", "same_results"])
def test_equal_files_are_found_by_their_content(plans: dict[str, list[str]], name: str) -> None:
    """Not by their state: nearly all that is known is in one (scenario 137)."""
    by_content = "INDEX item_content (rule=? AND <expr>=? AND recipe_number=? AND state=?)"

    assert all(line.endswith(by_content) for line in plans[name] if "INDEX item_" in line)
    assert any(by_content in line for line in plans[name])


def test_every_reason_is_still_needed(plans: dict[str, list[str]]) -> None:
    """An exception outlives its statement easily."""
    needed = {name for name, plan in plans.items() if any(map(_reads_much, plan))}

    assert set() == REASONS.keys() - needed


def test_no_statement_reads_the_table_of_items_itself(plans: dict[str, list[str]]) -> None:
    """Not even for a reason; where all of something is meant, its own small index is read (scenario 137)."""
    bare = re.compile(r"SCAN (item|other|history|output)")
    scans = {name: [line for line in plan if bare.fullmatch(line)] for name, plan in plans.items()}

    assert {name: lines for name, lines in scans.items() if lines} == {}


def test_every_migration_is_written_for_both_databases() -> None:
    """PostgreSQL's first one makes what all of SQLite's up to its number have made (`runflowd/store/postgresql`)."""
    folders = (resources.files("runflowd.store") / each for each in ("migrations", "postgresql/migrations"))
    ours, theirs = ({int(file.name[:4]) for file in folder.iterdir()} for folder in folders)

    assert {number for number in ours if number >= min(theirs)} == theirs
