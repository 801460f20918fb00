"""What a refusal of a purchase means: a field of the body, the rule, a folder's settings, or one file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from local_service import InProcess
from stage_rig import EPOCH, Rig, rule, running
from structlog.testing import capture_logs

from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.model import BatchLimits
from runflowd.local.http.control import ledger

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.observability.incidents import IncidentReport
    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

CREATE = "POST /v1/models/*/batches"
RUN = "POST /v1/models/*/runs"
NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
LITERAL, BARE = "guide-client_ref-metadata", "reference-client_ref-metadata"
DONE = dict.fromkeys(NAMES, ItemState.DONE)
TWICE = {"image_url": "${file.url}", "upscale_factor": 2}


def posts(rig: Rig, kind: str = "batches") -> int:
    """How often the service was asked for batches or runs."""
    requests = ledger(rig.local.service)["requests"].items()
    return sum(count for route, count in requests if route.endswith(kind) and "POST" in route)


def open_codes(rig: Rig) -> dict[str, str]:
    """The open incidents, by their scope."""
    return {str(trouble.scope): trouble.code for trouble in rig.engine.context.incidents.snapshot()}


async def first_told(rig: Rig) -> IncidentReport:
    """The first incident that opens."""
    with anyio.fail_after(60):
        while not (told := rig.engine.context.incidents.snapshot()):
            await anyio.sleep(1)
    return told[0]


async def formats(rig: Rig) -> list[str]:
    """How each purchase was worded, oldest first."""
    query = "SELECT shape FROM purchase ORDER BY intended_at"
    return await rig.store.read(lambda connection: [row["shape"] for row in connection.raw.execute(query)])


def drop_all(rig: Rig) -> None:
    """Four files of different contents, at once."""
    for name in NAMES:
        rig.drop(name)


def take(rig: Rig, *rules: Rule) -> None:
    """As a reload does."""
    rig.engine.context.rules = {each.name: each for each in rules}
    rig.engine.context.stage_events.notify_all()


@pytest.mark.parametrize(
    ("api_variants", "expected"),
    [
        ({"batch_body": "guide_strict"}, ["guide", LITERAL]),
        ({"batch_body": "guide_strict", "errors": "first"}, ["guide", "guide-metadata", LITERAL]),
        ({"batch_body": "guide_strict", "error_envelope": "nested"}, ["guide", "guide-client_ref", LITERAL]),
        ({"batch_body": "guide_strict", "pointer": "none"}, ["guide", "reference", BARE, LITERAL]),
        ({"batch_body": "guide_strict", "error_envelope": "empty"}, ["guide", "reference", BARE, LITERAL]),
        ({"batch_body": "reference", "refused_field": "metadata", "pointer": "none"}, ["guide", "reference", BARE]),
        ({"batch_body": "reference_strict"}, ["guide", "reference"]),
        ({"refused_field": "metadata"}, ["guide", "guide-metadata"]),
        ({"refused_field": "metadata", "error_envelope": "nested"}, ["guide", "guide-metadata"]),
        ({"refused_field": "metadata", "error_envelope": "detail"}, ["guide", "guide-metadata"]),
        ({"refused_field": "client_ref"}, ["guide", "guide-client_ref"]),
        (
            {"refused_field": "client_ref", "batch_body": "reference"},
            ["guide", "guide-client_ref", "reference", "reference-client_ref"],
        ),
    ],
    ids=str,
)
async def test_a_refused_field_is_left_out_and_that_is_learnt_once(
    tmp_path: Path, api_variants: dict[str, Any], expected: list[str]
) -> None:
    """Nothing is split and nothing bought run by run; the next batch begins with what worked (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants=api_variants)
        drop_all(rig)
        await rig.settled(4)
        first = await formats(rig)
        rig.drop("later.jpg")
        await rig.settled(5)

        assert (expected, [*expected, expected[-1]]) == (first, await formats(rig))
        assert ([1] * 5, 0) == (rig.charged(), posts(rig, "runs"))
        assert {*NAMES, "later.jpg"} == rig.outputs()


