"""The YAML is edited while the daemon runs: good edits count at once, bad ones never."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import HOLD, SLOW_RUN, Books, Installation, picture, promised, sha256, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon_process import Service

LATE = {"quiet": "30s", "max_wait": "60s"}


def prompt(text: str) -> dict[str, str]:
    """An input with a prompt, which the model takes note of and ignores."""
    return {"image_url": "${file.url}", "prompt": text}


def bought_with(installation: Installation, data: bytes) -> list[tuple[str | None, int]]:
    """Under which prompts a content was charged, and how often."""
    charges = installation.service.ledger()["charges"]
    return [(charge["input"].get("prompt"), charge["times"]) for charge in charges if charge["content"] == sha256(data)]


def by_rename(installation: Installation, text: str) -> None:
    """As editors save."""
    draft = installation.folder / "draft"
    draft.write_text(text)
    draft.rename(installation.config)


def in_place(installation: Installation, text: str) -> None:
    """As shells do: the file is empty for a moment."""
    installation.config.write_text(text)


@pytest.mark.parametrize("save", [by_rename, in_place])
def test_a_rule_that_is_added_works_at_once(
    installation: Installation, save: Callable[[Installation, str], None]
) -> None:
    """However the file is saved (scenario 119)."""
    installation.start()
    (installation.folder / "in2").mkdir()
    (installation.folder / "in2" / "b.jpg").write_bytes(data := picture())

    rules = {"one": installation.rule(), "two": installation.rule(watch="in2", output="out2")}
    save(installation, installation.text(rules))
    installation.wait("done", "b.jpg")

    assert data == (installation.folder / "out2" / "b.jpg").read_bytes()


def test_a_broken_edit_changes_nothing_and_the_next_good_one_counts(installation: Installation) -> None:
    """The last good configuration stays in force, and says so (scenarios 118, 120)."""
    installation.start()
    in_place(installation, "rules: {one: [")
    with installation.explained():
        until(lambda: "CONFIG_REFUSED" in installation.incidents(), "the edit is refused")
    installation.write("a.jpg", first := picture())
    installation.wait("done", "a.jpg")
    assert [(None, 1)] == bought_with(installation, first)

    installation.configure(input=prompt("new"))
    with installation.explained():
        until(lambda: not installation.incidents(), "the edit is taken")
    installation.write("b.jpg", second := picture())
    installation.wait("done", "b.jpg")

    assert [("new", 1)] == bought_with(installation, second)


def test_a_refused_edit_is_still_reported_after_a_hangup(installation: Installation) -> None:
    """SIGHUP tries everything again; what is still wrong is said again."""
    daemon = installation.start()
    in_place(installation, "rules: {}\nrulez: {}\n")
    with installation.explained():
        until(lambda: "CONFIG_REFUSED" in installation.incidents(), "the edit is refused")
    daemon.reload()

    assert {"CONFIG_REFUSED"} == installation.incidents()


def test_the_service_manager_is_notified_for_as_long_as_an_edit_is_refused(installation: Installation) -> None:
    """With its place; the regular line on rules and batches comes only when the files are good (scenario 118)."""
    daemon = installation.start(WATCHDOG_USEC="200000")
    in_place(installation, "rules: {}\nservice: local\nrulez: {}\n")
    refused = f"STATUS=configuration refused, the last good one is in force: {installation.config}:3:1: rulez: "
    daemon.hear_of(refused)
    since = len(daemon.said)
    daemon.hear("WATCHDOG=1", daemon.said.count("WATCHDOG=1") + 3)

    told = [line for line in daemon.said[since:] if line.startswith("STATUS=")]
    assert [] == [line for line in told if not line.startswith(refused)]


def test_the_newest_mistake_is_the_one_that_is_reported(installation: Installation) -> None:
    """Two bad edits in a row: the first is history, in `status` as in the log (scenario 118)."""
    installation.start()
    for key in ("rulez", "serwice"):
        in_place(installation, f"rules: {{}}\nservice: local\n{key}: {{}}\n")
        with installation.explained():
            until(lambda: key in messages(installation), f"{key} is refused")  # noqa: B023  called at once

    assert "rulez" not in messages(installation)


def messages(installation: Installation) -> str:
    """What all lasting trouble says."""
    return "\n".join(row["message"] for row in installation.rows("SELECT message FROM incident"))


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("limits", {"limits": {"uploads": 3}}),
        ("log", {"log": {"level": "warning"}}),
        ("service", {"service": "local"}),
    ],
)
def test_what_only_a_restart_takes_is_reported_until_it_is_taken_back(
    reloaded: Installation, part: str, changed: dict[str, object]
) -> None:
    """Rules of the same edit count at once; the rest says that it waits."""
    reloaded.configure_rules({"one": reloaded.rule()}, **changed)
    with reloaded.explained():
        until(lambda: f"`{part}` changed; that needs a restart" in messages(reloaded), "the wait is told")
    told = reloaded.incidents()

    reloaded.configure_rules({"one": reloaded.rule()})
    with reloaded.explained():
        until(lambda: not reloaded.incidents(), "it is taken back")

    assert {"RESTART_NEEDED"} == told


def test_the_page_moves_without_a_restart(reloaded: Installation) -> None:
    """A changed `web` counts at once, so nothing says that it waits."""
    page = reloaded.folder / "web.sock"
    reloaded.configure_rules({"one": reloaded.rule()}, web={"listen": f"unix:{page}"})
    with reloaded.explained():
        until(page.exists, "the page is there")
    told = reloaded.incidents()

    reloaded.configure_rules({"one": reloaded.rule()})
    with reloaded.explained():
        until(lambda: not page.exists(), "the page is gone")

    assert set() == told | reloaded.incidents()


@pytest.fixture(scope="module")
def reloaded(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A daemon that several edits are tried on; each test leaves the configuration as it was."""
    made = Installation(tmp_path_factory.mktemp("reloaded") / "installation", shared_service)
    made.start()
    yield made
    made.end()


