"""The stages over a database on a server: what they do does not depend on where it is written down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from postgres_server import quick_server
from stage_rig import rule, running

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_tree_comes_out_mirrored_and_is_bought_once_for_good(tmp_path: Path) -> None:
    """Results, receipts, a note, and equal files that share; a second start over the same database buys nothing."""
    database = quick_server().prepared()
    told = replace(rule(tmp_path), receipts=str(tmp_path / "receipts"))
    async with running(tmp_path, told, place=database) as rig:
        for name in ("a.jpg", "x/b.jpg", "x/y/c.jpg"):
            rig.drop(name)
        rig.drop("x/same.jpg", seed="a.jpg")
        rig.drop("bad.jpg").write_bytes(b"no image")
        await rig.settled(5)
        before = rig.outputs(), rig.charged()
    async with running(tmp_path, told, place=database) as rig:
        rig.drop("d.jpg")
        await rig.until(lambda states: states.get("d.jpg") is ItemState.DONE)
        await rig.settled(6)
        after = rig.outputs(), rig.charged()
    receipts = {path.name for path in (tmp_path / "receipts").rglob("*.json")}

    assert ({"a.jpg", "x/b.jpg", "x/y/c.jpg", "x/same.jpg", "bad.jpg.failed.txt"}, [1, 1, 1]) == before
    assert (before[0] | {"d.jpg"}, [1, 1, 1, 1]) == after
    assert 5 == len(receipts)
