"""Links that are fresh: what is sent names its uploads by links that the service can still follow, or is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from local_service import InProcess
from stage_rig import EPOCH, rule, running

from runflowd.core.lifecycle import ItemState
from runflowd.core.links import MAX_TRIES
from runflowd.core.model import InputLinks
from runflowd.pipeline.dispatch.habits import takes_key
from runflowd.store.connection import stored_value
from runflowd.store.history import story
from runflowd.store.links import LIFE_KEY, references_key

if TYPE_CHECKING:
    from pathlib import Path

    from stage_rig import Rig

pytestmark = pytest.mark.anyio

CREATE = "POST /v1/models/*"
MODEL = "runflow/pass-through"
SHORT = {"url_lifetime": 60.0}
"""Links that live a minute, and say so."""

AT_ITS_TURN = {"input_read": "run"}
UNREADABLE = {"runs": [{"kind": "unreadable", "count": None}]}
HOUR, DAY = 3_600.0, 90_000.0


class Away(InProcess):
    """The service, to which no purchase but the first `passed` gets through until `until` (the loop's clock)."""

    until = 0.0
    passed = 0
    seen = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and "/models/" in request.url.path:
            self.seen += 1
            if self.seen > self.passed and anyio.current_time() < self.until:
                raise httpx.ConnectError("no way there", request=request)
        return await super().handle_async_request(request)


def away(seconds: float, *, passed: int = 0) -> type[Away]:
    """A service that is out of reach for so long from now."""
    return type("AwayNow", (Away,), {"until": anyio.current_time() + seconds, "passed": passed})


async def asked(rig: Rig, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the state file."""
    return await rig.store.read(lambda connection: [tuple(row) for row in connection.raw.execute(sql)])


async def outcomes(rig: Rig) -> list[str]:
    """What became of each request, oldest first."""
    return [row[0] for row in await asked(rig, "SELECT outcome FROM purchase ORDER BY intended_at")]


async def told(rig: Rig, key: str) -> str | None:
    """What is remembered of the service."""
    return await rig.store.read(lambda connection: stored_value(connection, "test", key))


async def single(rig: Rig, *, runs: bool) -> None:
    """Let the model take single runs only, which is known already."""
    if runs:
        rig.take_no_batches()
        known = {"service": "test", "key": takes_key(MODEL), "value": "no"}
        await rig.store.write(lambda connection: connection.run("save_value", **known))


@pytest.mark.parametrize("runs", [False, True])
async def test_an_intent_that_never_left_is_prepared_anew_once_its_links_are_old(tmp_path: Path, runs: bool) -> None:
    """After an outage the purchase goes out with fresh links under another key, and harms no file (scenario 134)."""
    async with running(tmp_path, service=SHORT, wire=away(200)) as rig:
        await single(rig, runs=runs)
        rig.switch(api_variants=AT_ITS_TURN)
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2, 2 * HOUR)
        ends = await outcomes(rig)
        keys = await asked(rig, "SELECT count(DISTINCT key) FROM purchase")

        assert ({"a.jpg", "b.jpg"}, [1, 1], [0, 0]) == (
            rig.outputs(),
            rig.charged(),
            [item.resent for item in await rig.items()],
        )
        assert ({"outdated", "accepted"}, [(len(ends),)]) == (set(ends), keys)
        assert any(["prepared anew" in await words(rig, path) for path in ("a.jpg", "b.jpg")])  # runs go one by one


async def words(rig: Rig, path: str) -> str:
    """The whole story of a file, in one text."""
    (item,) = [each for each in await rig.items() if each.path == path]
    return "\n".join(step.detail for step in await rig.store.read(lambda connection: story(connection, item.id)))


async def test_an_intent_that_never_left_keeps_its_key_while_its_links_are_young(tmp_path: Path) -> None:
    """Nothing is prepared for nothing: while nothing is known of a link's life, ten minutes (scenario 134)."""
    async with running(tmp_path, wire=away(300)) as rig:
        rig.drop("a.jpg")
        await rig.settled(1)

        assert (["accepted"], [1]) == (await outcomes(rig), rig.charged())


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("read", ["creation", "run"])
async def test_a_request_that_may_have_been_received_is_never_replaced(tmp_path: Path, read: str, runs: bool) -> None:
    """It goes out again as it is, old links and all; only when the service says that it could not follow them
    is the file sent anew, and is charged once (scenario 134).
    """
    lost = [{"route": CREATE, "kind": "cut"}, {"route": CREATE, "kind": "status", "status": 503, "count": 7}]
    async with running(tmp_path, service=SHORT) as rig:
        await single(rig, runs=runs)
        rig.switch(api_variants={"input_read": read}, faults={"requests": lost})
        rig.drop("a.jpg")
        await rig.settled(1, 2 * HOUR)
        first = await asked(rig, "SELECT ambiguous, unreceived FROM purchase ORDER BY intended_at LIMIT 1")
        (item,) = await rig.items()

        assert ([(1, 0)], 1) == (first, item.resent)
        assert (ItemState.DONE, [1]) == (item.state, rig.charged())


async def test_a_key_that_nobody_ever_saw_leaves_no_doubt_however_old(tmp_path: Path) -> None:
    """After more than a day out of reach there is nothing to ask a person about (scenario 134)."""
    async with running(tmp_path, rule(tmp_path, links=InputLinks.ASSET), wire=away(300)) as rig:
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(60)
        rig.jump(DAY)
        await rig.settled(1)

        assert (["outdated", "accepted"], [1]) == (await outcomes(rig), rig.charged())


@pytest.mark.parametrize("runs", [False, True])
async def test_a_file_whose_upload_could_not_be_read_goes_again_unharmed(tmp_path: Path, runs: bool) -> None:
    """It was not charged and is not at fault: once more with a fresh link, beside the others (scenario 134)."""
    async with running(tmp_path) as rig:
        await single(rig, runs=runs)
        rig.switch(faults={"runs": [{"kind": "unreadable", "match": "*a.jpg", "count": 2}]})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)
        story = await words(rig, "a.jpg")

        assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())
        assert 2 == story.count("goes once more with a fresh link")


