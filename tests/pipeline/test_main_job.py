"""Files in, results out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage_rig import running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_dropped_tree_comes_out_mirrored(tmp_path: Path) -> None:
    """Each file's result stands at the same relative path, bought once."""
    async with running(tmp_path) as rig:
        for name in ("a.jpg", "x/b.jpg", "x/y/c.jpg"):
            rig.drop(name)
        await rig.settled(3)

        assert rig.outputs() == {"a.jpg", "x/b.jpg", "x/y/c.jpg"}
        assert rig.charged() == [1, 1, 1]
