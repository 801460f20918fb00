"""Two rules over one folder, and a chain of two, with a daemon as a process; `plan` and `logs` along it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import Desk, desk_in
from daemon_process import contents, picture, sha256, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Installation


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder for two rules, and a third that takes what the first one makes."""
    for made in desk_in(tmp_path):
        rules = {
            "next": made.rule(watch="one", output="next"),
            "one": made.rule(output="one"),
            "two": made.rule(output="two", include=["*.jpg"]),
        }
        made.configure(rules=rules)
        yield made


def there(desk: Desk, *names: str) -> list[dict[str, bytes]]:
    """What lies in these folders, by relative path."""
    return [contents(desk.folder / name) for name in names]


def test_a_daemon_serves_two_rules_over_one_folder_and_a_chain(desk: Desk) -> None:
    """All three results appear, by events alone (scenario 143)."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    photo = picture()
    (desk.input / "shoes").mkdir()
    (desk.input / "shoes/mug.jpg").write_bytes(photo)
    expected = {"shoes/mug.jpg": photo}
    until(lambda: there(desk, "one", "two", "next") == [expected] * 3, "three results", explain=desk.log)
    until(lambda: not desk.run("status", "--json").json["in_flight"], "rest")
    told = desk.run("logs", "shoes/mug.jpg", "--rule", "one").out
    story = desk.run("logs", "shoes/mug.jpg", "--rule", "one", "--json").json

    assert 0 == desk.stop(daemon)
    assert ["one", "next"] == [version["rule"] for version in story]
    assert [] == [word for word in ("goes on to", "made by", "rule next, item") if word not in told]
    assert story[1]["made_by"] == {"id": story[0]["id"], "rule": "one", "path": "shoes/mug.jpg"}


def test_one_sync_goes_through_the_whole_chain(desk: Desk) -> None:
    """Everything pending, and what that makes (scenario 143)."""
    photo = picture()
    (desk.input / "mug.jpg").write_bytes(photo)
    said = desk.run("sync", "--json")

    assert (0, 3) == (said.code, len(said.json["done"]))
    assert [{"mug.jpg": photo}] * 3 == there(desk, "one", "two", "next")


def test_a_plan_follows_the_chain(desk: Desk) -> None:
    """What is bought now, and what that leads to (scenario 143)."""
    (desk.input / "mug.jpg").write_bytes(picture())
    said, plain = desk.run("plan", "--json"), desk.run("plan")
    rules = {rule["name"]: rule for rule in said.json["rules"]}
    files = {(each["rule"], each["path"]): each["then"] for each in said.json["files"]}

    assert {("one", "mug.jpg"): ["next"], ("two", "mug.jpg"): []} == files
    assert ({"one": 1}, {}) == (rules["next"]["coming"], rules["one"]["coming"])
    assert "up to 1 file would come from rule one" in plain.out
    assert "its results go on to rule next" in plain.out
    assert "In all 2 files would be bought" in plain.out
    assert "Then up to 1 file more" in plain.out


def test_a_loop_is_distinguished_from_a_chain(desk: Desk) -> None:
    """With the way round, before anything runs (scenario 143)."""
    rules = {"one": desk.rule(output="one"), "next": desk.rule(watch="one", output="in")}
    desk.configure(rules=rules)

    said = desk.run("check")

    assert (78, True) == (said.code, "one -> next -> one" in said.err)


@pytest.mark.parametrize("failpoint", ["output.recorded", "output.recorded:2", "source.disposed"])
def test_a_kill_never_keeps_a_source_that_all_are_done_with(installation: Installation, failpoint: str) -> None:
    """Nor lets one go that is still needed: it goes after the next start, at no further cost (scenario 143)."""
    rules = {name: installation.rule(output=name, after="delete") for name in ("one", "two")}
    installation.configure_rules(rules)
    photo = picture()
    source = installation.write("mug.jpg", photo)
    installation.start(failpoint, ready=False).death()
    installation.start()
    with installation.explained():
        until(lambda: not source.exists(), "the source to go")
    installation.wait_for_rest()
    done = installation.rows("SELECT state FROM item")

    assert {"done"} == {row["state"] for row in done}
    assert [photo, photo] == [(installation.folder / name / "mug.jpg").read_bytes() for name in ("one", "two")]
    assert {sha256(photo): 2} == installation.bought()