def test_a_link_that_is_swapped_is_an_edit(installation: Installation) -> None:
    """As mounted secrets and configuration maps are replaced: the folder behind `..data` (scenario 119)."""
    folder = installation.folder / "mounted"
    for name, rules in (
        ("one", {}),
        ("two", {"one": installation.rule(watch=str(installation.input), output=str(installation.output))}),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "runflowd.yaml").write_text(installation.text(rules))
    (folder / "..data").symlink_to("one")
    (folder / "runflowd.yaml").symlink_to("..data/runflowd.yaml")
    installation.config = folder
    installation.start()
    installation.write("a.jpg", data := picture())
    (folder / "..data_tmp").symlink_to("two")
    (folder / "..data_tmp").rename(folder / "..data")
    installation.wait("done", "a.jpg")

    assert {"a.jpg": data} == installation.outputs()


def test_a_deleted_configuration_is_no_configuration_without_rules(installation: Installation) -> None:
    """The last good one stays in force (scenario 120)."""
    installation.start()
    installation.config.unlink()
    with installation.explained():
        until(lambda: "CONFIG_REFUSED" in installation.incidents(), "the loss is told")
    installation.write("a.jpg", data := picture())
    installation.wait_for_rest("a.jpg")

    assert promised({"a.jpg": data}) == installation.books()


def test_a_new_prompt_counts_for_new_files_only(installation: Installation) -> None:
    """What is done stays as it is; redoing it is a command of its own (scenario 124)."""
    installation.configure(input=prompt("old"))
    installation.write("a.jpg", first := picture())
    daemon = installation.start()
    installation.wait("done", "a.jpg")

    installation.configure(input=prompt("new"))
    daemon.reload()
    installation.write("b.jpg", second := picture())
    installation.wait_for_rest("a.jpg", "b.jpg")

    assert [("old", 1)] == bought_with(installation, first)
    assert [("new", 1)] == bought_with(installation, second)


def test_a_new_prompt_counts_for_equal_files_that_wait(installation: Installation) -> None:
    """Neither of the two is bought with the old one, nor forgotten, nor bought twice."""
    installation.configure(input=prompt("old"), batch=LATE)
    data = picture()
    dropped = {"a.jpg": data, "b.jpg": data, "c.jpg": data}
    for path in dropped:
        installation.write(path, data)
    daemon = installation.start()
    with installation.explained():
        until(lambda: sorted(installation.states().values()) == ["duplicate", "duplicate", "ready"], "one of three")

    installation.configure(input=prompt("new"))
    daemon.reload()
    installation.wait_for_rest(*dropped)

    assert (promised(dropped), [("new", 1)]) == (installation.books(), bought_with(installation, data))


def test_what_a_rule_no_longer_takes_is_not_bought(installation: Installation) -> None:
    """Files that still wait for their batch follow the edit; taken again, they are found again."""
    installation.configure(batch=LATE)
    installation.write("a.jpg", taken := picture())
    installation.write("b_wip.jpg", left_out := picture())
    daemon = installation.start()
    installation.wait("ready", "a.jpg", "b_wip.jpg")

    installation.configure(exclude=["*_wip.*"])
    daemon.reload()
    installation.wait("done", "a.jpg")
    assert promised({"a.jpg": taken}) == installation.books()

    installation.configure()
    daemon.reload()
    installation.wait_for_rest("a.jpg", "b_wip.jpg")
    assert promised({"a.jpg": taken, "b_wip.jpg": left_out}) == installation.books()


