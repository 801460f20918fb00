"""Commands over the control socket of a running daemon, and from the state file without one."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import stat
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import picture, until

from runflowd import __version__
from runflowd.commands import status
from runflowd.control import client
from runflowd.control.client import ask
from runflowd.control.offline_backend import OfflineBackend
from runflowd.control.socket_path import MAX_LENGTH, sun_path
from runflowd.system.paths import control_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import Popen


def socket_of(desk: Desk, env: dict[str, str] | None = None) -> Path:
    """Where the daemon of a desk listens."""
    return control_sockets(desk.config, desk.environment(env))[0]


@contextmanager
def working(desk: Desk, env: dict[str, str] | None = None) -> Iterator[Popen[str]]:
    """A daemon that is ready, and is ended."""
    times = desk.log().count("action=daemon.ready") if (desk.folder / "log").exists() else 0
    daemon = desk.start("run", env=env)
    desk.wait_for("daemon.ready", times + 1)
    yield daemon
    if daemon.poll() is None:
        desk.stop(daemon)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose folder has a long name, with a daemon that has done one file; tests leave no pause behind."""
    folder = tmp_path_factory.mktemp("control") / ("a-rather-long-name" * 6)
    folder.mkdir()
    for desk in desk_in(folder):
        desk.configure()
        with working(desk):
            (desk.input / "mug.jpg").write_bytes(picture())
            desk.wait_for("item.done")
            yield desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a configuration and an empty watched folder."""
    for made in desk_in(tmp_path):
        made.configure()
        yield made


def exchange(path: Path, request: bytes) -> bytes:
    """What the daemon answers to these bytes."""
    with socket.socket(socket.AF_UNIX) as link:
        with sun_path(path) as address:
            link.connect(address)
        link.settimeout(120)
        link.sendall(request)
        return b"".join(iter(lambda: link.recv(65536), b""))


def post(path: Path, command: str, body: Any) -> bytes:
    """What the daemon answers to a command with this body."""
    text = json.dumps(body).encode()
    head = f"POST /{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
    return exchange(path, head.encode() + text)


def test_the_daemon_says_how_it_is(busy: Desk) -> None:
    """Its version, its age and its configuration are its own answer, which no state file has."""
    said = busy.call("status", "--json").json

    daemon = said["daemon"]
    assert (True, __version__, True) == (said["running"], daemon["version"], daemon["uptime"] > 0)
    assert (str(busy.config), []) == (daemon["config"]["source"], daemon["config"]["problems"])
    assert f"version {__version__}" in busy.call("status").out


def test_the_socket_is_the_users_alone_and_its_path_may_be_long(busy: Desk) -> None:
    """Mode 0600, under a path that does not fit into sun_path."""
    path = socket_of(busy)

    assert (0o600, True) == (stat.S_IMODE(path.stat().st_mode), len(os.fsencode(path)) > MAX_LENGTH)


def test_a_paused_rule_waits_and_is_shown_until_it_is_resumed(busy: Desk) -> None:
    """The whole way over the socket: pause, a file that waits, resume, the file done."""
    asked = busy.call("pause", "one", "--reason", "stock-taking\x1b[2J")
    (busy.input / "cup.jpg").write_bytes(picture())
    until(lambda: "cup.jpg" in busy.call("list", "--state", "ready").out, "the file is found and waits")
    shown, plain = busy.call("status", "--json").json["paused"], busy.call("status").out
    resumed = busy.call("resume", "one")
    until(lambda: "cup.jpg" in busy.call("list", "--state", "done").out, "the file is done")

    assert (0, 0) == (asked.code, resumed.code)
    assert [("one", "stock-taking\\x1b[2J")] == [(each["rule"], each["reason"]) for each in shown]
    assert ("rule one for" in plain, "runflowd resume one" in plain) == (True, True)
    assert [] == busy.call("status", "--json").json["paused"]


def test_what_is_not_there_is_refused_with_what_there_is(busy: Desk) -> None:
    """The daemon's refusal has the words and the exit code of the command."""
    said = [busy.call("pause", "nix"), busy.call("resume", "--all"), busy.call("retry", "nix*"), busy.call("pause")]

    assert [2, 1, 1, 2] == [each.code for each in said]
    assert "There are: one." in said[0].err


