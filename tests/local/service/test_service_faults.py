"""Request faults over a real socket, and the plan that deals faults out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_service import JPEG, PASS_THROUGH, ServiceProcess

from runflowd.local.faults.middleware import KINDS
from runflowd.local.faults.plan import RANDOM, FaultPlan, Faults, RequestFault, RunFault

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES = f"{PASS_THROUGH}/batches"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for the module; each test switches its own faults."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def asset(server: ServiceProcess) -> dict[str, Any]:
    """An uploaded picture."""
    server.control(faults={}, api_variants={})
    return server.upload(JPEG * 100)


def _strike(server: ServiceProcess, kind: str, route: str = "GET /v1/health", **more: Any) -> None:
    server.control(faults={"requests": [{"route": route, "kind": kind, **more}]})


def test_the_named_number_of_requests_is_hit(server: ServiceProcess) -> None:
    """One passes, two are hit, the next passes again."""
    _strike(server, "status", status=503, skip=1, count=2)

    assert [server.http.get("/v1/health").status_code for _ in range(4)] == [200, 503, 503, 200]


@pytest.mark.parametrize("kind", ["cut", "lose"])
def test_a_cut_connection_gives_no_answer(server: ServiceProcess, kind: str) -> None:
    """Neither headers nor body arrive."""
    _strike(server, kind)

    with pytest.raises(httpx.TransportError):
        server.http.get("/v1/health")


def test_a_lost_answer_did_its_work(server: ServiceProcess) -> None:
    """The POST is processed, then cut; the same key gets the batch that was made."""
    server.control(faults={})
    before = server.ledger()["counts"]["batches"]
    _strike(server, "lose", "POST */batches")
    body, headers = {"input": [{"image_url": "data:,x"}]}, {"Idempotency-Key": "lost"}
    with pytest.raises(httpx.TransportError):
        server.http.post(BATCHES, json=body, headers=headers)
    after_loss = server.ledger()["counts"]["batches"]
    answer = server.http.post(BATCHES, json=body, headers=headers)

    assert (before + 1, 201, before + 1) == (
        after_loss,
        answer.status_code,
        server.ledger()["counts"]["batches"],
    )


def test_a_cut_request_did_nothing(server: ServiceProcess) -> None:
    """The connection goes before the POST is looked at."""
    server.control(faults={})
    before = server.ledger()["counts"]["batches"]
    _strike(server, "cut", "POST */batches")
    with pytest.raises(httpx.TransportError):
        server.http.post(BATCHES, json={"input": [{"image_url": "data:,x"}]})

    assert before == server.ledger()["counts"]["batches"]


def test_a_truncated_download_breaks_off(server: ServiceProcess, asset: dict[str, Any]) -> None:
    """The announced length does not arrive."""
    _strike(server, "truncate", "GET /storage/*")

    with pytest.raises(httpx.TransportError):
        server.bare.get(asset["url"])


def test_a_short_download_looks_whole(server: ServiceProcess, asset: dict[str, Any]) -> None:
    """Half the bytes under a Content-Length that fits them."""
    _strike(server, "short", "GET /storage/*")
    answer = server.bare.get(asset["url"])

    assert (200, len(JPEG) * 50, str(len(JPEG) * 50)) == (
        answer.status_code,
        len(answer.content),
        answer.headers["content-length"],
    )


@pytest.mark.parametrize("kind", ["slow", "late", "hold", "drip"])
def test_a_slow_answer_is_the_right_answer(server: ServiceProcess, kind: str) -> None:
    """Only late, or byte by byte."""
    _strike(server, kind, seconds=0.01)

    assert server.http.get("/v1/health").json() == {"status": "ok"}


def test_a_slow_answer_outlasts_an_impatient_client(server: ServiceProcess) -> None:
    """The wait is real."""
    _strike(server, "slow", seconds=60.0)

    with pytest.raises(httpx.ReadTimeout):
        server.http.get("/v1/health", timeout=0.05)


@pytest.mark.parametrize(
    ("kind", "mime", "start"),
    [("login", "text/html; charset=utf-8", b"<!doctype html>"), ("xml", "image/png", b"<?xml")],
)
def test_a_wrong_body_comes_with_200(server: ServiceProcess, kind: str, mime: str, start: bytes) -> None:
    """A captive portal's page, and an object store's error under an image's type."""
    _strike(server, kind)
    answer = server.http.get("/v1/health")

    assert (200, mime, True) == (
        answer.status_code,
        answer.headers["content-type"],
        answer.content.startswith(start),
    )


