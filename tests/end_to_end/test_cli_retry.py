"""`runflowd list` and `runflowd retry`: finding what failed, and giving it another try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import Service, picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One good file and one that the service failed once; `sync` has run."""
    for made in desk_in(tmp_path):
        with Service(tmp_path / "service") as service:
            service.control(faults={"runs": [{"match": "*bad.jpg", "kind": "fail", "message": "No subject found"}]})
            made.configure({"url": service.url})
            for name in ("good.jpg", "bad.jpg"):
                (made.input / name).write_bytes(picture())
            assert made.run("sync", env=WITH_KEY).code == 3
            yield made


def test_failed_files_are_listed_with_the_reason(desk: Desk) -> None:
    """By state, for people and for programs."""
    said = desk.call("list", "--state", "failed", "--json")

    assert [("bad.jpg", "failed", "No subject found")] == [
        (entry["path"], entry["state"], entry["why"]) for entry in said.json["items"]
    ]
    assert "No subject found" in desk.call("list").out


def test_a_retried_file_succeeds_at_the_next_sync(desk: Desk) -> None:
    """The wish is kept in the state file until somebody works."""
    asked = desk.call("retry", "bad*")
    done = desk.run("sync", env=WITH_KEY)

    assert (0, 0) == (asked.code, done.code)
    assert {"good.jpg", "bad.jpg"} == set(desk.outputs())


def test_retry_without_a_choice_is_a_mistake_of_usage(desk: Desk) -> None:
    """Nobody retries everything by accident."""
    assert desk.call("retry").code == 2


def test_retry_of_nothing_says_where_to_look(desk: Desk) -> None:
    """A pattern that matches no failed file."""
    said = desk.call("retry", "good.jpg")

    assert (1, True) == (said.code, "runflowd list --state failed" in said.err)