@pytest.mark.parametrize(
    "command",
    [
        ("list", "--rule", "onne"),
        ("list", "--rule", "onne", "--json"),
        ("list", "--rule", "onne", "--state", "skipped"),
        ("logs", "--rule", "onne", "mug.jpg"),
        ("logs", "--rule", "onne", "1"),
        ("retry", "--rule", "onne", "--all"),
        ("rerun", "onne"),
        ("pause", "onne"),
        ("resume", "onne"),
        ("resume", "onne", "--accept-folder"),
        ("plan", "onne"),
    ],
    ids=" ".join,
)
def test_a_rule_that_there_is_not_is_an_error_with_the_one_that_may_be_meant(
    busy: Desk, command: tuple[str, ...]
) -> None:
    """It is no rule without files."""
    said = busy.call(*command)

    assert (2, True) == (said.code, "there is no rule 'onne'; did you mean 'one'?" in said.err), said


def test_files_are_listed_by_batch_and_path(busy: Desk) -> None:
    """Each choice alone finds the file."""
    whole = busy.call("list", "--path", "mug*", "--json").json["items"]
    by_batch = busy.call("list", "--batch", whole[0]["batch"], "--json").json["items"]

    assert ["mug.jpg"] == [item["path"] for item in whole]
    assert "mug.jpg" in {item["path"] for item in by_batch}


def test_a_batch_has_one_name_in_every_answer_and_in_the_log(desk: Desk) -> None:
    """What `status` shows of its id is in the list, in the story and in the log, and `list --batch` takes it."""
    desk.configure(service={"local": {"faults": {"runs": [{"kind": "stuck"}]}}})
    with working(desk):
        (desk.input / "mug.jpg").write_bytes(picture())
        desk.wait_for("batch.submitted")
        (batch,) = desk.call("status", "--json").json["batches"]
        shown = desk.call("status").out.partition("ended")[2].splitlines()[1].split()[0]
        said = [desk.call("list").out, desk.call("logs", "mug.jpg").out, desk.log()]
        chosen = [desk.call("list", "--json", "--batch", each).json["items"] for each in (shown, batch["remote_id"])]
        unknown = desk.call("list", "--batch", "0" * 9)

    assert (True, 8) == (batch["id"].startswith(shown), len(shown))
    assert [True] * 3 == [shown in each for each in said]
    assert [["mug.jpg"]] * 2 == [[item["path"] for item in items] for items in chosen]
    assert batch["remote_id"] in said[2]
    assert (1, True) == (unknown.code, "there is no batch '000000000'" in unknown.err)


def test_a_list_goes_on_where_its_last_line_says(busy: Desk) -> None:
    """Scenario 137: page by page, each by the very words that the page before ended with; alone all the same."""
    for number in range(3):
        (busy.input / f"many {number}.jpg").write_bytes(picture())
    until(
        lambda: "settling" not in (said := busy.call("list", "--path", "many *").out) and said.count("many ") == 3,
        "all",
    )
    pages = [busy.call("list", "--path", "many *", "--limit", "2").out.splitlines()]
    while pages[-1][-1].startswith("more: runflowd "):
        words = shlex.split(pages[-1][-1].removeprefix("more: runflowd "))
        pages.append(busy.call(*words).out.splitlines())
    first = busy.call("list", "--path", "many *", "--limit", "2", "--json").json
    alone = OfflineBackend(busy.config).answer("list", {"pattern": "many *", "after": first["next"]})

    assert [2, 1] == [sum("many " in line for line in page if "more:" not in line) for page in pages]
    assert [2, 1, None] == [len(first["items"]), len(alone["items"]), alone["next"]]


def test_reload_answers_whether_the_edit_was_taken(busy: Desk) -> None:
    """A refused one is 78 with every place, also in `status`; the next good one is taken."""
    good = busy.config.read_text()
    busy.config.write_text(good.replace('"watch"', '"wach"'))
    refused, status = busy.call("reload"), busy.call("status")
    busy.config.write_text(good)
    taken = busy.call("reload", "--json")

    assert (78, True) == (
        refused.code,
        re.search(r"runflowd\.yaml:\d+:\d+: rules\.one\.wach: ", refused.err) is not None,
    )
    assert ("The last edit is refused" in status.out, "did you mean watch?" in status.out) == (True, True)
    assert (0, {"problems": [], "rules": ["one"]}) == (taken.code, taken.json)


