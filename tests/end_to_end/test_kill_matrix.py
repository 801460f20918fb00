"""SIGKILL at every named point, then a restart against the same service: nothing lost, nothing paid twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import HOLD, NO_BATCHES, Books, picture, promised, sha256
from doomed import EVERY_FILE

if TYPE_CHECKING:
    from daemon_process import Installation

DELIVERY = ("output.written", "output.reserved", "output.renamed", "output.recorded")
KILLED = -signal.SIGKILL
WORKING = [*EVERY_FILE, "source.aside", "source.disposed"]
"""The points that files pass; rarer ones have tests beside the stages, those of an upgrade beside the state file."""


def files() -> dict[str, bytes]:
    """Four files in three folders, two of them with the same content."""
    duplicate = picture()
    return {"a.jpg": picture(), "shoes/b.jpg": picture(), "shoes/red/c.jpg": duplicate, "d.jpg": duplicate}


def drop(installation: Installation, dropped: dict[str, bytes]) -> None:
    """Put all files into the watched folder."""
    for path, data in dropped.items():
        installation.write(path, data)


def dies_and_recovers(installation: Installation, point: str, *paths: str) -> int:
    """Let the daemon die at a point, start it again, wait until all is done; how it died."""
    code = installation.start(point, ready=False).death()
    installation.start()
    installation.wait_for_rest(*paths)
    return code


@pytest.mark.parametrize("point", WORKING)
def test_a_kill_at_any_point_loses_nothing_and_buys_nothing_twice(installation: Installation, point: str) -> None:
    """The books after the restart are those of a run without a kill (scenarios 58 to 61, 75)."""
    installation.configure(after="delete" if point.startswith("source.") else "keep")
    dropped = files()
    drop(installation, dropped)

    code = dies_and_recovers(installation, point, *dropped)

    assert (KILLED, promised(dropped)) == (code, installation.books())


@pytest.mark.parametrize("point", ["asset.uploaded", "output.renamed"])
def test_a_kill_at_a_later_turn_is_survived_as_well(installation: Installation, point: str) -> None:
    """The second file passes each point while the first is already through (scenario 75)."""
    dropped = files()
    drop(installation, dropped)

    code = dies_and_recovers(installation, f"{point}:2", *dropped)

    assert (KILLED, promised(dropped)) == (code, installation.books())


@pytest.mark.parametrize("point", DELIVERY)
def test_a_kill_while_a_result_is_replaced_leaves_the_new_one_in_its_place(
    installation: Installation, point: str
) -> None:
    """The old result is known as ours although the new one is already announced (scenarios 11, 58)."""
    old, new = picture(), picture()
    installation.write("a.jpg", old)
    daemon = installation.start(f"{point}:2")
    installation.wait("done", "a.jpg")

    installation.write("a.jpg", new)
    code = daemon.death()
    installation.start()
    installation.wait_for_rest("a.jpg")

    bought = {sha256(old): 1, sha256(new): 1}
    assert (KILLED, Books({"a.jpg": sha256(new)}, bought, {"a.jpg": "done"})) == (code, installation.books())


@pytest.mark.parametrize("point", DELIVERY)
def test_a_kill_while_a_result_follows_its_renamed_source_leaves_one_result(
    installation: Installation, point: str
) -> None:
    """The result stands under the new name only, and was bought once (scenario 13)."""
    data = picture()
    source = installation.write("a.jpg", data)
    daemon = installation.start(f"{point}:2")
    installation.wait("done", "a.jpg")

    source.rename(installation.input / "b.jpg")
    code = daemon.death()
    installation.start()
    installation.wait("done", "b.jpg")
    installation.wait_for_rest("b.jpg")

    books = installation.books()
    assert (KILLED, {"b.jpg": sha256(data)}, {sha256(data): 1}) == (code, books.outputs, books.bought)


@pytest.mark.parametrize("point", [*DELIVERY, "source.disposed"])
def test_a_kill_does_not_make_a_source_outlive_its_rule(installation: Installation, point: str) -> None:
    """`after: {move}` is carried out although the daemon died between the result and the move."""
    installation.configure(after={"move": "archive"})
    data = picture()
    installation.write("shoes/a.jpg", data)

    code = dies_and_recovers(installation, point, "shoes/a.jpg")

    archived = {
        str(path.relative_to(installation.folder)): path.read_bytes()
        for folder in ("in", "archive")
        for path in (installation.folder / folder).rglob("*")
        if path.is_file()
    }
    assert (KILLED, {"archive/shoes/a.jpg": data}) == (code, archived)
    assert promised({"shoes/a.jpg": data}) == installation.books()


@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
@pytest.mark.parametrize("point", ["purchase.intended", "purchase.answered", "purchase.recorded"])
def test_single_runs_are_bought_once_through_a_kill(installation: Installation, point: str, idempotency: str) -> None:
    """A model without batches, and a service that may not know the key again (scenarios 59, 60)."""
    dropped = files()
    drop(installation, dropped)
    service = installation.service
    service.control(api_variants={"idempotency": idempotency})
    service.faults(NO_BATCHES, HOLD)

    code = dies_and_recovers(installation, f"{point}:3", *dropped)

    assert (KILLED, promised(dropped)) == (code, installation.books())


@pytest.mark.parametrize("point", ["purchase.answered", "purchase.recorded"])
def test_a_batch_is_bought_once_where_keys_are_forgotten(installation: Installation, point: str) -> None:
    """What the service already has is found by its references before anything is sent again (scenario 60)."""
    dropped = files()
    drop(installation, dropped)
    installation.service.control(api_variants={"idempotency": "ignored"})

    code = dies_and_recovers(installation, point, *dropped)

    assert (KILLED, promised(dropped)) == (code, installation.books())


@pytest.mark.parametrize("point", ["purchase.intended", "purchase.answered"])
def test_a_file_deleted_after_its_purchase_is_delivered_all_the_same(installation: Installation, point: str) -> None:
    """It is paid, or may be: the stored bytes decide, not the folder (scenario 10)."""
    data = picture()
    source = installation.write("a.jpg", data)

    code = installation.start(point, ready=False).death()
    source.unlink()
    installation.start()
    installation.wait_for_rest("a.jpg")

    assert (KILLED, promised({"a.jpg": data})) == (code, installation.books())


def test_a_kill_between_a_retry_and_its_end_removes_the_note(installation: Installation) -> None:
    """The note of a failure does not outlive the failure."""
    data = picture()
    source = installation.write("a.jpg", data)
    installation.service.faults(HOLD, runs=({"kind": "fail"},))
    daemon = installation.start("output.recorded")
    installation.wait_for_rest("a.jpg")
    assert ["a.jpg.failed.txt"] == list(installation.outputs())

    source.touch()
    code = daemon.death()
    installation.start()
    installation.wait_for_rest("a.jpg")

    assert (KILLED, promised({"a.jpg": data})) == (code, installation.books())


def test_a_pause_holds_although_its_daemon_died_before_it_could_say_so(installation: Installation) -> None:
    """What a person asked for is a row; nothing is bought until they say so (scenario 75)."""
    daemon = installation.start("command.recorded")
    command = [sys.executable, "-m", "runflowd", "pause", "--all", "-c", str(installation.config)]
    asked = subprocess.run(command, capture_output=True, check=False)
    code = daemon.death()
    installation.start()
    installation.write("a.jpg", picture())
    installation.wait("ready", "a.jpg")

    paused = [tuple(row) for row in installation.rows("SELECT rule FROM pause")]
    assert (KILLED, [("",)], {}, {}) == (code, paused, installation.bought(), installation.outputs()), asked.stderr
