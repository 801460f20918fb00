"""The service dies, comes back, runs out of our credit, changes its mind about the key; the work goes on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from daemon_process import HOLD, NO_BATCHES, SLOW_RUN, Installation, Service, picture, promised, sha256, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = {**SLOW_RUN, "count": 1}
CREATE = "POST /v1/models/*/batches"
CREATE_RUN = "POST /v1/models/*/runs"


@pytest.fixture
def mortal(tmp_path: Path, own_service: Service) -> Iterator[Installation]:
    """An installation whose service may be killed."""
    made = Installation(tmp_path / "installation", own_service)
    yield made
    made.end()


def drop(installation: Installation, count: int = 3) -> dict[str, bytes]:
    """Put some files into the watched folder."""
    dropped = {f"{number}.jpg": picture() for number in range(count)}
    for path, data in dropped.items():
        installation.write(path, data)
    return dropped


def test_a_service_killed_over_its_work_is_asked_again_and_not_paid_again(mortal: Installation) -> None:
    """It keeps what it took; the daemon asks until it answers (scenario 86)."""
    mortal.service.faults(runs=(SLOW,))
    dropped = drop(mortal)
    mortal.start()
    mortal.wait("submitted", *dropped)
    mortal.service.kill()
    with mortal.explained():
        until(lambda: "UNREACHABLE" in mortal.incidents(), "the silence is noticed")
    mortal.service.start()
    mortal.wait_for_rest(*dropped)

    assert (promised(dropped), set()) == (mortal.books(), mortal.incidents())


def test_both_killed_at_once_lose_nothing(mortal: Installation) -> None:
    """A power cut."""
    mortal.service.faults(runs=(SLOW,))
    dropped = drop(mortal)
    daemon = mortal.start()
    mortal.wait("submitted", *dropped)
    daemon.kill()
    mortal.service.kill()
    mortal.service.start()
    mortal.start()
    mortal.wait_for_rest(*dropped)

    assert promised(dropped) == mortal.books()


def test_a_service_that_is_away_at_the_start_is_waited_for(mortal: Installation) -> None:
    """The daemon is ready all the same: it can watch and hash."""
    mortal.service.kill()
    dropped = drop(mortal)
    mortal.start()
    with mortal.explained():
        until(lambda: "UNREACHABLE" in mortal.incidents(), "the silence is noticed")
    mortal.service.start()
    mortal.wait_for_rest(*dropped)

    assert promised(dropped) == mortal.books()


def test_a_stop_in_the_middle_ends_well_and_the_next_start_goes_on(installation: Installation) -> None:
    """SIGTERM: exit code 0, nothing half recorded (scenario 74)."""
    installation.service.faults(runs=(SLOW,))
    dropped = drop(installation)
    daemon = installation.start()
    installation.wait("submitted", *dropped)
    code = daemon.stop()
    installation.start()
    installation.wait_for_rest(*dropped)

    assert (0, promised(dropped)) == (code, installation.books())


@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
@pytest.mark.parametrize("shape", ["batch", "runs"])
def test_a_lost_answer_is_one_purchase(installation: Installation, shape: str, idempotency: str) -> None:
    """By the key, or by looking for what was bought before it is sent again (scenarios 60, 61)."""
    service = installation.service
    service.control(api_variants={"idempotency": idempotency})
    route, refusal = (CREATE, ()) if shape == "batch" else (CREATE_RUN, (NO_BATCHES,))
    service.faults(*refusal, {"route": route, "kind": "lose", "count": 2}, HOLD)
    dropped = drop(installation)
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_a_kill_after_a_lost_answer_is_one_purchase(installation: Installation) -> None:
    """Two misfortunes at once, with a service that knows no keys."""
    service = installation.service
    service.control(api_variants={"idempotency": "ignored"})
    service.faults(
        {"route": CREATE, "kind": "lose"}, {"route": "GET /v1/runs", "kind": "status", "status": 503, "count": 2}, HOLD
    )
    dropped = drop(installation)
    daemon = installation.start()
    with installation.explained():
        until(lambda: service.struck() >= 2, "the answer is lost")
    daemon.kill()
    installation.start()
    installation.wait_for_rest(*dropped)

    assert promised(dropped) == installation.books()


def test_a_forgotten_purchase_stops_and_asks(installation: Installation) -> None:
    """After a day without an answer the key proves nothing; what cannot be found is not bought again (R3)."""
    service = installation.service
    service.faults({"route": CREATE, "kind": "cut", "count": None})
    dropped = drop(installation, 1)
    daemon = installation.start()
    with installation.explained():
        until(lambda: installation.rows("SELECT 1 FROM purchase WHERE ambiguous = 1"), "a purchase in doubt")
    daemon.kill()
    installation.change("UPDATE purchase SET intended_at = intended_at - 100000")
    service.calm()
    installation.start()
    installation.wait("outcome_unknown", *dropped)
    with installation.explained():
        until(lambda: "0.jpg.failed.txt" in installation.outputs(), "the note")

    assert {} == installation.bought()


def test_an_empty_account_pauses_and_resumes_by_itself(installation: Installation) -> None:
    """402 buys nothing; a top-up is noticed without anybody's help (scenario 81)."""
    installation.configure(
        model="runflow/upscale", input={"image_url": "${file.url}", "output_format": "jpeg", "upscale_factor": 2}
    )
    service = installation.service
    service.control(balance="0.05")
    dropped = drop(installation)
    installation.start()
    with installation.explained():
        until(lambda: "OUT_OF_CREDIT" in installation.incidents(), "the empty account is noticed")
    assert {} == installation.bought()
    service.control(balance="10")
    installation.wait_for_rest(*dropped)

    assert promised(dropped).bought == installation.bought()
    assert (set(dropped), set()) == (set(installation.outputs()), installation.incidents())


@pytest.mark.parametrize("told", [True, False], ids=["hangup", "unasked"])
def test_a_refused_key_pauses_until_it_is_mended(tmp_path: Path, told: bool) -> None:
    """A new key is taken by SIGHUP, and noticed without (scenario 82)."""
    with Service(tmp_path / "service", "--api-key", "good") as service:
        installation = Installation(tmp_path / "installation", service)
        key = installation.folder / "key"
        key.touch(0o600)
        key.write_text("bad")
        installation.configure_rules(
            {"one": installation.rule()}, service={"url": service.url, "api_key_file": str(key)}
        )
        dropped = drop(installation)
        daemon = installation.start()
        try:
            with installation.explained():
                until(lambda: "UNAUTHORIZED" in installation.incidents(), "the refusal is noticed")
            key.write_text("good")
            if told:
                daemon.reload()
            installation.wait_for_rest(*dropped)
            assert set(dropped) == set(installation.outputs())
        finally:
            installation.end()


def test_the_daemon_ends_only_by_what_was_sent(installation: Installation) -> None:
    """SIGINT is as good as SIGTERM, idle or not."""
    daemon = installation.start()
    daemon.process.send_signal(signal.SIGINT)

    assert 0 == daemon.death()


def test_a_second_daemon_on_one_state_file_is_refused(installation: Installation) -> None:
    """It names the first one, and the first one goes on (scenario 65)."""
    daemon = installation.start()
    installation.daemon = None
    second = installation.start(ready=False)
    code = second.death()
    installation.daemon = daemon
    installation.write("a.jpg", data := picture())
    installation.wait_for_rest("a.jpg")

    assert code not in {0, -signal.SIGKILL}
    assert (str(daemon.process.pid) in second.log(), {"a.jpg": sha256(data)}) == (True, installation.books().outputs)
