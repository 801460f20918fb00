"""`runflowd rerun FILE --set`: one file made another way, without a daemon; the next `sync` buys it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Service

INPUT = {"image_url": "${file.url}", "prompt": "grey"}


@pytest.fixture
def desk(tmp_path: Path, service: Service) -> Iterator[Desk]:
    """Two files that are done; `sync` has run."""
    for made in desk_in(tmp_path):
        made.configure({"url": service.url}, {"one": made.rule(input=INPUT)})
        for name in ("a.jpg", "b.jpg"):
            (made.input / name).write_bytes(picture())
        assert made.run("sync", env=WITH_KEY).code == 0
        yield made


def test_a_file_is_made_another_way_once_somebody_agreed(desk: Desk) -> None:
    """By the path of its source, or of its result; the story tells what was set."""
    looked = desk.call("rerun", "a.jpg", "--set", "prompt=blue", "--dry-run", "--json").json
    unasked = desk.call("rerun", "a.jpg", "--set", "prompt=blue")
    done = desk.call("rerun", str(desk.output / "a.jpg"), "--set", "prompt=blue", "--yes")
    synced = desk.run("sync", env=WITH_KEY)
    again = desk.call("rerun", "one", "*.jpg", "--set", "prompt=blue", "--dry-run", "--json").json
    told = desk.call("logs", "a.jpg").out

    assert [("a.jpg", "buy", {"prompt": "blue"})] == [
        (item["path"], item["what"], item["settings"]) for item in looked["items"]
    ]
    assert (0, 2, "say --yes") == (looked["marked"], unasked.code, "say --yes" if "say --yes" in unasked.err else "")
    assert (0, 0) == (done.code, synced.code)
    assert {"a.jpg": "same", "b.jpg": "buy"} == {item["path"]: item["what"] for item in again["items"]}
    assert "with prompt 'blue'" in told
    assert "settings of its own  prompt: blue" in told


def test_what_cannot_be_set_is_refused_with_what_can(desk: Desk) -> None:
    """With exit code 2, before anything is bought."""
    cases = {
        ("a.jpg", "--set", "promt=blue"): "did you mean prompt?",
        ("a.jpg", "--set", "image_url=x"): "image_url cannot be set for one file",
        ("a.jpg", "--set", "prompt"): "--set takes NAME=VALUE",
        ("c.jpg", "--set", "prompt=x"): "c.jpg is no rule and no file on record",
        ("onee", "*.jpg", "--set", "prompt=x"): "there is no rule onee",
        ("one", "--missing", "--set", "prompt=x"): "--missing and --rejected go without --set",
    }
    found = {words: desk.call("rerun", *words) for words in cases}

    assert cases == {words: said if said in found[words].err else found[words].err for words, said in cases.items()}
    assert {2} == {each.code for each in found.values()}
