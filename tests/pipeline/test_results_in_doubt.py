"""While what a rule has paid for may be of no use, it buys nothing more; what may still come is never given up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx
import pytest
from local_service import InProcess
from stage_rig import EPOCH, rule, running

from runflowd.config import Limits
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import BatchLimits
from runflowd.core.undeliverable import IN_A_ROW
from runflowd.pipeline.deliver.verdict import MAX_TRIES
from runflowd.pipeline.intake.planning import Planning
from runflowd.store.pauses import Pause, pauses
from runflowd.store.plans import open_for_plan
from runflowd.store.reports import incidents

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

    from runflowd.core.model import Rule

pytestmark = pytest.mark.anyio

DOWNLOAD = "GET /storage/*"
UNDELIVERABLE = ("results:studio", "RESULT_UNDELIVERABLE")


def page(count: int | None = None, kind: str = "login", **more: Any) -> dict[str, Any]:
    """The storage answers so many downloads, or all of them, with something that is no result."""
    return {"requests": [{"route": DOWNLOAD, "kind": kind, "count": count, **more}]}


def one_by_one(folder: Path) -> Rule:
    """A rule that buys each file in a batch of its own."""
    return rule(folder, batch=BatchLimits(quiet=0.1, max_wait=1, max_items=1))


async def held(rig: Rig) -> list[Pause]:
    """What buys nothing."""
    return await rig.store.read(pauses)


async def told(rig: Rig) -> list[tuple[str, str]]:
    """Scope and code of everything that is wrong."""
    return [(each.scope, each.code) for each in await rig.store.read(incidents)]


async def until_held(rig: Rig) -> None:
    """Wait until nothing more is bought."""
    with anyio.fail_after(60):
        while not await held(rig):
            await anyio.sleep(0.1)


@pytest.mark.parametrize("kind", ["login", "xml", "short"])
async def test_nothing_more_is_bought_while_the_first_result_is_in_doubt(tmp_path: Path, kind: str) -> None:
    """Thirty files come one after the other; bought is what was under way before the first result (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page(kind=kind))
        for number in range(30):
            rig.drop(f"{number:02}.jpg")
            await anyio.sleep(4)
        meanwhile = (len(rig.charged()), await told(rig), [each.rule for each in await held(rig)])
        await rig.until(lambda states: ItemState.OUTCOME_UNKNOWN in states.values())
        await anyio.sleep(60)

        assert (True, [], ["studio"]) == (meanwhile[0] <= 4, *meanwhile[1:])
        assert (meanwhile[0], [UNDELIVERABLE]) == (len(rig.charged()), await told(rig))


async def test_a_held_rule_goes_on_by_itself_when_the_result_comes_right(tmp_path: Path) -> None:
    """Nobody has to say a word, and everything is delivered, once (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page(3))
        rig.drop("a.jpg")
        await until_held(rig)
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())
        assert ([], []) == (await held(rig), await told(rig))


async def test_another_result_of_the_recipe_lets_a_held_rule_go_on(tmp_path: Path) -> None:
    """That one comes proves the recipe; the other may be that file's own trouble."""
    async with running(tmp_path) as rig:
        slow = {"kind": "slow", "seconds": 20, "match": "*slow.jpg"}
        rig.switch(faults={**page(), "runs": [slow]})
        rig.drop("a.jpg")
        rig.drop("slow.jpg")
        await until_held(rig)
        rig.switch(faults={"runs": [slow]})
        await rig.until(lambda states: ItemState.DONE in states.values())

        assert [] == await held(rig)


