"""The same day's work under every reading of the API, two API variants at a time, and every trouble on every route.

Each test drops the same files: two equal ones, one in a subfolder, one the model fails on, one the service
refuses. Whatever the service is like, each result stands at its place with the right bytes, each content is
paid for once, and the two that cannot succeed have a note that says so. The few API variants under which the
right outcome is another one are in `unlisted` and `unnamed`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, get_args

import anyio
import httpx
import pytest
from local_service import BASE
from pairwise import pairs_of, pairwise
from stage_rig import Rig, picture, rule, running

from runflowd.config import Config
from runflowd.config.essentials import Callbacks, Service
from runflowd.control.carrying_out import Commands
from runflowd.core.incident_scope import SERVICE
from runflowd.core.lifecycle import IN_FLIGHT
from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import CallbackKind, RequestKind
from runflowd.local.jobs.deliveries import Reply
from runflowd.store.pauses import pauses
from runflowd.web.app import Application
from runflowd.web.page_state import PageState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.anyio

HOOK = "https://hooks.test/callbacks/runflow"
SWITCHES: dict[str, tuple[Any, ...]] = {
    name: (False, True) if each.annotation is bool else get_args(each.annotation)
    for name, each in ApiVariants.model_fields.items()
}
PLAYED = {
    **SWITCHES,
    "retry_after": ("absent", "seconds", "date"),
    "replace_inputs": ("urls",),
    "refused_field": ("none", "metadata", "client_ref"),
}
"""`absurd` has a test of its own: it makes an hour pass, which takes a while even where time is virtual. So has
`zip`, which needs another rule, and a service that refuses `callback_url`, which calls nobody back."""

SINGLES = [{name: choice} for name, choices in PLAYED.items() for choice in choices[1:]]
COMBINATIONS = pairwise(PLAYED)

HINDRANCES = (
    {"route": "POST /v1/models/*", "kind": "status", "status": 429},
    {"route": "POST /v1/models/*", "kind": "status", "status": 402},
    {"route": "GET /v1/*", "kind": "status", "status": 503},
)
"""Ordinary answers that every day's work meets, so that the API variants about errors are read at all."""

BAD = {"match": "bad.jpg", "kind": "fail", "count": None, "message": "No subject found"}
ODD = {"match": "odd.jpg", "kind": "invalid", "count": None, "message": "is not to our taste"}
NAMES = {"a.jpg": 1, "copy.jpg": 1, "x/b.jpg": 2, "bad.jpg": 3, "odd.jpg": 4}
"""What is dropped, and the seed of its content."""


@dataclass(frozen=True)
class Told:
    """How a day ended: the states of the paths, what each output is, how often each content was charged."""

    states: dict[str, str]
    outputs: dict[str, str]
    charged: list[int]


USUAL = Told(
    {"a.jpg": "done", "copy.jpg": "done", "x/b.jpg": "done", "bad.jpg": "failed", "odd.jpg": "failed"},
    {
        "a.jpg": "picture 1",
        "copy.jpg": "picture 1",
        "x/b.jpg": "picture 2",
        "bad.jpg.failed.txt": "note: No subject found",
        "odd.jpg.failed.txt": "note: is not to our taste",
    },
    [1, 1],
)


def unlisted(api_variants: Mapping[str, Any]) -> bool:
    """The last item of each page is left out: bought, and nobody can tell how it ended. Runs are asked one by one."""
    return api_variants.get("items") == "missing" and api_variants.get("batch_models") != "none"


def unnamed(api_variants: Mapping[str, Any]) -> bool:
    """`select: result_*` finds nothing among names that are lies. It was paid for, so the operator is asked.

    Nor is more bought by that rule until they say so; whether that is before the last purchase is chance.
    """
    hostile = api_variants.get("stages") and api_variants.get("file_names") == "hostile"
    return bool(hostile)


def unexplained(api_variants: Mapping[str, Any]) -> bool:
    """The refusal of an item comes without a reason: in a page, a word, nothing, or without its errors."""
    alone = api_variants.get("invalid_item") != "batch" and api_variants.get("batch_models") != "none"
    speechless = (
        api_variants.get("error_envelope") in {"html", "text", "empty"} or api_variants.get("pointer") == "none"
    )
    return speechless and not alone


