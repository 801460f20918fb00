"""The watchdog is fed while every stage turns its loop, and not a minute longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from stage_rig import running

from runflowd.pipeline.context import MAX_IDLE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_one_stage_that_does_not_turn_is_enough(tmp_path: Path) -> None:
    """Idle stages turn by themselves; each of them alone, standing still for four idle timeouts, ends the feeding."""
    async with running(tmp_path) as rig:
        await anyio.sleep(600)
        now, heartbeats = rig.engine.context.clock.now(), rig.engine.context.heartbeats
        idle = rig.engine.is_alive(now)
        stuck = {}
        for stage in sorted(heartbeats):
            kept, heartbeats[stage] = heartbeats[stage], now - 4 * MAX_IDLE
            stuck[stage] = rig.engine.is_alive(now)
            heartbeats[stage] = kept

    assert (True, dict.fromkeys(("deliver", "dispatch", "intake", "track"), False)) == (idle, stuck)