def test_a_removed_rule_delivers_what_it_bought(installation: Installation) -> None:
    """To where it was promised (scenario 123)."""
    data = picture()
    installation.service.faults(HOLD, runs=({**SLOW_RUN, "match": sha256(data)},))
    installation.write("a.jpg", data)
    daemon = installation.start()
    installation.wait("queued", "a.jpg")

    installation.configure_rules({})
    daemon.reload()
    installation.write("b.jpg", picture())
    installation.wait_for_rest("a.jpg")

    assert promised({"a.jpg": data}) == installation.books()


def test_an_output_folder_that_moves_leaves_old_results_where_they_are(installation: Installation) -> None:
    """The text that a batch was sealed with says where it goes (scenario 125)."""
    first = picture()
    installation.service.faults(HOLD, runs=({**SLOW_RUN, "match": sha256(first)},))
    installation.write("a.jpg", first)
    daemon = installation.start()
    installation.wait("queued", "a.jpg")

    installation.configure(output="elsewhere")
    daemon.reload()
    installation.write("b.jpg", second := picture())
    installation.wait("done", "a.jpg", "b.jpg")

    assert {"a.jpg": first} == installation.outputs()
    assert second == (installation.folder / "elsewhere" / "b.jpg").read_bytes()


def test_an_edited_output_is_reported_and_filled_by_a_rerun(installation: Installation) -> None:
    """`check` and `plan` say what it means for known files, and name what helps (scenario 145)."""
    installation.write("a.jpg", first := picture())
    daemon = installation.start()
    installation.wait("done", "a.jpg")
    installation.configure(output="elsewhere")
    daemon.reload()

    def said(*words: str) -> str:
        command = (sys.executable, "-m", "runflowd", *words, "-c", str(installation.config))
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    told = ["`runflowd rerun one --missing`" in said(word) for word in ("check", "plan")]
    said("rerun", "one", "--missing")
    moved = installation.folder / "elsewhere" / "a.jpg"
    with installation.explained():
        until(moved.exists, "the result is in the new place")
    installation.wait("done", "a.jpg")

    assert ([True, True], first, {"a.jpg": first}) == (told, moved.read_bytes(), installation.outputs())
    assert ([1], "--missing" in said("check")) == (list(installation.bought().values()), False)


def test_a_rule_that_skips_what_is_there_buys_only_what_comes(installation: Installation) -> None:
    """Even while files keep arriving (scenario 127)."""
    there = {f"{number:03}.jpg": picture() for number in range(60)}
    for path, data in there.items():
        installation.write(path, data)
    installation.configure_rules({})
    daemon = installation.start()

    installation.configure(existing="skip")
    daemon.reload()
    with installation.explained():
        until(lambda: len(installation.states()) >= len(there), "all are known")
    installation.write("new.jpg", new := picture())
    installation.wait_for_rest("new.jpg")

    assert promised({"new.jpg": new}).outputs == installation.books().outputs
    assert {sha256(new): 1} == installation.charged(sha256(new), *map(sha256, there.values()))


def test_a_folder_of_files_is_one_configuration(installation: Installation) -> None:
    """A file that is added, changed or removed counts like an edit."""
    folder = installation.folder / "conf"
    folder.mkdir()
    for number in (1, 2):
        (installation.folder / f"in{number}").mkdir()

    def part(number: int) -> str:
        watch, output = str(installation.folder / f"in{number}"), str(installation.folder / f"out{number}")
        return json.dumps({"rules": {f"rule{number}": installation.rule(watch=watch, output=output)}})

    (folder / "0.yaml").write_text(installation.text({}))
    (folder / "1.yaml").write_text(part(1))
    installation.config = folder
    installation.start()
    (folder / "2.yaml").write_text(part(2))
    (folder / "1.yaml").unlink()
    for number in (1, 2):
        (installation.folder / f"in{number}" / f"{number}.jpg").write_bytes(picture())
    installation.wait("done", "2.jpg")
    (folder / "1.yaml").write_text(part(1))
    installation.wait_for_rest("1.jpg", "2.jpg")

    assert Books(states={"1.jpg": "done", "2.jpg": "done"}).states == installation.states()