def expected(api_variants: Mapping[str, Any], told: Told) -> Told:
    """How the day has to end under these API variants; `told` says which items the service left out."""
    unknown = set()
    if unlisted(api_variants):
        unknown = {name for name, state in told.states.items() if state == "outcome_unknown"}
        assert unknown
    if unnamed(api_variants):
        unknown |= {name for name, state in USUAL.states.items() if state == "done"}
    states = {name: "outcome_unknown" if name in unknown else state for name, state in USUAL.states.items()}
    outputs = {name: content for name, content in USUAL.outputs.items() if name not in unknown}
    outputs |= {f"{name}.failed.txt": "note" for name in unknown}
    if unexplained(api_variants):
        outputs["odd.jpg.failed.txt"] = "note"
    return Told(states, outputs, USUAL.charged)


@dataclass
class Hook:
    """Carries callbacks to the daemon's own receiver, once there is one, and keeps its answers."""

    http: httpx.AsyncClient | None = None
    answers: list[int] = field(default_factory=list)

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Deliver one."""
        assert self.http is not None
        answer = await self.http.post(url, content=body, headers=dict(headers))
        self.answers.append(answer.status_code)
        return Reply(answer.status_code)


@asynccontextmanager
async def day(folder: Path, api_variants: Mapping[str, Any], **faults: Any) -> AsyncIterator[tuple[Rig, Hook]]:
    """A running pipeline whose service has these API variants and faults and reports to its callback receiver."""
    hook = Hook()
    chosen = rule(folder, select="result_*" if api_variants.get("stages") else "")
    async with running(folder, chosen, send=hook.send) as rig, anyio.create_task_group() as group:
        rig.switch(api_variants=api_variants)
        context = rig.engine.context
        for name in ("previous", "current"):
            made = await context.service.api.create_callback_secret(name)
            (folder / name).write_text(made.plain_secret)
        secrets = Callbacks("https://hooks.test", str(folder / "current"), str(folder / "previous"))
        config = Config((), "", Service(url=BASE, callbacks=secrets), ())
        listener = Application(
            PageState(context, lambda: config, lambda: True, Commands(context, lambda: config, dict))
        )
        hook.http = httpx.AsyncClient(transport=httpx.ASGITransport(listener.asgi(guarded=False)))
        group.start_soon(listener.poller.run)
        context.service = replace(context.service, callback_url=HOOK)
        rig.switch(faults=faults)
        yield rig, hook
        group.cancel_scope.cancel()


async def work(rig: Rig, names: Mapping[str, int], *, resuming: bool = False) -> Told:
    """Drop the files, wait until everything has come to rest, and tell.

    With `resuming` a person lets the rule go on whenever it was stopped; else a stop keeps it from coming to rest.
    """
    for name, seed in names.items():
        rig.drop(name, seed)
    with anyio.fail_after(1800):
        while not await _rests(rig, len(names)):
            await anyio.sleep(5)
            stopped = await rig.store.read(pauses)
            if resuming and stopped:
                await rig.ask("resume", rules=["studio"], everything=False)
    await anyio.sleep(20)  # notes are written after the state
    states = {name: state.value for name, state in (await rig.states()).items()}
    return Told(states, dict(_outputs(rig)), rig.charged())


async def _rests(rig: Rig, count: int) -> bool:
    states = await rig.states()
    return len(states) == count and not set(states.values()) & IN_FLIGHT


def _outputs(rig: Rig) -> Iterator[tuple[str, str]]:
    known = {picture(seed): f"picture {seed}" for seed in NAMES.values()}
    for name in rig.outputs():
        content = (rig.folder / "out" / name).read_bytes()
        yield name, _gist(content.decode()) if name.endswith(".txt") else known.get(content, f"{content[:20]!r}")


def _gist(note: str) -> str:
    return next((f"note: {fault['message']}" for fault in (BAD, ODD) if str(fault["message"]) in note), "note")


async def played(folder: Path, api_variants: Mapping[str, Any]) -> tuple[Told, list[int]]:
    """A day's work under these API variants, and the answers that callbacks got."""
    async with day(folder, api_variants, requests=HINDRANCES, runs=(BAD, ODD)) as (rig, hook):
        return await work(rig, NAMES, resuming=unnamed(api_variants)), hook.answers