def test_a_rerun_buys_only_when_asked_to(busy: Desk) -> None:
    """Without a terminal it needs --yes; --dry-run shows the count and does nothing."""
    good = busy.config.read_text()
    (busy.input / "bowl.jpg").write_bytes(picture())
    until(lambda: "bowl.jpg" in busy.call("list", "--state", "done").out, "the file is done")
    busy.config.write_text(good.replace('"model"', '"input": {"image_url": "${file.url}", "x": 1}, "model"'))
    assert busy.call("reload").code == 0
    looked = busy.run("rerun", "one", "bowl*", "--dry-run", "--json")
    refused = busy.run("rerun", "one", "bowl*")
    done = busy.run("rerun", "one", "bowl*", "--yes")
    until(lambda: "1 need nothing" in busy.call("rerun", "one", "bowl*", "--dry-run").out, "the file is done anew")
    nothing, none = busy.call("rerun", "one", "bowl*"), busy.call("rerun", "one", "bowll*")
    busy.config.write_text(good)

    assert (0, [("bowl.jpg", "buy")], 0) == (
        looked.code,
        [(item["path"], item["what"]) for item in looked.json["items"]],
        looked.json["marked"],
    )
    assert (2, 0, True) == (refused.code, done.code, "1 on their way" in done.out)
    assert "with the rule as it is now" in nothing.out
    assert "No file that is done is meant" in none.out


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[1]", b"{", b'{"config": 1, "parameters": {}}', b'{"config": "x"}', b"\xff\xfe", b"9" * 5000),
        *(
            b"[" * 100_000,
            b'{"config": "\\u0000", "parameters": {}}',
            b'{"config": "x", "parameters": {"rule": "\\ud800"}}',
        ),
    ],
    ids=range(10),
)
def test_nonsense_is_refused(busy: Desk, body: bytes) -> None:
    """Whatever a peer sends, the daemon answers and goes on."""
    head = f"POST /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"

    assert b" 400 " in exchange(socket_of(busy), head.encode() + body).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        ("nix", {}),
        ("status", {"limit": "many"}),
        ("list", {"after": -1}),
        ("list", {"after": 1 << 70}),
        ("logs", {"path": ""}),
        ("pause", {"rules": "one"}),
        ("rerun", {"items": [1]}),
        ("rerun", {"items": 1}),
        ("rerun", {"items": [{"id": 10**30, "reference": "x"}]}),
    ],
)
def test_wrong_parameters_are_refused(busy: Desk, command: str, parameters: dict[str, Any]) -> None:
    """They are checked before anything is done."""
    answer = post(socket_of(busy), command, {"config": str(busy.config), "parameters": parameters})

    assert b" 409 " in answer.split(b"\r\n")[0]


def test_another_configurations_daemon_is_not_asked(busy: Desk) -> None:
    """It says that it is another's, and the command goes on to the state file."""
    answer = post(socket_of(busy), "status", {"config": "/nowhere/runflowd.yaml", "parameters": {}})

    assert b" 421 " in answer.split(b"\r\n")[0]


def test_a_pause_outlives_a_kill_and_needs_no_daemon(desk: Desk) -> None:
    """What was paused over the socket is paused after SIGKILL; the socket left behind is in nobody's way."""
    with working(desk) as daemon:
        assert desk.call("pause", "one").code == 0
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    left = socket_of(desk).exists()
    alone = desk.call("status", "--json").json
    everything, reload = desk.call("pause", "--all"), desk.call("reload")
    with working(desk):
        again = desk.call("status", "--json").json
    after = [desk.call("resume", "one").code, desk.call("resume", "--all").code]

    assert (True, None, 0, 1) == (left, alone["daemon"], everything.code, reload.code)
    assert ["", "one"] == [each["rule"] for each in again["paused"]]
    assert (True, [0, 0], False) == (again["daemon"] is not None, after, socket_of(desk).exists())