async def test_what_cannot_be_read_three_times_more_fails_with_a_sentence(tmp_path: Path) -> None:
    """Its duplicates fail with it; the count survives restarts (scenario 134)."""
    made = 0
    for life in range(4):
        async with running(tmp_path, began=EPOCH + life * HOUR) as rig:
            rig.switch(faults={"runs": [{"kind": "unreadable", "count": None}]})
            if not life:
                rig.drop("a.jpg", seed=1)
                rig.drop("copy.jpg", seed=1)
            await anyio.sleep(10 if life < 3 else 120)
            made = rig.local.service.storage.all("SELECT count(*) AS n FROM runs")[0]["n"]
            items = await rig.items()

    assert (MAX_TRIES + 1, {"UPLOAD_UNREADABLE"}) == (made, {item.failure_code for item in items})
    assert {ItemState.FAILED} == {item.state for item in items}
    note = (tmp_path / "out/a.jpg.failed.txt").read_text()
    assert "could not read what runflowd uploaded after 3 more tries" in note
    assert "was not charged" in note


async def test_a_link_is_renewed_first_and_the_upload_repeated_then(tmp_path: Path) -> None:
    """The link may be to blame, or what it leads to."""
    async with running(tmp_path) as rig:
        rig.switch(faults={"runs": [{"kind": "unreadable", "count": 2}]})
        rig.drop("a.jpg")
        await rig.settled(1)
        requests = rig.local.service.requests

        assert (1, 2) == (
            sum(n for route, n in requests.items() if route.startswith("GET /v1/assets/")),
            requests["POST /v1/asset-uploads"],
        )


async def test_links_that_end_before_they_say_so_are_learnt_about(tmp_path: Path) -> None:
    """The second rule takes the first one's link for good, loses it, and the life that was seen is remembered
    (scenario 134).
    """
    other = rule(tmp_path / "other", name="other", input={"image_url": "${file.url}", "prompt": "other"})
    async with running(tmp_path, rule(tmp_path), other) as rig:
        rig.switch(api_variants={"asset_links": "early"})
        rig.drop("a.jpg", seed=1)
        await rig.until(lambda states: states.get("a.jpg") is ItemState.DONE)
        await anyio.sleep(120)
        rig.drop("../other/in/b.jpg", seed=1)
        await rig.settled(2)
        life = float(await told(rig, LIFE_KEY) or "nan")

        assert ({"a.jpg": ItemState.DONE, "b.jpg": ItemState.DONE}, [1, 1]) == (await rig.states(), rig.charged())
        assert 60 < life < 200