@pytest.mark.parametrize("api_variants", SINGLES, ids=lambda one: "-".join(f"{k}={v}" for k, v in one.items()))
async def test_every_reading_ends_well(tmp_path: Path, api_variants: dict[str, Any]) -> None:
    """One reading of one point of disagreement, all others as they are by default."""
    told, answers = await played(tmp_path, api_variants)

    assert (expected(api_variants, told), {204}) == (told, set(answers))


@pytest.mark.parametrize("row", range(len(COMBINATIONS)))
async def test_every_two_api_variants_together_end_well(tmp_path: Path, row: int) -> None:
    """Each row chooses every switch; all rows together hold every pair of choices."""
    api_variants = COMBINATIONS[row]
    told, answers = await played(tmp_path, api_variants)

    assert (expected(api_variants, told), {204}) == (told, set(answers)), api_variants


def test_the_rows_hold_every_pair_of_choices() -> None:
    """Or the sentence above is a wish."""
    seen = {pair for row in COMBINATIONS for pair in combinations(sorted(row.items()), 2)}

    assert set() == set(pairs_of(PLAYED)) - seen


ROUTES = {
    "open": "POST /v1/asset-uploads",
    "put": "PUT /storage/*",
    "confirm": "POST /v1/asset-uploads/*/confirmations",
    "batch": "POST /v1/models/*/batches",
    "run": "POST /v1/models/*/runs",
    "poll": "GET /v1/batches/*",
    "items": "GET /v1/batches/*/items",
    "polled run": "GET /v1/runs/*",
    "download": "GET /storage/*",
}
SINGLE_RUNS = frozenset({"run", "polled run"})
"""Routes that are only taken for a model that takes no batches."""

KINDS = get_args(RequestKind)
STRIKES = [strike for strike in product(KINDS, ROUTES) if strike != ("video", "download")]
"""Every trouble on every route. A video in the place of a result is no trouble of a request: it is what was bought,
and the operator is asked (see `test_undeliverable`)."""

TOGETHER = (("open", "poll", "download"), ("put", "batch"), ("confirm", "items"), ("run", "polled run"))
"""Routes that one life has trouble on: far enough from each other that one trouble does not hide another."""

DAYS = [
    [strike for shift, route in enumerate(routes) if (strike := (KINDS[first - shift], route)) in STRIKES]
    for routes in TOGETHER
    for first in range(len(KINDS))
]
"""The strikes by the day on which they happen: another trouble on each route of a day, and all strikes in all days."""

FEWER = {name: seed for name, seed in NAMES.items() if name != "odd.jpg"}


def fault(kind: str, route: str, count: int) -> dict[str, Any]:
    """One trouble; what waits does so for some seconds, but for `drip`, which would for each byte."""
    seconds = 0.0 if kind == "drip" else 5.0
    return {"kind": kind, "route": ROUTES[route], "count": count, "seconds": seconds, "size": 100_000}


def without_odd(told: Told) -> Told:
    """The same day without the file that is refused."""
    states = {name: state for name, state in told.states.items() if name != "odd.jpg"}
    outputs = {name: content for name, content in told.outputs.items() if not name.startswith("odd")}
    return Told(states, outputs, told.charged)


@pytest.mark.parametrize("strikes", DAYS, ids=lambda day: "-".join(f"{kind} {route}" for kind, route in day))
async def test_trouble_that_strikes_twice_costs_time_only(tmp_path: Path, strikes: list[tuple[str, str]]) -> None:
    """Whatever happens to a request, twice over: nothing is lost, doubled or false (scenarios 86, 90).

    Every trouble strikes, if only once: after one that leaves the work done, nobody asks a second time.
    """
    api_variants = {"batch_models": "none"} if {route for _, route in strikes} & SINGLE_RUNS else {}
    requests = [fault(kind, route, 2) for kind, route in strikes]
    async with day(tmp_path, api_variants, requests=requests, runs=[BAD]) as (rig, _):
        told = await work(rig, FEWER)

        struck = [index for name, index in rig.local.service.plan._met if name == "RequestFault"]
        assert (without_odd(USUAL), [*range(len(requests))]) == (told, sorted(struck))


