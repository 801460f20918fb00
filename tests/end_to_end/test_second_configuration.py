"""Two configurations and one state file: the second is refused, and what it is told to do works to the letter."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import Desk, desk_in
from daemon_process import PASS_THROUGH, picture

from runflowd.commands.exit_codes import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import Said

PHOTO = picture()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with two configurations that say nothing of `state:`, and the first has done its work."""
    for made in desk_in(tmp_path):
        write(made.config, "first")
        write(made.folder / "second.yaml", "second")
        for side in ("first", "second"):
            (made.folder / side / "in").mkdir(parents=True)
            (made.folder / side / "in/mug.jpg").write_bytes(PHOTO)
        assert made.run("sync").code == 0
        yield made


def write(place: Path, side: str, **more: Any) -> None:
    rule = {"watch": f"{side}/in", "output": f"{side}/out", "model": PASS_THROUGH}
    quick = {"settle": "100ms", "batch": {"quiet": "100ms"}}
    place.write_text(json.dumps({"service": "local", "defaults": quick, "rules": {"studio": rule}, **more}))


def results(desk: Desk, side: str) -> list[str]:
    return sorted(path.name for path in (desk.folder / side / "out").glob("*"))


def second(desk: Desk, *arguments: str) -> Said:
    return desk.run(arguments[0], "-c", "second.yaml", *arguments[1:])


@pytest.mark.parametrize(
    "command",
    [
        ("sync",),
        ("run",),
        ("plan",),
        ("plan", "--json"),
        ("retry", "--all"),
        ("rerun", "studio", "--yes"),
        ("rerun", "studio", "--missing"),
    ],
)
def test_a_second_configuration_is_refused_by_name(desk: Desk, command: tuple[str, ...]) -> None:
    """It would take the first one's files for its own, and call done what it never did (scenario 144).

    A plan says what `sync` would do, and that would be refused.
    """
    said = second(desk, *command)

    assert (Exit.CONFIGURATION, []) == (said.code, results(desk, "second"))
    assert {str(desk.config), str(desk.folder / "second.yaml")} <= set(re.findall(r"/\S+\.yaml", said.err)), said.err


def test_the_state_file_that_it_is_asked_to_name_lets_it_work(desk: Desk) -> None:
    """The line that the refusal says, put at the top of the configuration (scenario 144)."""
    said = second(desk, "sync")
    line = re.search(r"`state: (\S+)`", said.err)
    assert line is not None, said.err
    write(desk.folder / "second.yaml", "second", state=line[1])

    assert (0, ["mug.jpg"]) == (second(desk, "sync").code, results(desk, "second"))
    assert 0 == desk.run("sync").code


def test_commands_that_only_look_are_not_refused(desk: Desk) -> None:
    """A look changes nothing (scenario 144)."""
    codes = [second(desk, *command).code for command in (("list",), ("status",), ("logs", "mug.jpg"))]

    assert [0, 0, 0] == codes


def test_check_says_whose_the_state_file_is(desk: Desk) -> None:
    """Before anything is started (scenario 144)."""
    said = second(desk, "check")

    assert (0, True) == (said.code, f"is the state file of another configuration, {desk.config}" in said.err)


def test_a_configuration_that_moved_keeps_its_state(desk: Desk) -> None:
    """What was there before is not there any more: it is the same one (scenario 144)."""
    desk.config.rename(desk.folder / "moved.yaml")
    (desk.folder / "first/in/new.jpg").write_bytes(picture())

    assert 0 == desk.run("sync", "-c", "moved.yaml").code
    assert ["mug.jpg", "new.jpg"] == results(desk, "first")
    assert Exit.CONFIGURATION == second(desk, "sync").code


def test_a_configuration_that_replaces_another_is_shown_how(desk: Desk) -> None:
    """The other one is put aside, as the refusal says (scenario 144)."""
    said = second(desk, "sync")
    desk.config.rename(desk.config.with_suffix(".old"))

    assert ("rename or remove" in said.err, 0) == (True, second(desk, "sync").code)


@pytest.mark.parametrize("way", ["edit", "link", "folder by another name"])
def test_another_way_to_the_same_configuration_is_the_same(desk: Desk, way: str) -> None:
    """An editor gives the file a new inode, a link gives it a second name (scenario 144)."""
    place = desk.config
    match way:
        case "edit":
            draft = desk.folder / "draft"
            draft.write_text(place.read_text())
            draft.rename(place)
        case "link":
            place = desk.folder / "link.yaml"
            place.symlink_to(desk.config)
        case _:
            (desk.folder / "there").symlink_to(desk.folder)
            place = desk.folder / "there/runflowd.yaml"

    assert 0 == desk.run("sync", "-c", str(place)).code


def test_a_state_file_of_an_earlier_version_belongs_to_who_comes_first(desk: Desk) -> None:
    """It names no configuration yet; the default place stays, so no state file is orphaned (scenario 144)."""
    (state,) = Path(desk.folder, "home").rglob("state.db")
    with sqlite3.connect(state) as connection:
        connection.execute("DELETE FROM kv WHERE key = 'configuration'")

    assert [0, Exit.CONFIGURATION] == [desk.run("sync").code, second(desk, "sync").code]
