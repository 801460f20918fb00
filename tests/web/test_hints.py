"""The stream of hints: one for what was committed, a bounded number of them, and none that outlives the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.requests import Request
from web_rig import site_over, web

from runflowd.core.lifecycle import ItemState
from runflowd.web import hints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from web_rig import Web

pytestmark = [pytest.mark.anyio, pytest.mark.waits]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Web]:
    """A listener on loopback."""
    async with web(tmp_path) as made:
        yield made


async def test_a_commit_is_hinted_at_and_the_end_of_the_daemon_ends_the_stream(rig: Web) -> None:
    """Without a word of what changed: that is for who may see it."""
    async with rig.http.stream("GET", "/events") as answer:
        lines = answer.aiter_lines()
        assert "retry: 2000" == await anext(lines)
        await rig.set_aside("secret.jpg", ItemState.WAITING, "BUSY", "no")
        told = ""
        with anyio.fail_after(60):
            while not told.startswith("event:"):
                told = await anext(lines)
        rig.site.stopping = True
        with anyio.fail_after(60):
            rest = [line async for line in lines]

    after = await rig.http.get("/events")
    assert ("event: changed", False, 204) == (told, "secret" in "".join(rest), after.status_code)


async def test_a_listener_that_moves_has_streams_again(tmp_path: Path) -> None:
    """The same application is served at the new address."""
    async with site_over(tmp_path) as site:
        stream = hints.ChangeHints(site)
        codes = []
        for _ in range(2):
            async with anyio.create_task_group() as group:
                group.start_soon(stream.run)
                await anyio.wait_all_tasks_blocked()
                codes.append((await stream.stream(Request({"type": "http"}))).status_code)
                group.cancel_scope.cancel()

    assert [200, 200] == codes


async def test_streams_are_bounded(rig: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes beyond them renews the page by a clock of its own; one that is closed makes room."""
    monkeypatch.setattr(hints, "MAX_STREAMS", 1)
    async with rig.http.stream("GET", "/events") as first:
        await anext(first.aiter_lines())
        beyond = await rig.http.get("/events")
    with anyio.fail_after(60):
        while rig.application.hints.streams:
            await anyio.sleep(0.02)

    assert (200, 503) == (first.status_code, beyond.status_code)