def test_a_redirect_points_elsewhere(server: ServiceProcess) -> None:
    """To another origin, which must not see the key."""
    _strike(server, "redirect")
    answer = server.http.get("/v1/health")

    assert (answer.status_code, not answer.headers["location"].startswith(server.url)) == (307, True)


def test_garbage_is_no_json(server: ServiceProcess) -> None:
    """Under the type of JSON."""
    _strike(server, "garbage")

    with pytest.raises(json.JSONDecodeError):
        server.http.get("/v1/health").json()


@pytest.mark.parametrize(("kind", "size"), [("huge", 2_000_000), ("deep", 100_000)])
def test_an_answer_can_be_absurd(server: ServiceProcess, kind: str, size: int) -> None:
    """As long, or as deep, as asked."""
    _strike(server, kind, size=size)

    assert len(server.http.get("/v1/health").content) >= size


@pytest.mark.parametrize("reading", ["seconds", "date"])
def test_a_refusal_can_say_when_to_come_back(server: ServiceProcess, reading: str) -> None:
    """As seconds or as an HTTP date."""
    server.control(api_variants={"retry_after": reading})
    _strike(server, "status", status=429, seconds=7.0)
    answer = server.http.get("/v1/health")
    server.control(api_variants={})

    assert (429, "RATE_LIMITED", reading == "seconds") == (
        answer.status_code,
        answer.json()["code"],
        answer.headers["retry-after"] == "7",
    )


def test_control_is_out_of_reach_of_faults(server: ServiceProcess) -> None:
    """Or nobody could switch them off."""
    _strike(server, "cut", "*", count=None)

    assert server.http.get("/_control").status_code == 200


def test_the_service_stops_at_sigterm_without_a_word_on_stderr(tmp_path: Any) -> None:
    """Also after connections were cut."""
    with ServiceProcess(tmp_path) as server:
        _strike(server, "cut")
        with pytest.raises(httpx.TransportError):
            server.http.get("/v1/health")
        ended = server.stop()

    assert ended == (0, "")


def test_every_kind_has_its_function() -> None:
    """And no function is out of reach."""
    kinds = RequestFault.model_json_schema()["properties"]["kind"]["enum"]

    assert sorted(kinds) == sorted(KINDS)


def test_faults_wait_for_their_turn() -> None:
    """The second fault on a route is met once the first has had its count."""
    faults = Faults(requests=(RequestFault(kind="cut"), RequestFault(kind="lose", count=None)))
    plan = FaultPlan(faults)

    met = [plan.for_request("GET", "/") for _ in range(3)]

    assert [fault.kind if fault else None for fault in met] == ["cut", "lose", "lose"]


@pytest.mark.parametrize("name", ["ref-7", "a.jpg", "runflow/upscale"])
def test_a_run_is_known_by_any_of_its_names(name: str) -> None:
    """client_ref, file name, model, content hash."""
    plan = FaultPlan(Faults(runs=(RunFault(match=name, kind="fail"),)))

    struck = plan.for_run(["runflow/upscale", "ref-7", "a.jpg"], frozenset({"fail"}))

    assert (struck.kind if struck else None) == "fail"


@given(skip=st.integers(0, 5), count=st.integers(0, 5), met=st.integers(0, 20))
def test_a_fault_strikes_count_times_after_skip(skip: int, count: int, met: int) -> None:
    """However many requests come."""
    plan = FaultPlan(Faults(requests=(RequestFault(kind="cut", skip=skip, count=count),)))

    struck = [plan.for_request("GET", "/") is not None for _ in range(met)]

    assert ([False] * skip + [True] * count + [False] * met)[:met] == struck


def test_the_same_seed_makes_the_same_trouble() -> None:
    """A soak that failed can be run again."""
    plans = [FaultPlan(Faults(seed=7, rate=0.3)) for _ in range(2)]

    first, second = ([plan.for_request("GET", "/") for _ in range(200)] for plan in plans)

    assert (first, True) == (second, 30 < sum(fault is not None for fault in first) < 90)


def test_random_trouble_can_be_overcome_by_trying_again() -> None:
    """Nothing lasting, nothing that asks for judgement."""
    assert {"status", "slow", "cut", "lose", "truncate", "garbage", "login"} == {fault.kind for fault in RANDOM}
