"""A run of which some outputs came and others did not: what came is delivered, what is missing is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.model import After, AfterKind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

PARTIAL = {"runs": [{"match": "*a.jpg", "kind": "partial", "message": "the second view was not made", "count": None}]}
NOTE = "a.jpg.failed.txt"


@pytest.mark.parametrize("batches", [True, False])
async def test_what_came_is_delivered_and_what_is_missing_is_reported(tmp_path: Path, batches: bool) -> None:
    """In the note beside it, in `status`, `list` and its story; nothing is bought again (scenario 93)."""
    async with running(tmp_path) as rig:
        if not batches:
            rig.take_no_batches()
        rig.switch(faults=PARTIAL, api_variants={"output": "outputs" if batches else "array"})
        source = rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        note = (tmp_path / "out" / NOTE).read_text()
        listed = {each["path"]: each for each in (await rig.ask("list"))["items"]}
        (shown,) = (await rig.ask("status"))["partial"]
        (version,) = (await rig.ask("logs", path="a.jpg"))["versions"]

        assert {"a.jpg", NOTE, "b.jpg"} == rig.outputs()
        assert source.read_bytes() == (tmp_path / "out/a.jpg").read_bytes()
        assert ("done", "PARTIAL_RESULT", "") == (
            listed["a.jpg"]["state"],
            listed["a.jpg"]["code"],
            listed["b.jpg"]["code"],
        )
        for told in (note, listed["a.jpg"]["why"], shown["reason"], str(version["steps"]), str(version["now"])):
            assert "1 of 2 outputs" in told
            assert "the second view was not made" in told
        assert "paid" in note

        source.touch()
        await anyio.sleep(60)
        assert [1, 1] == rig.charged()


async def test_the_remark_outlives_trouble_with_the_download_and_goes_with_a_whole_result(tmp_path: Path) -> None:
    """It is kept while the download is tried again; a new content ends it (scenario 93)."""
    async with running(tmp_path) as rig:
        strike = {"route": "GET /storage/*", "kind": "status", "status": 503, "count": 3}
        rig.switch(faults={**PARTIAL, "requests": [strike]}, api_variants={"output": "outputs"})
        rig.drop("a.jpg")
        await rig.settled(1)
        assert "the second view was not made" in (tmp_path / "out" / NOTE).read_text()

        rig.switch(faults={})
        rig.drop("a.jpg", seed="whole")
        await rig.until(lambda states: states["a.jpg"] is not ItemState.DONE)
        await rig.settled(1)

        assert {"a.jpg"} == rig.outputs()


async def test_whoever_shares_a_partial_result_is_notified_too_and_keeps_the_source(tmp_path: Path) -> None:
    """Equal files share what was paid for; no source is deleted for half a result (scenarios 44, 93)."""
    deleting = rule(tmp_path, after=After(AfterKind.DELETE))
    async with running(tmp_path, deleting) as rig:
        rig.switch(faults={"runs": [{**PARTIAL["runs"][0], "match": "*[ay].jpg"}]}, api_variants={"output": "outputs"})
        rig.drop("a.jpg", seed=1)
        rig.drop("copy.jpg", seed=1)
        rig.drop("whole.jpg")
        await rig.settled(3)

        assert {"a.jpg", NOTE, "copy.jpg", "copy.jpg.failed.txt", "whole.jpg"} == rig.outputs()
        assert {"a.jpg", "copy.jpg"} == {path.name for path in (tmp_path / "in").iterdir()}
        assert [1, 1] == rig.charged()