async def test_a_callback_address_that_is_refused_is_left_out_until_it_is_another(tmp_path: Path) -> None:
    """Polling does without (scenario 131)."""
    async with running(tmp_path) as rig:
        context = rig.engine.context
        context.service = replace(context.service, callback_url="https://hooks.test/1")
        rig.switch(api_variants={"refused_field": "callback_url"})
        rig.drop("a.jpg")
        await rig.settled(1)
        context.service = replace(context.service, callback_url="https://hooks.test/2")
        rig.switch(api_variants={})
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ["guide", "guide-callback_url", "guide"] == await formats(rig)


async def test_runs_do_without_a_field_that_nobody_names(tmp_path: Path) -> None:
    """The barest run is tried before anybody is blamed (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(api_variants={"refused_field": "metadata", "pointer": "none"})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize("field", ["metadata", "client_ref"])
async def test_runs_do_without_a_refused_field_too(tmp_path: Path, field: str) -> None:
    """Each run has its own try of the same item, and the next one knows (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        rig.switch(api_variants={"refused_field": field})
        rig.drop("a.jpg")
        rig.drop("b.jpg")
        await rig.settled(2)

        assert ["run", f"run-{field}", f"run-{field}"] == (await formats(rig))[-3:]
        assert ({"a.jpg", "b.jpg"}, [1, 1]) == (rig.outputs(), rig.charged())


@pytest.mark.parametrize("items", ["ordered", "shuffled", "doubled"])
@pytest.mark.parametrize("base", [0, 1])
async def test_results_find_their_files_without_references(tmp_path: Path, items: str, base: int) -> None:
    """By the run ids of the answer, in its order (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"refused_field": "client_ref", "items": items, "sequence_base": base})
        sources = {name: rig.drop(name).read_bytes() for name in NAMES}
        await rig.settled(4)

        assert sources == {name: (tmp_path / "out" / name).read_bytes() for name in NAMES}


async def test_a_lost_answer_without_references_is_repeated_under_its_key(tmp_path: Path) -> None:
    """There is nothing to look for; the service knows the key (scenario 131)."""
    async with running(tmp_path) as rig:
        lost = {"route": CREATE, "kind": "lose", "skip": 1}
        rig.switch(api_variants={"refused_field": "client_ref"}, faults={"requests": [lost]})
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_an_old_intent_without_references_is_unknown_and_not_looked_for(tmp_path: Path) -> None:
    """That nothing is found by a reference that was never sent proves nothing (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.switch(api_variants={"refused_field": "client_ref"})
        rig.drop("first.jpg")
        await rig.settled(1)
        outage = [{"route": CREATE, "kind": "lose"}, {"route": CREATE, "kind": "status", "status": 503, "count": None}]
        rig.switch(api_variants={"refused_field": "client_ref"}, faults={"requests": outage})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(3)
        await rig.store.write(age_intents)
        await rig.settled(2)

        assert (ItemState.OUTCOME_UNKNOWN, [1, 1]) == ((await rig.states())["a.jpg"], rig.charged())


@pytest.mark.parametrize("remembering", ["honoured", "ignored"])
async def test_a_run_without_reference_whose_answer_was_lost_is_unknown(tmp_path: Path, remembering: str) -> None:
    """No page says that runs know keys, and it cannot be looked for: stop and ask (scenario 131)."""
    async with running(tmp_path) as rig:
        rig.take_no_batches()
        lost = {"route": RUN, "kind": "lose", "skip": 1}
        rig.switch(
            api_variants={"refused_field": "client_ref", "idempotency": remembering}, faults={"requests": [lost]}
        )
        rig.drop("a.jpg")
        await rig.settled(1)

        assert ({"a.jpg": ItemState.OUTCOME_UNKNOWN}, [1]) == (await rig.states(), rig.charged())


def age_intents(connection: Connection) -> None:
    """Make every intent older than any key's memory, as after a long outage."""
    connection.raw.execute("UPDATE purchase SET intended_at = intended_at - 90000")


def enlarging(folder: Path, **changes: Any) -> Rule:
    """A rule for a model that is particular about a number."""
    return rule(folder, **{"model": "runflow/upscale", "input": TWICE, **changes})


MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unknown model": ({"model": "runflow/pass-thru"}, {}),
    "missing": ({"input": {"image": "${file.url}"}}, {}),
    "misspelt": ({"input": {"image_url": "${file.url}", "propmt": "x"}}, {"unknown_inputs": "refused"}),
    "misspelt with a placeholder": (
        {"input": {"image_url": "${file.url}", "propmt": "${file.stem}"}},
        {"unknown_inputs": "refused"},
    ),
    "wrong kind": ({"input": {"image_url": ["${file.url}"]}}, {}),
    "without a name": ({"input": {"image": "${file.url}"}}, {"pointer": "none"}),
    "an empty answer": ({"input": {"image": "${file.url}"}}, {"error_envelope": "empty"}),
}
"""A mistake in the rule, and how the service tells of it."""


@pytest.mark.parametrize("runs", [False, True], ids=["batches", "runs"])
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_in_a_rule_is_one_incident_and_its_files_wait(tmp_path: Path, mistake: str, runs: bool) -> None:
    """Old batches and new ones go on by themselves once the rule is right (scenario 133)."""
    changes, api_variants = MISTAKES[mistake]
    quick = {"batch": BatchLimits(quiet=1, max_wait=5, max_items=2)}
    async with running(tmp_path, rule(tmp_path, **changes, **quick)) as rig:
        rig.switch(api_variants={"invalid_item": "batch", **api_variants})
        if runs:
            rig.take_no_batches()
        drop_all(rig)
        await rig.until(lambda states: len(states) == 4 and set(states.values()) == {ItemState.QUEUED})
        await anyio.sleep(400)
        rig.drop("new.jpg")
        await anyio.sleep(60)
        waiting, told = await rig.states(), open_codes(rig)

        assert (set(waiting.values()), set()) == ({ItemState.QUEUED}, rig.outputs())
        assert {"rule:studio": "MODEL_NOT_FOUND" if mistake == "unknown model" else "RULE_REFUSED"} == told

        take(rig, rule(tmp_path, **quick))
        await rig.settled(5, 120)

        assert ({*NAMES, "new.jpg"}, [1] * 5, {}) == (rig.outputs(), rig.charged(), open_codes(rig))


@pytest.mark.parametrize("runs", [False, True], ids=["batches", "runs"])
async def test_an_unchanged_rule_is_probed_slowly_by_one_batch(tmp_path: Path, runs: bool) -> None:
    """Sixty files of a wrong rule are no sixty requests (scenario 133)."""
    wrong_rule = rule(tmp_path, input={"image": "${file.url}"}, batch=BatchLimits(quiet=1, max_wait=5, max_items=5))
    async with running(tmp_path, replace(wrong_rule, rescan=600.0)) as rig:
        rig.switch(api_variants={"invalid_item": "batch"})
        if runs:
            rig.take_no_batches()
        for number in range(60):
            rig.drop(f"{number}.jpg")
        await rig.until(lambda states: len(states) == 60 and set(states.values()) == {ItemState.QUEUED})
        await anyio.sleep(60)
        before = posts(rig) + posts(rig, "runs")
        await anyio.sleep(3000)

        assert 5 <= posts(rig) + posts(rig, "runs") - before <= 40


async def test_a_service_that_comes_to_terms_with_a_rule_ends_the_incident(tmp_path: Path) -> None:
    """The rule stays as it is: its probe gets through one day, and all of it goes on (scenario 133)."""
    async with running(tmp_path, rule(tmp_path, input={"image_url": "${file.url}", "style": "x"})) as rig:
        rig.switch(api_variants={"unknown_inputs": "refused", "invalid_item": "batch"})
        drop_all(rig)
        await rig.until(lambda states: len(states) == 4 and set(states.values()) == {ItemState.QUEUED})
        await anyio.sleep(60)
        told = open_codes(rig)
        rig.switch(api_variants={})
        await rig.settled(4)

        assert ({"rule:studio": "RULE_REFUSED"}, DONE, {}) == (told, await rig.states(), open_codes(rig))


async def test_the_incident_names_the_key_and_the_value(tmp_path: Path) -> None:
    """What the service refuses, where it stands, and what to do (scenario 133)."""
    async with running(tmp_path, enlarging(tmp_path, input={**TWICE, "upscale_factor": 99})) as rig:
        rig.engine.context.places = {"studio": {("input", "upscale_factor"): "/etc/runflowd/rules.yaml:12"}}
        rig.drop("a.jpg")
        told = await first_told(rig)

    assert "/etc/runflowd/rules.yaml:12" in told.message
    assert "input.upscale_factor: 99" in told.message
    assert "/etc/runflowd/rules.yaml:12" in told.remedy


async def test_an_unknown_model_is_reported_once_with_its_place(tmp_path: Path) -> None:
    """What the rule says, where, and what the service says to that; no second time in our own words (scenario 133)."""
    async with running(tmp_path, rule(tmp_path, model="runflow/pass-thru")) as rig:
        rig.engine.context.places = {"studio": {("model",): "/etc/runflowd/rules.yaml:7"}}
        rig.drop("a.jpg")
        told = await first_told(rig)

    named = "rule studio: `model: runflow/pass-thru` (/etc/runflowd/rules.yaml:7)"
    words = "local.test answered 404 (MODEL_NOT_FOUND): There is no model 'runflow/pass-thru'."
    assert f"{named}: {words}" == told.message.partition(" [request")[0]
    assert "Correct it in /etc/runflowd/rules.yaml:7" in told.remedy


async def test_a_misspelt_key_is_reported_beside_the_one_that_is_missing(tmp_path: Path) -> None:
    """The service knows the one only, the rule the other only (scenario 133)."""
    async with running(tmp_path, rule(tmp_path, input={"image_ulr": "${file.url}"})) as rig:
        places: dict[tuple[str | int, ...], str] = {
            ("input",): "/etc/runflowd/rules.yaml:8",
            ("input", "image_ulr"): "/etc/runflowd/rules.yaml:9",
        }
        rig.engine.context.places = {"studio": places}
        rig.drop("a.jpg")
        told = await first_told(rig)

    assert "refuses `input.image_url` (/etc/runflowd/rules.yaml:8)" in told.message
    assert "`image_ulr` (/etc/runflowd/rules.yaml:9) stands in the rule and may be meant" in told.message
    assert "Correct it in /etc/runflowd/rules.yaml:9" in told.remedy


WALL = " ".join(f"word{number}" for number in range(300))


class Talkative(InProcess):
    """The local service, which refuses every purchase at length and names nothing."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and "/models/" in request.url.path:
            return httpx.Response(422, json={"code": "BAD", "message": WALL}, request=request)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("runs", [False, True], ids=["batches", "runs"])
async def test_a_long_refusal_is_cut_at_a_word_and_all_of_it_is_in_the_log(tmp_path: Path, runs: bool) -> None:
    """The incident says where the rest is (scenario 133)."""
    with capture_logs() as lines:
        async with running(tmp_path, wire=Talkative) as rig:
            if runs:
                rig.take_no_batches()
            drop_all(rig)
            told = await first_told(rig)

    shown = told.message.partition("…")[0]
    assert (True, True) == (len(told.message) < 700, f"{shown.rpartition(' ')[2]} " in WALL)
    assert "in the log, under `service.refused`" in told.message
    assert [] != [line for line in lines if line["action"] == "service.refused" and "word150" in line["answer"]]


async def test_the_story_of_a_file_that_is_refused_has_all_that_the_service_said(tmp_path: Path) -> None:
    """The note beside it has it as well (scenario 133)."""
    async with running(tmp_path) as rig:
        fault = {"match": "bad.jpg", "kind": "invalid", "count": None, "message": WALL}
        rig.switch(faults={"runs": [fault]})
        rig.drop("a.jpg")
        rig.drop("bad.jpg")
        await rig.settled(2)
        story = await rig.ask("logs", path="bad.jpg", absolute="", rule=None)

    assert "word150" in " ".join(story["versions"][0]["now"])
    assert "word150" in (tmp_path / "out/bad.jpg.failed.txt").read_text()


async def test_the_value_of_a_secret_is_not_reported(tmp_path: Path) -> None:
    """Neither in the incident nor in the state file (scenario 133)."""
    guarded = rule(tmp_path, input={"image_url": "${file.url}", "api_key": "hunter2"})
    async with running(tmp_path, guarded) as rig:
        rig.switch(api_variants={"unknown_inputs": "refused", "invalid_item": "batch"})
        rig.drop("a.jpg")
        told = await first_told(rig)

    assert ("input.api_key" in told.message, "hunter2" in told.message) == (True, False)


@pytest.mark.parametrize("pointer", ["loc", "none"])
async def test_bad_files_fail_alone_and_hold_up_nobody(tmp_path: Path, pointer: str) -> None:
    """Two of them, in either half, whether or not the service names them (scenario 133)."""
    async with running(tmp_path) as rig:
        fault = {"match": "bad*.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
        rig.switch(api_variants={"pointer": pointer, "invalid_item": "batch"}, faults={"runs": [fault]})
        for name in ("a.jpg", "bad1.jpg", "c.jpg", "d.jpg", "bad2.jpg", "f.jpg"):
            rig.drop(name)
        await rig.settled(6)

        assert {"a.jpg", "c.jpg", "d.jpg", "f.jpg", "bad1.jpg.failed.txt", "bad2.jpg.failed.txt"} == rig.outputs()
        assert ([1] * 4, {}) == (rig.charged(), open_codes(rig))


async def test_the_value_of_a_folder_holds_back_its_own_files_until_it_is_corrected(tmp_path: Path) -> None:
    """The others go on, and nothing is asked again before the `_runflow.yaml` is another (scenario 133)."""
    async with running(tmp_path, enlarging(tmp_path, overridable=("upscale_factor",))) as rig:
        (tmp_path / "in/x").mkdir()
        (tmp_path / "in/x/_runflow.yaml").write_text("upscale_factor: 99\n")
        rig.drop("x/a.jpg")
        rig.drop("x/b.jpg")
        rig.drop("c.jpg")
        held = {"x/a.jpg": ItemState.WAITING, "x/b.jpg": ItemState.WAITING, "c.jpg": ItemState.DONE}
        await rig.until(lambda states: states == held)
        asked = posts(rig)
        await anyio.sleep(900)

        assert (held, asked, {}) == (await rig.states(), posts(rig), open_codes(rig))
        assert {"c.jpg", "x/a.jpg.failed.txt", "x/b.jpg.failed.txt"} == rig.outputs()
        assert "in/x/_runflow.yaml" in (tmp_path / "out/x/a.jpg.failed.txt").read_text()

        (tmp_path / "in/x/_runflow.yaml").write_text("upscale_factor: 4\n")
        await rig.until(lambda states: set(states.values()) == {ItemState.DONE})
        await anyio.sleep(2)

        assert ({"c.jpg", "x/a.jpg", "x/b.jpg"}, [1] * 3) == (rig.outputs(), rig.charged())


async def test_files_that_failed_under_a_wrong_rule_go_on_with_the_right_one(tmp_path: Path) -> None:
    """As an earlier version left them: nothing was bought, so nobody has to touch them (scenario 133)."""
    async with running(tmp_path) as rig:
        fault = {"match": "*.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
        rig.switch(faults={"runs": [fault]})
        rig.drop("a.jpg")
        await rig.settled(1)
        failed = await rig.states()
        rig.switch(faults={})
        take(rig, rule(tmp_path, settle=1.0))
        await anyio.sleep(60)
        untouched = await rig.states()
        take(rig, rule(tmp_path, input={"image_url": "${file.url}", "prompt": "other"}))
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE})
        await anyio.sleep(2)

        assert {"a.jpg": ItemState.FAILED} == failed == untouched
        assert ({"a.jpg"}, [1]) == (rig.outputs(), rig.charged())


async def test_what_may_have_been_bought_is_not_worded_anew(tmp_path: Path) -> None:
    """An intent that may have been received keeps its key and its bytes, whatever the rule says now (scenario 133)."""
    first = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "old"})
    async with running(tmp_path, first) as rig:
        outage = [{"route": CREATE, "kind": "lose"}, {"route": CREATE, "kind": "status", "status": 503, "count": 3}]
        rig.switch(faults={"requests": outage})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(3)
        take(rig, rule(tmp_path, input={"image_url": "${file.url}", "prompt": "new"}))
        await rig.settled(1)

        assert (["old"], [1]) == ([item.input["prompt"] for item in await rig.items()], rig.charged())


async def test_a_sealed_batch_of_which_nothing_was_bought_is_worded_as_the_rule_says_now(tmp_path: Path) -> None:
    """It waited for credit; it is closed, and its files are bought under the new rule (scenario 133)."""
    first = rule(tmp_path, input={"image_url": "${file.url}", "prompt": "old"})
    async with running(tmp_path, first) as rig:
        rig.switch(faults={"requests": [{"route": CREATE, "kind": "status", "status": 402, "count": None}]})
        rig.drop("a.jpg")
        await rig.until(lambda states: states.get("a.jpg") is ItemState.QUEUED)
        await anyio.sleep(3)
        take(rig, rule(tmp_path, input={"image_url": "${file.url}", "prompt": "new"}))
        rig.switch(faults={})
        await rig.settled(1)
        (before, after) = await rig.batches()

        assert (["new"], [1]) == ([item.input["prompt"] for item in await rig.items()], rig.charged())
        assert [(BatchState.REFUSED, "REWORDED"), (BatchState.ENDED, "")] == [
            (each.state, each.failure_code) for each in (before, after)
        ]


async def test_a_rule_that_was_corrected_while_the_daemon_was_down_goes_on(tmp_path: Path) -> None:
    """The state file knows under which text its batches were sealed (scenario 133)."""
    async with running(tmp_path, rule(tmp_path, model="runflow/pass-thru")) as rig:
        drop_all(rig)
        await rig.until(lambda states: len(states) == 4 and set(states.values()) == {ItemState.QUEUED})
        await anyio.sleep(60)
    async with running(tmp_path, rule(tmp_path), began=EPOCH + 1000) as rig:
        await rig.settled(4)

        assert ({*NAMES}, [1] * 4) == (rig.outputs(), rig.charged())


ALONE = {"invalid_item": "item", "unknown_inputs": "refused"}


@pytest.mark.parametrize("key", ["propmt", "image"])
async def test_items_refused_by_themselves_for_a_mistake_in_their_rule_wait_for_it(tmp_path: Path, key: str) -> None:
    """Nothing fails, nothing is bought in a loop, and all of it goes on once the rule is right (scenario 133)."""
    wrong = {"image_url": "${file.url}", "propmt": "x"} if key == "propmt" else {"image": "${file.url}"}
    names = {f"{number}.jpg" for number in range(20)}
    async with running(tmp_path, rule(tmp_path, input=wrong, rescan=600.0)) as rig:
        rig.switch(api_variants=ALONE)
        for name in names:
            rig.drop(name)
        await rig.until(lambda states: len(states) == 20)
        with anyio.fail_after(300):
            while not (told := rig.engine.context.incidents.snapshot()):
                await anyio.sleep(1)
        bought, asked = posts(rig), await rig.states()
        await anyio.sleep(3300)

        assert ({"rule:studio": "RULE_REFUSED"}, set()) == (open_codes(rig), rig.outputs())
        assert ItemState.FAILED not in {*asked.values(), *(await rig.states()).values()}
        assert ("input." in told[0].message, bought) == (True, posts(rig))

        take(rig, rule(tmp_path))
        await rig.settled(20, 120)

        assert (names, [1] * 20, {}) == (rig.outputs(), rig.charged(), open_codes(rig))


async def test_a_rule_whose_items_are_refused_is_probed_by_one_purchase_an_hour(tmp_path: Path) -> None:
    """That the probe is taken does not let the others follow it (scenario 133)."""
    wrong = {"image_url": "${file.url}", "propmt": "x"}
    few = BatchLimits(quiet=1, max_wait=5, max_items=2)
    async with running(tmp_path, rule(tmp_path, input=wrong, batch=few, rescan=600.0)) as rig:
        rig.switch(api_variants=ALONE)
        rig.drop("first.jpg")
        with anyio.fail_after(300):
            while not open_codes(rig):
                await anyio.sleep(1)
        drop_all(rig)
        await anyio.sleep(3 * 3600)

        assert (True, {"rule:studio": "RULE_REFUSED"}) == (2 <= posts(rig) <= 4, open_codes(rig))

        rig.switch(api_variants={})
        await rig.settled(5, 4000)

        assert ([1] * 5, {}) == (rig.charged(), open_codes(rig))


async def test_a_file_that_is_refused_by_itself_fails_alone(tmp_path: Path) -> None:
    """Its own value: the others have their results, and the rule goes on (scenario 133)."""
    async with running(tmp_path) as rig:
        fault = {"match": "bad.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
        rig.switch(api_variants=ALONE, faults={"runs": [fault]})
        for name in (*NAMES, "bad.jpg"):
            rig.drop(name)
        await rig.settled(5)

        assert {*NAMES, "bad.jpg.failed.txt"} == rig.outputs()
        assert ([1] * 4, {}) == (rig.charged(), open_codes(rig))


async def test_items_refused_by_themselves_for_a_value_of_their_folder_wait_for_it(tmp_path: Path) -> None:
    """The others go on; nothing is bought again before the `_runflow.yaml` is another (scenario 133)."""
    async with running(tmp_path, enlarging(tmp_path, overridable=("upscale_factor",))) as rig:
        rig.switch(api_variants=ALONE)
        (tmp_path / "in/x").mkdir()
        (tmp_path / "in/x/_runflow.yaml").write_text("upscale_factor: 99\n")
        rig.drop("x/a.jpg")
        rig.drop("c.jpg")
        held = {"x/a.jpg": ItemState.WAITING, "c.jpg": ItemState.DONE}
        await rig.until(lambda states: states == held)
        asked = posts(rig)
        await anyio.sleep(900)

        assert (held, asked, {}) == (await rig.states(), posts(rig), open_codes(rig))
        assert "in/x/_runflow.yaml" in (tmp_path / "out/x/a.jpg.failed.txt").read_text()

        (tmp_path / "in/x/_runflow.yaml").write_text("upscale_factor: 4\n")
        await rig.until(lambda states: set(states.values()) == {ItemState.DONE})
        await anyio.sleep(2)

        assert ({"c.jpg", "x/a.jpg"}, [1] * 2) == (rig.outputs(), rig.charged())


async def test_items_that_failed_by_themselves_go_again_under_another_recipe(tmp_path: Path) -> None:
    """Nothing was charged for them (scenario 133)."""
    async with running(tmp_path) as rig:
        fault = {"match": "*.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
        rig.switch(api_variants={"invalid_item": "item"}, faults={"runs": [fault]})
        rig.drop("a.jpg")
        await rig.settled(1)
        failed = await rig.states()
        rig.switch(api_variants={"invalid_item": "item"}, faults={})
        await anyio.sleep(5)
        take(rig, rule(tmp_path, input={"image_url": "${file.url}", "prompt": "other"}))
        await rig.until(lambda states: states == {"a.jpg": ItemState.DONE})
        await anyio.sleep(2)

        assert ({"a.jpg": ItemState.FAILED}, {"a.jpg"}, [1]) == (failed, rig.outputs(), rig.charged())
