"""The story of a file, as the stages write it down and `logs` tells it."""

from __future__ import annotations

from functools import partial
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from stage_rig import EPOCH, rule, running

from runflowd.core.lifecycle import ITEM_MOVES, ItemState
from runflowd.core.model import After, AfterKind, BatchLimits
from runflowd.pipeline.dispatch.failed_batches import MODEL_TRIES
from runflowd.store.pauses import pause
from runflowd.store.retries import retry

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

GONE = {"requests": [{"route": "GET /storage/*", "kind": "status", "status": 404, "count": None}]}

GONE_AWAY = "the file is not in the watched folder any more"


async def told(rig: Rig, path: str) -> list[dict[str, Any]]:
    """Every content that was at a path."""
    versions: list[dict[str, Any]] = (await rig.ask("logs", path=path))["versions"]
    return versions


def states(version: dict[str, Any]) -> list[str]:
    """Where it stood after each step."""
    return [step["state"] for step in version["steps"]]


async def try_again(rig: Rig) -> None:
    """What `retry --all` does, and wait for the result."""
    for item in await rig.items():
        if item.current and item.state in {ItemState.FAILED, ItemState.OUTCOME_UNKNOWN}:
            await rig.store.write(partial(retry, item=item, now=EPOCH, buy_again=False))
    await rig.until(lambda found: set(found.values()) == {ItemState.DONE})
    await anyio.sleep(10)


async def test_a_file_s_whole_life_is_reported_in_its_order(tmp_path: Path) -> None:
    """A failure and a retry, another content whose result cannot be had at first, and a rename."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        path = rig.drop("a.jpg", seed=1)
        await rig.until(lambda found: found.get("a.jpg") is ItemState.FAILED)
        await anyio.sleep(10)
        rig.switch(faults={})
        await try_again(rig)
        rig.switch(faults=GONE)
        rig.drop("a.jpg", seed=2)
        await rig.until(lambda found: found["a.jpg"] is ItemState.OUTCOME_UNKNOWN)
        await anyio.sleep(10)
        rig.switch(faults={})
        await try_again(rig)
        path.rename(path.with_name("b.jpg"))
        await anyio.sleep(60)
        first, second = await told(rig, "a.jpg")
        (renamed,) = await told(rig, "b.jpg")

    bought = ["ready", "queued", "submitted"]
    assert [*bought, "failed", "failed", "failed", *bought, "downloading", "done", "done"] == states(first)
    assert [
        *bought,
        "downloading",
        "outcome_unknown",
        "outcome_unknown",
        "downloading",
        "done",
        "done",
        "done",
    ] == states(second)
    assert (["downloading", "done"], second["id"]) == (states(renamed), renamed["source"]["id"])
    assert (first["current"], second["current"], second["present"], renamed["whole"]) == (False, True, False, True)
    details = [step["detail"] for step in first["steps"] + second["steps"] + renamed["steps"]]
    for words in (
        "noted in the output folder: a.jpg.failed.txt",
        "another try was asked for: will be looked at again, as if it had been touched",
        f"another content took its place: item {second['id']}",
        "another try was asked for: its result will be fetched again",
        "the file was renamed to b.jpg, and its result moved along",
        "result: b.jpg",
    ):
        assert words in details


async def test_a_source_that_is_cleared_away_is_reported(tmp_path: Path) -> None:
    """And the same file once more, which costs nothing."""
    async with running(tmp_path, rule(tmp_path, after=After(AfterKind.DELETE))) as rig:
        for _ in range(2):
            rig.drop("a.jpg", seed=1)
            await rig.until(lambda found: found.get("a.jpg") is ItemState.DONE)
            await anyio.sleep(60)
        (version,) = await told(rig, "a.jpg")

    done = [step["detail"] for step in version["steps"] if step["state"] == "done"]
    assert ["result: a.jpg; the source was deleted"] == sorted({*done} - {GONE_AWAY})
    assert ["downloading", "done"] == [state for state, _ in groupby(states(version))][-2:]


async def test_what_holds_a_file_up_is_reported_for_the_present(tmp_path: Path) -> None:
    """A pause is a fact of now, not a step of every file that waits for its end."""
    async with running(tmp_path, rule(tmp_path, batch=BatchLimits(quiet=600, max_wait=600))) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda found: found.get("a.jpg") is ItemState.READY)
        await rig.store.write(partial(pause, rule="studio", reason="stock-taking", now=EPOCH))
        (version,) = await told(rig, "a.jpg")

    assert (["ready"], True) == (states(version), "stock-taking" in version["now"][0])


async def test_a_purchase_is_reported_without_its_key(tmp_path: Path) -> None:
    """Who knows a key can ask for the purchase in our name."""
    async with running(tmp_path) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)
        (version,) = await told(rig, "a.jpg")
        keys = await rig.store.read(
            lambda connection: [row[0] for row in connection.raw.execute("SELECT key FROM purchase")]
        )

    batch = version["batch"]
    assert (["accepted"], True, True) == (
        [request["outcome"] for request in batch["requests"]],
        bool(batch["remote_id"]),
        bool(batch["upload"]["asset"]),
    )
    assert [] == [key for key in keys if key in str(version)]


@pytest.mark.parametrize(
    ("route", "where", "code"),
    [
        ("POST /v1/models/*", ItemState.QUEUED, "MODEL_UNAVAILABLE"),
        ("GET /v1/batches/*", ItemState.SUBMITTED, "UNREACHABLE"),
        ("GET /storage/*", ItemState.DOWNLOADING, "RESULT_UNREACHABLE"),
    ],
)
async def test_a_try_that_fails_over_and_over_keeps_the_story_short(
    tmp_path: Path, route: str, where: ItemState, code: str
) -> None:
    """Single tries are written down until it is told as trouble wider than the file; from then on nothing is."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"requests": [{"route": route, "kind": "status", "status": 503, "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda found: found.get("a.jpg") is where)
        await anyio.sleep(600)
        rig.switch(faults={})
        await rig.until(lambda found: found["a.jpg"] is ItemState.DONE)
        (version,) = await told(rig, "a.jpg")

    way = [state for state, _ in groupby(states(version))]
    assert (["ready", "queued", "submitted", "downloading", "done"], [code]) == (
        way,
        [step["code"] for step in version["steps"] if step["code"]],
    )
    assert len(states(version)) <= len(way) + MODEL_TRIES


async def test_every_story_is_a_way_along_the_table(tmp_path: Path) -> None:
    """Duplicates of others, that vanish, that are no image, in a batch that is split."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "fail"}]})
        for name in ("a.jpg", "b.jpg"):
            rig.drop(name, seed=1)
        (tmp_path / "in/text.jpg").write_bytes(b"no image at all")
        gone = rig.drop("gone.jpg")
        await rig.until(lambda found: "gone.jpg" in found)
        gone.unlink()
        await rig.settled(3)
        rig.drop("text.jpg")
        await anyio.sleep(60)
        items = await rig.items()
        stories = [states(version) for item in items for version in (await rig.ask("logs", item=item.id))["versions"]]

    ways = [[ItemState(state) for state, _ in groupby(story)] for story in stories]
    assert [] == [(one, other) for way in ways for one, other in pairwise(way) if other not in ITEM_MOVES[one]]
    assert [item.state for item in items] == [way[-1] for way in ways]