async def test_the_first_link_of_a_slow_batch_is_renewed_before_it_is_sent(tmp_path: Path) -> None:
    """A batch takes longer to upload than one of its links may be used (scenario 134)."""
    async with running(tmp_path, service=SHORT) as rig:
        slow = {"route": "POST /v1/asset-uploads", "kind": "slow", "seconds": 90, "skip": 1}
        rig.switch(api_variants=AT_ITS_TURN, faults={"requests": [slow]})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ([1, 1], [0, 0]) == (rig.charged(), [item.resent for item in await rig.items()])


async def test_uploads_can_be_named_without_a_link(tmp_path: Path) -> None:
    """`input_links: asset`: such a name is as good after hours as at first (scenario 134)."""
    async with running(tmp_path, rule(tmp_path, links=InputLinks.ASSET), service=SHORT, wire=away(400)) as rig:
        rig.switch(api_variants=AT_ITS_TURN)
        rig.drop("a.jpg")
        await rig.settled(1, 3 * HOUR)
        remembered = await told(rig, references_key(MODEL))

        assert (["accepted"], [1], "yes") == (await outcomes(rig), rig.charged(), remembered)


@pytest.mark.parametrize("invalid", ["item", "batch"])
@pytest.mark.parametrize("runs", [False, True])
async def test_where_names_are_refused_links_are_sent(tmp_path: Path, runs: bool, invalid: str) -> None:
    """No file fails for it, and the next one is sent with a link at once (scenario 134)."""
    async with running(tmp_path, rule(tmp_path, links=InputLinks.ASSET)) as rig:
        await single(rig, runs=runs)
        rig.switch(api_variants={"asset_ref": "refused", "invalid_item": invalid})
        rig.drop("a.jpg")
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE})
        asked = (await outcomes(rig)).count("outdated"), len(await rig.batches())
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ("no", [1, 1], asked) == (
            await told(rig, references_key(MODEL)),
            rig.charged(),
            ((await outcomes(rig)).count("outdated"), len(await rig.batches()) - 1),
        )


async def test_a_failure_that_was_charged_is_left_as_it_is(tmp_path: Path) -> None:
    """Whatever its words: what was paid for is not bought again by itself (scenario 134)."""
    async with running(tmp_path, wire=Charging) as rig:
        rig.switch(faults=UNREADABLE)
        rig.drop("a.jpg")
        await rig.settled(1)
        (item,) = await rig.items()

        assert (ItemState.FAILED, "INPUT_DOWNLOAD_FAILED", 0) == (item.state, item.failure_code, item.resent)


class Charging(InProcess):
    """The service, which charges for what failed."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not request.url.path.endswith("/items"):
            return answer
        body = (await answer.aread()).replace(b'"cost":"0"', b'"cost":"0.05"').replace(b'"cost":0', b'"cost":0.05')
        return httpx.Response(200, content=body, request=request)


async def test_halves_are_prepared_anew_as_well(tmp_path: Path) -> None:
    """A batch was refused whole, and before its halves could be sent the service was out of reach (scenario 134)."""
    bad = {"match": "*bad.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
    async with running(tmp_path, service=SHORT, wire=away(200, passed=2)) as rig:
        rig.switch(api_variants={"pointer": "none", "invalid_item": "batch", **AT_ITS_TURN}, faults={"runs": [bad]})
        for name in ("a.jpg", "b.jpg", "bad.jpg"):
            rig.drop(name)
        await rig.settled(3)
        split = await asked(rig, "SELECT 1 FROM batch WHERE failure_code = 'SPLIT'")

        assert ({"a.jpg", "b.jpg", "bad.jpg.failed.txt"}, [1, 1]) == (rig.outputs(), rig.charged())
        assert (True, True) == (bool(split), "outdated" in await outcomes(rig))
