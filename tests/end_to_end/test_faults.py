"""A service that misbehaves in every way its documentation allows, and in some that it does not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import HOLD, Installation, Service, picture, promised, sha256, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = {
    "upload": "POST /v1/asset-uploads",
    "storage": "PUT /storage/*",
    "confirmation": "POST /v1/asset-uploads/*",
    "purchase": "POST /v1/models/*",
    "batch": "GET /v1/batches/*",
    "items": "GET /v1/batches/*/items*",
    "download": "GET /storage/*",
}
"""Every step of a file, by the request that may go wrong."""

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429},
    "500": {"kind": "status", "status": 500},
    "lose": {"kind": "lose"},
    "login": {"kind": "login"},
}


def drop(installation: Installation, count: int = 3) -> dict[str, bytes]:
    """Put some files into the watched folder."""
    dropped = {f"{number}.jpg": picture() for number in range(count)}
    for path, data in dropped.items():
        installation.write(path, data)
    return dropped


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_every_step_delays_and_costs_nothing(installation: Installation, fault: str) -> None:
    """Each kind of request goes wrong once (scenarios 80, 86, 90, 112)."""
    struck = [{"route": route, **FAULTS[fault]} for route in ROUTES.values()]
    installation.service.faults(*struck, HOLD)
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (installation.books(), installation.incidents())


@pytest.mark.parametrize("seed", [1, 2])
def test_random_faults_delay_and_cost_nothing(installation: Installation, seed: int) -> None:
    """One request in six, of any kind."""
    installation.service.control(faults={"seed": seed, "rate": 0.16})
    dropped = drop(installation, 6)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


@pytest.mark.parametrize(
    "api_variants",
    [
        {"batch_body": "guide", "status_field": "status", "words": "novel", "list_envelope": "concept"},
        {"batch_body": "reference", "items": "shuffled", "sequence_base": 1, "ids": "prefixed"},
        {"items": "doubled", "file_names": "hostile", "fields": "missing", "cost": "null"},
        {"output": "image_urls", "create_id": "run_id", "create_status": 202, "asset_ref": "refused"},
    ],
    ids=["guide", "reference", "hostile", "odd"],
)
def test_every_reading_of_the_documents_is_understood(installation: Installation, api_variants: dict[str, Any]) -> None:
    """Several points of disagreement at a time (scenarios 43, 94, 95, 98)."""
    installation.service.control(api_variants=api_variants)
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


@pytest.mark.parametrize("pointer", ["loc", "none"])
def test_one_refused_item_does_not_hold_up_the_others(installation: Installation, pointer: str) -> None:
    """Whether the service names it or not (scenario 84)."""
    service = installation.service
    service.control(api_variants={"pointer": pointer, "invalid_item": "batch"})
    dropped = drop(installation, 5)
    bad = sha256(dropped["2.jpg"])
    service.faults(HOLD, runs=({"kind": "invalid", "match": bad, "count": None, "message": "is not to our taste"},))
    installation.start()
    installation.wait_for_rest(*dropped)

    good = {path: data for path, data in dropped.items() if path != "2.jpg"}
    books = installation.books()
    assert {**promised(good).states, "2.jpg": "failed"} == books.states
    assert promised(good).bought == books.bought
    assert {*good, "2.jpg.failed.txt"} == set(books.outputs)


def test_a_failed_item_is_reported_and_tried_again_when_touched(installation: Installation) -> None:
    """The others are delivered; the failure has a note and costs nothing (scenarios 93, 100)."""
    dropped = drop(installation)
    bad = sha256(dropped["1.jpg"])
    installation.service.faults(HOLD, runs=({"kind": "fail", "match": bad, "message": "the lens was dirty"},))
    installation.start()
    installation.wait_for_rest(*dropped)
    assert "the lens was dirty" in installation.outputs()["1.jpg.failed.txt"].decode()

    (installation.input / "1.jpg").touch()
    installation.wait("done", "1.jpg")
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_an_expired_link_is_asked_for_anew(installation: Installation) -> None:
    """A 403 of the storage concerns the link, not the key (scenario 111)."""
    installation.service.faults({"route": "GET /storage/*", "kind": "status", "status": 403, "count": 2}, HOLD)
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (installation.books(), installation.incidents())


def test_a_download_cut_short_is_never_seen(installation: Installation) -> None:
    """Neither by its length nor without one (scenarios 112 to 114)."""
    installation.service.faults(
        {"route": "GET /storage/*", "kind": "short"}, {"route": "GET /storage/*", "kind": "xml", "skip": 1}, HOLD
    )
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_a_batch_that_never_ends_is_not_sent_again(installation: Installation) -> None:
    """It is polled until somebody ends it; the other batches go on (scenario 92)."""
    stuck, free = picture(), picture()
    installation.service.faults(runs=({"kind": "stuck", "match": sha256(stuck)},))
    installation.write("stuck.jpg", stuck)
    installation.start()
    installation.wait("submitted", "stuck.jpg")
    installation.write("free.jpg", free)
    installation.wait("done", "free.jpg")
    installation.end()
    installation.start()
    installation.write("later.jpg", later := picture())
    installation.wait("done", "later.jpg")

    expected = {"stuck.jpg": "submitted", "free.jpg": "done", "later.jpg": "done"}
    assert (expected, {sha256(free): 1, sha256(later): 1}) == (installation.states(), installation.bought())
    assert 1 == len(installation.rows("SELECT 1 FROM batch WHERE state = 'submitted'"))


def test_the_files_beside_a_stuck_one_appear_while_it_runs(installation: Installation) -> None:
    """One batch: what ended is there, and the rest is told of with its remedy (scenario 132)."""
    installation.configure(batch={"deadline": "1s"})
    dropped, stuck = drop(installation), picture()
    installation.service.faults(runs=({"kind": "stuck", "match": sha256(stuck)},))
    installation.write("stuck.jpg", stuck)
    installation.start()
    installation.wait("done", *dropped)
    until(lambda: "BATCH_OVERDUE" in installation.incidents(), "the overdue batch to be told of")

    (batch,) = asked(installation, "status")["batches"]
    assert (dropped, "submitted") == (installation.outputs(), installation.states()["stuck.jpg"])
    assert (True, 3, 4) == (batch["overdue"], batch["ended"], batch["items"])
    assert "1 file waits for it" in str(asked(installation, "doctor", "--offline"))

    installation.service.calm()
    installation.wait_for_rest("stuck.jpg")
    until(lambda: not installation.incidents(), "the incident to end")

    assert promised(dropped | {"stuck.jpg": stuck}) == installation.books()


def asked(installation: Installation, *command: str) -> Any:
    """What a command says, as JSON."""
    words = [sys.executable, "-m", "runflowd", *command, "--json", "-c", str(installation.config)]
    environment = {**os.environ, "RUNFLOW_API_KEY": "rf_live_test"}
    return json.loads(subprocess.run(words, capture_output=True, check=False, env=environment, timeout=60).stdout)


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose service does not send its callbacks for half a minute after the end."""
    with Service(tmp_path / "service", "--callback-backoff", "0.1") as service:
        made = Installation(tmp_path / "installation", service)
        yield made
        made.end()