def test_sync_does_not_wait_for_a_paused_rule(desk: Desk) -> None:
    """It says what is paused and how that ends, and comes back with 75."""
    assert desk.run("sync").code == 0
    assert desk.call("pause", "one", "--reason", "stock-taking").code == 0
    (desk.input / "mug.jpg").write_bytes(picture())
    said = desk.run("sync")
    listed = desk.call("list").out

    assert (75, {}) == (said.code, desk.outputs())
    assert (
        "rule one is paused: stock-taking" in said.err + said.out,
        "runflowd resume one" in said.err + said.out,
    ) == (
        True,
        True,
    )
    assert ("ready" in listed, "Paused: rule one" in listed) == (True, True)


@pytest.mark.parametrize("running", [True, False], ids=["with a daemon", "without"])
def test_an_accepted_folder_is_reported_with_the_results_that_stay(desk: Desk, running: bool) -> None:
    """Whoever set `on_delete: remove` would expect them to go; with `keep` there is nothing to say (scenario 135)."""
    removing = desk.rule(on_delete="remove", rescan="1s")
    desk.configure(rules={"one": removing, "two": desk.rule(output="kept", rescan="1s")})
    with ExitStack() as stack:
        daemon = stack.enter_context(working(desk))
        for name in ("cup.jpg", "mug.jpg"):
            (desk.input / name).write_bytes(picture())
        desk.wait_for("item.done", 4)
        desk.input.rename(desk.folder / "away")
        desk.input.mkdir()
        desk.wait_for("incident.open code=WATCH_CHANGED", 2)
        if not running:
            desk.stop(daemon)
        said, silent = desk.call("resume", "one", "--accept-folder"), desk.call("resume", "two", "--accept-folder")

    assert (0, 0) == (said.code, silent.code)
    assert "rule one: 2 results of files that are not in the folder stay" in said.out
    assert "The folder is accepted: two.\n" == silent.out


def test_under_a_service_manager_without_operators_the_daemon_obeys_its_user_alone(desk: Desk) -> None:
    """The socket lies in the runtime directory, closed to every group, and a command finds it there."""
    runtime = desk.folder / "run"
    runtime.mkdir()
    env = {"RUNTIME_DIRECTORY": str(runtime)}
    with working(desk, env):
        mode = stat.S_IMODE((runtime / "control.sock").stat().st_mode)
        found = desk.call("status", "--json", env=env).json["daemon"]

    assert (0o600, True) == (mode, found is not None)


def test_without_a_place_for_the_socket_the_daemon_works(desk: Desk) -> None:
    """Commands use the state file, and the log says why."""
    (desk.folder / "file").write_text("")
    env = {"RUNTIME_DIRECTORY": f"{desk.folder}/file"}
    with working(desk, env):
        said = desk.call("status", "--json", env=env).json

    assert (None, True, True) == (said["daemon"], said["running"], "action=control.closed" in desk.log())


def test_the_story_of_a_file_is_the_same_with_and_without_a_daemon(busy: Desk) -> None:
    """Asked by its path in the rule, by the way to the file, and by its number."""
    (item,) = busy.call("list", "--path", "mug*", "--json").json["items"]
    over_the_socket = busy.call("logs", "mug.jpg", "--json").json
    by_number = busy.call("logs", str(item["id"]), "--json").json
    plain = busy.call("logs", "in/mug.jpg", "--rule", "one").out
    alone = OfflineBackend(busy.config).answer("logs", {"path": "mug.jpg"})["versions"]

    assert [over_the_socket] * 2 == [by_number, alone]
    states = ["ready", "queued", "submitted", "downloading", "done"]
    assert states == [step["state"] for step in over_the_socket[0]["steps"]]
    assert [] == [
        word for word in ("ready", "processing", "saving", "done", "result: mug.jpg", item["run"]) if word not in plain
    ]


def test_a_file_that_nobody_knows_has_no_story(busy: Desk) -> None:
    """The answer says where to look instead."""
    said = [busy.call("logs", "nix.jpg"), busy.call("logs", "999999")]

    assert [1, 1] == [each.code for each in said]
    assert "runflowd plan" in said[0].err


def test_a_plan_is_made_beside_a_daemon(busy: Desk) -> None:
    """It reads the state file that the daemon works on, and buys nothing."""
    whole = busy.call("plan", "one", "--json").json
    fates = {entry["path"]: entry["fate"] for entry in whole["files"]}

    assert ("done", ["one"]) == (fates["mug.jpg"], [each["name"] for each in whole["rules"]])


