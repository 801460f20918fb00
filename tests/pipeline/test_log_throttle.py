"""Trouble in hundreds of equal pieces: few lines, and every piece on record."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import anyio
import pytest
from failing_calls import Calls, fail_database
from stage_rig import rule, running
from structlog.testing import capture_logs

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from structlog.typing import EventDict

pytestmark = pytest.mark.anyio

FILES = 300


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """Everything that was logged."""
    with capture_logs() as found:
        yield found


def troubles(lines: list[EventDict], action: str) -> list[EventDict]:
    """The warnings and errors of one kind."""
    return [line for line in lines if line["log_level"] in {"warning", "error"} and line["action"] == action]


async def test_hundreds_of_broken_files_are_two_lines(tmp_path: Path, lines: list[EventDict]) -> None:
    """The first at once, the others together a minute later (scenario 78)."""
    async with running(tmp_path) as rig:
        for number in range(FILES):
            (tmp_path / f"in/{number}.jpg").write_text(f"this is text {number}")
        await rig.settled(FILES)
        await anyio.sleep(120)
        told = troubles(lines, "item.failed")

        assert [1, FILES - 1] == [line.get("count", 1) for line in told]
        assert {ItemState.FAILED} == set((await rig.states()).values())


async def test_hundreds_of_files_that_wait_are_two_lines(tmp_path: Path, lines: list[EventDict]) -> None:
    """One mistake in a `_runflow.yaml` holds up all files beneath it (scenario 78)."""
    async with running(tmp_path, rule(tmp_path)) as rig:
        (tmp_path / "in/_runflow.yaml").write_text("nonsense: 1\n")
        for number in range(FILES):
            rig.drop(f"{number}.jpg")
        await rig.until(lambda states: len(states) == FILES)
        await anyio.sleep(120)

        assert [1, FILES - 1] == [line.get("count", 1) for line in troubles(lines, "item.waiting")]


async def test_a_folder_full_of_unreadable_folders_is_one_incident(
    tmp_path: Path, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are and however often they are rescanned: one line, with their number (scenarios 37, 78)."""
    listed = files.walk

    def refused(root: str, start: str = "", **more: object) -> Iterator[files.Listing]:
        for listing in listed(root, start, **more):  # type: ignore[arg-type]
            if listing.relative.startswith("closed"):
                yield files.Listing(listing.relative, error=files.Forbidden("list", listing.relative))
            else:
                yield listing

    monkeypatch.setattr(files, "walk", refused)
    for number in range(FILES):
        (tmp_path / f"in/closed-{number}").mkdir(parents=True)
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        await anyio.sleep(300)
        told = [line for line in lines if line["log_level"] in {"warning", "error"}]

        assert ["incident.open"] == [line["action"] for line in told]
        assert f"(and {FILES - 1} more folders)" in told[0]["event"]


async def test_a_disk_that_is_full_for_ten_minutes_is_a_line_a_minute(tmp_path: Path, lines: list[EventDict]) -> None:
    """Every stage tries every few seconds; what they meet is told once, then counted (scenarios 64, 78)."""
    calls = Calls(fatal=1, code=errno.ENOSPC, lasting=True)
    async with running(tmp_path) as rig:
        await anyio.sleep(30)
        fail_database(calls, rig.store)
        calls.arm()
        await anyio.sleep(600)
        calls.heal()
        told = troubles(lines, "store.failed")

        assert len(told) <= 11
        assert sum(line.get("count", 1) for line in told) > 100


async def test_batches_that_cannot_be_looked_at_are_few_lines(tmp_path: Path, lines: list[EventDict]) -> None:
    """The service knows none of twenty batches any more: told at once, then by the minute (scenario 78)."""
    one_each = BatchLimits(max_items=1, quiet=1, max_wait=1)
    gone = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": None}
    async with running(tmp_path, rule(tmp_path, batch=one_each)) as rig:
        rig.switch(faults={"requests": [gone]})
        for number in range(20):
            rig.drop(f"{number}.jpg")
        await anyio.sleep(300)
        told = troubles(lines, "batch.failed")
        counted = sum(line.get("count", 1) for line in told)

        assert (True, True) == (len(told) <= 6, counted >= 40), (len(told), counted)