async def test_what_was_sealed_before_waits_as_well(tmp_path: Path) -> None:
    """Also a batch whose upload is under way when the doubt comes up (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        upload = {"route": "PUT *", "kind": "slow", "seconds": 60, "skip": 1, "count": None}
        slow = {"kind": "slow", "seconds": 30, "match": "*a.jpg"}
        rig.switch(faults={"requests": [upload, *page()["requests"]], "runs": [slow]})
        rig.drop("a.jpg")
        await anyio.sleep(4)
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.QUEUED)
        before = await held(rig)
        await until_held(rig)
        await anyio.sleep(60)
        meanwhile = rig.charged()
        rig.switch(faults={})
        await rig.settled(2)

        assert ([], [1], [1, 1]) == (before, meanwhile, rig.charged())


async def test_runs_bought_one_by_one_stop_in_the_middle_of_their_batch(tmp_path: Path) -> None:
    """A model that takes no batches: the run under way is bought, the next one waits (scenario 116)."""
    together = rule(tmp_path, batch=BatchLimits(quiet=2, max_wait=5, max_items=3))
    async with running(tmp_path, together) as rig:
        rig.take_no_batches()
        buying = {"route": "POST /v1/models/*", "kind": "slow", "seconds": 20, "skip": 1, "count": None}
        slow = {"kind": "slow", "seconds": 30, "match": "*a.jpg"}
        rig.switch(faults={"requests": [buying, *page()["requests"]], "runs": [slow]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.SUBMITTED)
        for name in ("b.jpg", "c.jpg", "d.jpg"):
            rig.drop(name)
        await until_held(rig)
        await anyio.sleep(60)
        meanwhile = rig.charged()
        rig.switch(faults={})
        await rig.settled(4)

        assert ([1, 1, 1], [1, 1, 1, 1]) == (meanwhile, rig.charged())


async def test_a_hold_is_shown_with_its_reason(tmp_path: Path) -> None:
    """In `status`, in `logs` of a file that waits, in `plan` and in the metrics, as a pause is."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await until_held(rig)
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.READY)
        (item, _) = await rig.items()
        (shown,) = (await rig.ask("status", limit=20))["paused"]
        (version,) = (await rig.ask("logs", path="b.jpg"))["versions"]

        assert f"the result of a.jpg (run {item.run_id}) cannot be delivered yet" in shown["reason"]
        assert f"of {MAX_TRIES}" in shown["reason"]
        assert "goes on by itself" in shown["remedy"]
        assert any(shown["reason"] in line for line in version["now"])
        assert shown["reason"] in await anyio.to_thread.run_sync(why_planned, rig, "b.jpg")


def why_planned(rig: Rig, path: str) -> str:
    """Why a file is not taken, as `plan` says."""
    chosen = rig.engine.context.rules["studio"]
    with open_for_plan(rig.store.place) as connection:
        planning = Planning(connection, Limits(), lambda: 0.0, lambda _: None)
        return next(each.why for each in planning.plan(chosen) if each.path == path)


async def test_a_hold_outlives_a_restart(tmp_path: Path) -> None:
    """It stands in the state file, beside the tries that were made; so does the end of it (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await until_held(rig)
        await anyio.sleep(10)
    async with running(tmp_path, one_by_one(tmp_path), began=EPOCH + 20) as rig:
        rig.switch(faults=page(1))
        before = [each.rule for each in await held(rig)]
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.READY)
        meanwhile = rig.charged()
        await rig.settled(2)

        assert (["studio"], [1], [1, 1]) == (before, meanwhile, rig.charged())
        assert ({"a.jpg", "b.jpg"}, []) == (rig.outputs(), await held(rig))


async def test_after_a_success_three_in_doubt_hold_a_rule(tmp_path: Path) -> None:
    """Fewer may be those files' own trouble; three files, not three tries of one."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.drop("good.jpg")
        await rig.settled(1)
        rig.switch(faults=page())
        seen = []
        for number in range(IN_A_ROW):
            rig.drop(f"{number}.jpg")
            await anyio.sleep(15)
            seen.append([each.rule for each in await held(rig)])
        rig.switch(faults={})
        await rig.settled(4)

        assert ([[], [], ["studio"]], []) == (seen, await held(rig))


async def test_an_edit_of_what_is_bought_ends_a_hold(tmp_path: Path) -> None:
    """The results of another recipe are another question."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await until_held(rig)
        changed = replace(rig.engine.context.rules["studio"], input={"image_url": "${file.url}", "prompt": "an image"})
        rig.engine.context.rules = {"studio": changed}
        rig.engine.context.stage_events.notify_all()
        await anyio.sleep(30)

        assert [] == await held(rig)


async def test_a_person_does_not_wait_for_what_is_in_doubt(tmp_path: Path) -> None:
    """What was bought before `resume` says nothing more about the rule; what is bought after it does."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await until_held(rig)
        await rig.ask("resume", rules=["studio"], everything=False)
        await anyio.sleep(300)
        between = (await held(rig), await told(rig), (await rig.states())["a.jpg"])
        rig.drop("b.jpg")
        await rig.until(lambda states: states.get("b.jpg") is ItemState.DOWNLOADING)
        await until_held(rig)

        assert ([], [], ItemState.OUTCOME_UNKNOWN) == between


