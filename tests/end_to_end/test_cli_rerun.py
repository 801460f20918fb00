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


def test_a_file_named_for_a_rule_is_told_both_ways_to_make_it_again(desk: Desk) -> None:
    """It is no unknown rule: the command takes files, too, with settings of their own."""
    said = desk.call("rerun", "a.jpg")

    assert (2, True) == (said.code, said.err.startswith("error: a.jpg is a file of rule one."))
    assert "`runflowd rerun one a.jpg`" in said.err
    assert "`runflowd rerun a.jpg --set NAME=VALUE`" in said.err


def test_the_story_of_a_file_is_found_by_its_result(desk: Desk) -> None:
    """Whoever has a result before them asks where it comes from."""
    by_source, by_result = desk.call("logs", "a.jpg"), desk.call("logs", "out/a.jpg")

    assert (0, by_source.out) == (by_result.code, by_result.out)


def test_after_a_run_no_host_is_at_work(desk: Desk) -> None:
    """As `status` says: what a run leaves on record of itself is no sign of life."""
    assert ("No daemon works on the state now.\n", []) == (
        desk.call("hosts").out,
        desk.call("status", "--json").json["hosts"],
    )


def test_a_name_that_begins_with_a_dash_is_told_how_to_be_given(desk: Desk) -> None:
    """It looks like an option, and an option that is misspelt gets no such advice."""
    (desk.input / "-rf.jpg").write_bytes(picture())
    named, told, mistyped = (
        desk.call("logs", "-rf.jpg"),
        desk.call("logs", "--", "-rf.jpg"),
        desk.call("list", "--lmit"),
    )

    assert (2, True) == (named.code, "goes behind `--`: `-- -rf.jpg`" in named.err)
    assert ("nothing is on record of -rf.jpg" in told.err, "goes behind" in mistyped.err) == (True, False)


def test_a_story_gives_a_reason_once(desk: Desk) -> None:
    """The step that failed has it; below stands what to do."""
    (desk.input / "text.jpg").write_text("no picture")
    assert desk.run("sync", env=WITH_KEY).code == 3

    said = desk.call("logs", "text.jpg").out

    assert (1, True) == (said.count("this is text"), "  -> Put an image in its place" in said)