def test_a_plan_says_what_holds_everything_up(desk: Desk) -> None:
    """The files would be bought, but the service does not answer."""
    desk.configure({"url": "http://127.0.0.1:9"})
    with working(desk, WITH_KEY):
        (desk.input / "mug.jpg").write_bytes(picture())
        desk.wait_for("incident.open")
        plain, whole = desk.call("plan", env=WITH_KEY).out, desk.call("plan", "--json", env=WITH_KEY).json

    assert ("Held up now by UNREACHABLE" in plain, ["UNREACHABLE"]) == (
        True,
        [each["code"] for each in whole["held_up"]],
    )


def test_a_plan_needs_neither_a_daemon_nor_a_state_file(desk: Desk) -> None:
    """It names so many files of a group and counts the others; JSON has all of them."""
    for number in range(3):
        (desk.input / f"{number}.jpg").write_bytes(picture())
    (desk.input / "\x1b[2J.jpg").write_text("no image")
    plain, whole = desk.call("plan", "--limit", "1").out, desk.call("plan", "--json").json

    assert [] == [
        words
        for words in ("3 files would be bought", "price unknown", "and 2 more", "\\x1b[2J.jpg: ", "In all 3 files")
        if words not in plain
    ]
    assert {"0.jpg": "buy", "1.jpg": "buy", "2.jpg": "buy", "\\x1b[2J.jpg": "fail"} == {
        entry["path"]: entry["fate"] for entry in whole["files"]
    }
    assert (False, {}) == (desk.state.exists(), desk.outputs())


def test_a_socket_that_takes_nobody_in_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that stands still lets its queue fill; then the state file is asked (scenario 136)."""
    path, queued = tmp_path / "control.sock", []
    monkeypatch.setattr("runflowd.control.client.control_sockets", lambda _: [path])
    monkeypatch.setattr("runflowd.control.client.ANSWER_TIMEOUT", 0.2)
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as stack:
        listener.bind(str(path))
        listener.listen(0)
        with suppress(BlockingIOError):
            while True:
                queued.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
                queued[-1].setblocking(False)
                queued[-1].connect(str(path))
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(ask(tmp_path, "status", {})), daemon=True)
        asking.start()
        asking.join(30)

    assert [None] == answers


def test_what_is_not_stable_yet_is_counted_and_listed(desk: Desk) -> None:
    """They are in no row, so only the daemon knows of them; whoever dropped one sees that it was noticed."""
    desk.configure(rules={"one": desk.rule(settle="1h")})
    with working(desk):
        (desk.input / "mug.jpg").write_bytes(picture())
        until(lambda: desk.call("status", "--json").json["daemon"]["settling"] == {"one": 1}, "the file is noticed")
        head, row = desk.call("status").out.splitlines()[4:6]
        listed = [
            desk.call("list", *more).out for more in ((), ("--state", "settling", "--name", "MUG"), ("--state", "done"))
        ]
        told, as_data = desk.call("logs", "in/mug.jpg").out, desk.call("logs", "mug.jpg", "--json").json
    alone, unknown = desk.call("list", "--state", "settling").out, desk.call("logs", "mug.jpg")

    assert ("mug.jpg (rule one): settling", "settling") == (told.splitlines()[0], as_data[0]["state"])
    assert (1, True) == (unknown.code, "only a running one knows which files are settling" in unknown.err)
    assert ("1", "settling") == (row.split()[2], head.split()[2])
    assert [["mug.jpg", "settling"]] * 2 + [[]] == [text.splitlines()[-1].split()[1:3] for text in listed[:2]] + [[]]
    assert "No files." in listed[2]
    assert "only a running one knows" in alone


def test_status_says_that_a_daemon_is_there_and_does_not_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is stopped by a signal or waits for a disk; what is on record is told all the same."""
    monkeypatch.setattr(client, "ANSWER_TIMEOUT", 0.5)
    with working(desk) as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            said = CliRunner().invoke(status.command, ["-c", str(desk.config)], env=desk.environment(None))
        finally:
            os.kill(daemon.pid, signal.SIGCONT)

    assert ("does not answer" in said.output, 0) == (True, said.exit_code)