async def test_a_pause_of_a_person_counts_more_than_a_hold(tmp_path: Path) -> None:
    """No result ends it."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page(4))
        rig.drop("a.jpg")
        await until_held(rig)
        await rig.ask("pause", rules=["studio"], everything=False, reason="stock-taking")
        await rig.settled(1)

        assert ["stock-taking"] == [each.reason for each in await held(rig)]


async def test_when_the_tries_are_used_up_a_resume_fetches_the_result_again(tmp_path: Path) -> None:
    """It is paid for: the incident says where it is, its remedy brings it, nothing is bought twice (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()
        (incident,) = await rig.store.read(incidents)
        rig.switch(faults={})
        answer = await rig.ask("resume", rules=["studio"], everything=False)
        await rig.settled(1)

        assert (f"run {item.run_id}" in incident.message, True) == (True, "`runflowd resume studio`" in incident.remedy)
        assert ({"a.jpg"}, [1], 1) == (rig.outputs(), rig.charged(), answer["fetched"])
        assert ([], []) == (await held(rig), await told(rig))


async def test_a_result_that_stays_away_after_a_resume_stops_nothing_again(tmp_path: Path) -> None:
    """A person has let the rule go on as it is; its next purchase tells."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        rig.switch(faults=page(kind="status", status=404))
        rig.drop("a.jpg")
        await rig.settled(1)
        await rig.ask("resume", rules=["studio"], everything=False)
        await anyio.sleep(120)
        between = (await held(rig), await rig.states())
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ([], {"a.jpg": ItemState.OUTCOME_UNKNOWN}) == between
        assert ([UNDELIVERABLE], [1, 1]) == (await told(rig), rig.charged())


class StaleLink(InProcess):
    """A cache before the storage: it keeps answering the first link it saw with a page."""

    stale = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/storage/") and request.method == "GET":
            StaleLink.stale = StaleLink.stale or str(request.url)
            if str(request.url) == StaleLink.stale:
                return httpx.Response(200, text="<html>Service unavailable</html>", request=request)
        return await super().handle_async_request(request)


async def test_each_further_try_asks_for_a_fresh_link(tmp_path: Path) -> None:
    """The page may belong to the old one alone (scenario 114)."""
    StaleLink.stale = ""
    async with running(tmp_path, one_by_one(tmp_path), wire=StaleLink) as rig:
        rig.drop("a.jpg")
        taken = await rig.settled(1)

        assert ({"a.jpg": ItemState.DONE}, True) == (await rig.states(), taken < 30)


async def test_a_service_that_shows_the_run_no_more_gives_no_result_up(tmp_path: Path) -> None:
    """The link that is on record may still come right (scenario 116)."""
    async with running(tmp_path, one_by_one(tmp_path)) as rig:
        gone = {"route": "GET /v1/*", "kind": "status", "status": 404, "count": None}
        rig.switch(faults=page())
        rig.drop("a.jpg")
        await until_held(rig)
        rig.switch(faults={"requests": [{"route": DOWNLOAD, "kind": "login", "count": 3}, gone]})
        await rig.settled(1)

        assert {"a.jpg"} == rig.outputs()


@pytest.mark.parametrize("everything", [False, True])
async def test_resume_says_how_many_files_are_bought_now(tmp_path: Path, *, everything: bool) -> None:
    """What waits is paid for as soon as nothing holds it up: who resumes should know how much that is."""
    async with running(tmp_path) as rig:
        names = {"rules": [], "everything": True} if everything else {"rules": ["studio"], "everything": False}
        await rig.ask("pause", reason="", **names)
        for name in ("a.jpg", "b.jpg"):
            rig.drop(name)
        await rig.until(lambda states: list(states.values()) == [ItemState.READY, ItemState.READY])

        assert 2 == (await rig.ask("resume", **names))["waiting"]