def test_each_trouble_strikes_each_route_on_some_day() -> None:
    """Or fewer days than strikes would be fewer tries."""
    assert sorted(STRIKES) == sorted(strike for strikes in DAYS for strike in strikes)


@pytest.mark.parametrize("kind", KINDS)
async def test_trouble_that_strikes_everywhere_once_costs_time_only(tmp_path: Path, kind: str) -> None:
    """Every route in turn."""
    requests = [fault(each, route, 1) for each, route in STRIKES if each == kind and route not in SINGLE_RUNS]
    async with day(tmp_path, {}, requests=requests, runs=[BAD]) as (rig, _):
        told = await work(rig, FEWER)

        assert (without_odd(USUAL), len(requests) + 1) == (told, rig.local.service.plan.struck)


@pytest.mark.parametrize("kind", get_args(CallbackKind))
async def test_trouble_with_callbacks_changes_nothing(tmp_path: Path, kind: str) -> None:
    """Doubled, lost, forged, unsigned and early ones: the poll decides."""
    async with day(tmp_path, {}, callbacks=[{"kind": kind, "count": None}], runs=[BAD]) as (rig, hook):
        told = await work(rig, FEWER)

        assert without_odd(USUAL) == told
        assert ({401} if kind in {"forge", "unsigned"} else set()) == set(hook.answers) - {204}


UNHEARD = ("lose", "truncate", "short", "garbage", "login", "huge")
"""Troubles after which nobody on this side can tell whether a purchase was made."""


@pytest.mark.parametrize("filtering", get_args(ApiVariants.model_fields["filter"].annotation))
@pytest.mark.parametrize("remembering", get_args(ApiVariants.model_fields["idempotency"].annotation))
@pytest.mark.parametrize("route", ["batch", "run"])
async def test_a_lost_answer_costs_nothing_twice(tmp_path: Path, route: str, remembering: str, filtering: str) -> None:
    """Whether keys count or not and however runs are searched: what was bought is found before it is bought again."""
    api_variants = {
        "batch_models": "none" if route == "run" else "declared",
        "idempotency": remembering,
        "filter": filtering,
        "page_size": "small",
    }
    requests = [fault(kind, route, 1) for kind in UNHEARD]
    async with day(tmp_path, api_variants, requests=requests, runs=[BAD]) as (rig, _):
        told = await work(rig, FEWER)

    assert without_odd(USUAL) == told


@pytest.mark.parametrize("status", [429, 503])
async def test_nobody_silences_us_for_longer_than_an_hour(tmp_path: Path, status: int) -> None:
    """A `Retry-After` of years is believed for an hour, and then the service is asked again (scenario 80)."""
    requests = [{**fault("status", "poll", 1), "status": status}]
    async with day(tmp_path, {"retry_after": "absurd"}, requests=requests) as (rig, _):
        rig.drop("a.jpg")
        with anyio.fail_after(60):
            while not rig.engine.context.incidents.snapshot():
                await anyio.sleep(1)

        assert 3500 < rig.engine.context.incidents.closed_for(SERVICE) <= 3600


async def test_a_model_that_takes_an_archive_gets_one(tmp_path: Path) -> None:
    """Its page says `zip_url` and names inside it, the guide says addresses: the rule says what the model takes."""
    zipped = rule(tmp_path, input={"zip_url": "${zip.url}", "file_image": "${zip.file}"})
    async with running(tmp_path, zipped) as rig:
        rig.switch(api_variants={"replace_inputs": "zip"})
        told = await work(rig, {"a.jpg": 1, "copy.jpg": 1, "x/b.jpg": 2})

    outputs = {name: content for name, content in USUAL.outputs.items() if not name.endswith(".txt")}
    assert (outputs, [1, 1]) == (told.outputs, told.charged)
