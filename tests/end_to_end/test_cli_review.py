"""`runflowd review`, `accept` and `reject` without a daemon: the next `sync` carries out what was said."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import contents, picture

from runflowd.commands.judging import _lines
from runflowd.core.review import REVIEW_NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Service

HELD = ".runflowd-held"


@pytest.fixture
def desk(tmp_path: Path, service: Service) -> Iterator[Desk]:
    """Two results that are held; `sync` has run."""
    for made in desk_in(tmp_path):
        made.configure({"url": service.url}, {"one": made.rule(review="hold")})
        for name in ("a.jpg", "b.jpg"):
            (made.input / name).write_bytes(picture())
        assert made.run("sync", env=WITH_KEY).code == 0
        yield made


def test_what_was_said_without_a_daemon_is_carried_out_by_the_next_sync(desk: Desk) -> None:
    """By the path of a source, or by where its result is to be seen; nothing is bought for it."""
    waiting = desk.call("review", "--json").json
    [shown] = [item["results"][0] for item in waiting["items"] if item["path"] == "b.jpg"]
    accepted = desk.call("accept", "a.jpg")
    rejected = desk.call("reject", shown, "--reason", "blurred")
    between = desk.call("status").out
    synced = desk.run("sync", env=WITH_KEY)

    assert (2, str(desk.output / HELD / "b.jpg")) == (waiting["waiting"], shown)
    assert (0, 0, 0) == (accepted.code, rejected.code, synced.code)
    assert "1 waits for review" in accepted.out
    assert "not carried out yet: the daemon or the next `runflowd sync` does that" in accepted.out
    assert "for review" not in between
    assert {"a.jpg", "rejected/b.jpg"} == {str(path) for path in contents(desk.output)}
    assert f"rejected by {pwd.getpwuid(os.getuid()).pw_name}: blurred" in desk.call("logs", "b.jpg").out


def test_a_result_that_was_removed_is_said_to_be_none_with_what_fetches_it() -> None:
    """Nobody reads "accepted" of what is not there."""
    item = {"rule": "one", "path": "my shoes/a.jpg", "before": None, "changed": True, "alike": 0, "removed": True}

    assert (
        "my shoes/a.jpg: its result is not there any more, so nothing was moved; "
        "`runflowd rerun --missing one 'my shoes/a.jpg'` fetches it at no cost"
    ) in _lines([item], "accepted", 0)


def test_wherever_files_are_counted_those_that_wait_for_review_are(desk: Desk) -> None:
    """In the table of rules, below a list, at the end of `sync`, and in the folder itself."""
    status, listed, synced = desk.call("status").out, desk.call("list").out, desk.run("sync", env=WITH_KEY).out
    note = (desk.output / REVIEW_NOTE).read_text()

    assert ("to-review" in status, "2 wait for review" in status) == (True, True)
    assert (listed.count(" to-review "), "2 wait for review" in listed) == (2, True)
    assert ("2 wait for review: `runflowd review`" in synced, "2 results of rule one" in note) == (True, True)


def test_what_waits_for_review_is_not_counted_as_done_as_well(desk: Desk) -> None:
    """A file stands in one column, and in the list that is asked for by the word over that."""
    counts = desk.call("status", "--json").json["rules"][0]["counts"]
    lists = {word: desk.call("list", "--state", word, "--json").json["items"] for word in ("to-review", "done")}

    assert counts["to_review"] == 2
    assert {word: len(items) for word, items in lists.items()} == {"to-review": 2, "done": counts["done"]}
    assert {"waiting"} == {item["review"] for item in lists["to-review"]}


def test_a_verdict_that_cannot_be_given_is_said_to_be_none(desk: Desk) -> None:
    """With the exit code of its kind, and what to do."""
    cases = {
        ("accept",): (2, "or say --all"),
        ("accept", "--all", "--undo"): (2, "name the files"),
        ("accept", "--rule", "onee", "--all"): (2, "one"),
        ("reject", "c.jpg"): (1, "did you mean"),
        ("reject", "--undo", "a.jpg"): (1, "there is nothing to undo"),
    }
    found = {words: desk.call(*words) for words in cases}

    assert {words: (said.code, True) for words, said in found.items()} == {
        words: (code, True) for words, (code, _) in cases.items()
    }
    assert [] == [(words, found[words].err) for words, (_, part) in cases.items() if part not in found[words].err]