@pytest.mark.parametrize("kind", ["duplicate", "lose", "early"])
def test_callbacks_are_hints(eager: Installation, kind: str) -> None:
    """Doubled, lost or too early: the books are the same (scenarios 103, 104, 108)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = eager.folder / "secret"
    secret.touch(0o600)
    secret.write_text("whsec_test")
    requests = [HOLD] if kind == "lose" else []  # without a callback to wake it, the daemon polls slowly
    eager.service.control(faults={"requests": requests, "callbacks": [{"kind": kind, "count": None}]})
    callbacks = {"public_url": f"http://127.0.0.1:{port}", "secret_file": str(secret)}
    eager.configure_rules(
        {"one": eager.rule()},
        web={"listen": f"127.0.0.1:{port}"},
        service={"url": eager.service.url, "allow_http": True, "callbacks": callbacks},
    )
    dropped = drop(eager)
    eager.start()
    eager.wait_for_rest(*dropped)

    assert promised(dropped) == eager.books()


def test_results_that_a_rule_does_not_select_are_left_at_the_service(installation: Installation) -> None:
    """Intermediate pictures stay where they are (scenario 52)."""
    installation.configure(select="result_*")
    installation.service.control(api_variants={"stages": True})
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_an_unusable_output_folder_waits_for_its_mending(installation: Installation) -> None:
    """A file stands where the folder should be; nothing is lost, and nothing bought again (scenario 56)."""
    installation.output.write_text("a file")
    dropped = drop(installation)
    installation.start()
    with installation.explained():
        until(lambda: "OUTPUT_UNUSABLE" in installation.incidents(), "the trouble is told")
    installation.output.unlink()
    installation.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (installation.books(), installation.incidents())


def test_a_watched_folder_that_vanishes_means_no_deletions(installation: Installation) -> None:
    """Unmounted and mounted again: known files are known (scenarios 30, 32)."""
    installation.configure(on_delete="remove", rescan="1s")
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)
    aside = installation.folder / "aside"
    installation.input.rename(aside)
    with installation.explained():
        until(lambda: "WATCH_MISSING" in installation.incidents(), "the loss is told")
    installation.input.mkdir()
    with installation.explained():
        until(lambda: installation.incidents() == {"WATCH_CHANGED"}, "an empty folder is another one")
    installation.input.rmdir()
    aside.rename(installation.input)
    installation.write("new.jpg", new := picture())
    installation.wait("done", "new.jpg")

    absent = installation.rows("SELECT basename FROM item WHERE absent_at IS NOT NULL")
    assert ([], promised({**dropped, "new.jpg": new})) == (absent, installation.books())


def test_a_failure_at_the_first_try_leaves_no_open_books(installation: Installation) -> None:
    """A rule for a model that is not there waits, whole, until the rule is mended (scenarios 83, 133)."""
    installation.configure(model="runflow/no-such-model")
    dropped = drop(installation)
    installation.start()
    with installation.explained():
        until(lambda: "MODEL_NOT_FOUND" in installation.incidents(), "the model is missed")
    assert {} == installation.bought()
    installation.configure()
    installation.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (installation.books(), installation.incidents())


@pytest.mark.parametrize("pointer", ["loc", "none"])
def test_a_misspelt_input_is_one_incident_with_its_place_and_a_remedy_that_works(
    installation: Installation, pointer: str
) -> None:
    """The file, the line and the key; corrected there, every file goes on by itself (scenario 133)."""
    installation.service.control(
        api_variants={"unknown_inputs": "refused", "pointer": pointer, "invalid_item": "batch"}
    )
    misspelt = {"image_url": "${file.url}", "propmt": "white studio"}
    installation.configure(input=misspelt, batch={"max_items": 2, "quiet": "1s"})
    lines = installation.config.read_text().splitlines()
    dropped = drop(installation)
    installation.start()
    with installation.explained():
        until(lambda: "RULE_REFUSED" in installation.incidents(), "the refusal is told")
    (told,) = installation.rows("SELECT message, remedy FROM incident")
    waiting = set(installation.states().values())
    installation.configure(input={"image_url": "${file.url}"})
    installation.wait_for_rest(*dropped)

    marked = '"propmt"' if pointer == "loc" else '"input"'
    place = f"{installation.config}:{next(n for n, line in enumerate(lines, 1) if marked in line)}"
    assert (True, True) == (place in told["message"], pointer == "none" or "input.propmt" in told["message"])
    assert pointer == "none" or place in told["remedy"]
    assert waiting <= {"ready", "queued", "duplicate"}
    assert (promised(dropped), set()) == (installation.books(), installation.incidents())
