"""`runflowd doctor`: a whole installation examined, over real sockets, folders and limits."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

import kernel_namespace
import pytest
from command_line import RUNFLOWD, WITH_KEY, Desk
from local_service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Installation


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service as a process of its own that knows one key."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as process:
        yield process


def hosted(url: str) -> dict[str, Any]:
    """The section of a service at that address, with the key in a file."""
    return {"url": url, "allow_http": True, "api_key_file": "key"}


def keep_key(desk: Desk, key: str = WITH_KEY["RUNFLOW_API_KEY"]) -> None:
    """Write the key where `hosted` says it is, as it should be kept."""
    (desk.folder / "key").write_text(key)
    (desk.folder / "key").chmod(0o600)


def levels(found: list[dict[str, str]], *checks: str) -> list[tuple[str, str]]:
    """Check and level of every finding of those checks."""
    return [(each["check"], each["level"]) for each in found if each["check"] in checks]


def problems(found: list[dict[str, str]]) -> list[str]:
    """The checks that found a problem."""
    return [each["check"] for each in found if each["level"] == "problem"]


class Recorder:
    """A port that counts who connects, and hangs up on them."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            link, _ = self._socket.accept()
            with link:
                if link.recv(64) == b"end":
                    return
                self.connections += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"end")
        self._thread.join()
        self._socket.close()


def test_a_sound_installation_has_no_problem(desk: Desk, guarded: ServiceProcess) -> None:
    """Every question is asked, and exit 0; the folders are as they were."""
    keep_key(desk)
    desk.configure(hosted(guarded.url))

    said = desk.call("doctor", "--json")

    assert (0, []) == (said.code, problems(said.json)), said.out
    asked = ("key", "scopes", "balance", "models", "clock")
    assert {*asked, "permissions", "inotify", "file systems", "disk", "state", "daemon"} <= {
        each["check"] for each in said.json
    }
    assert [] == [each for each in levels(said.json, *asked) if each[1] != "ok"]
    assert {"runflowd.yaml", "in", "home", "key"} == {path.name for path in desk.folder.iterdir()}


def test_a_refused_key_is_a_problem_and_is_not_shown(desk: Desk, guarded: ServiceProcess) -> None:
    """With the place it came from; the models are not asked for with it."""
    keep_key(desk, "rf_live_revoked_0123")
    desk.configure(hosted(guarded.url))

    said = desk.call("doctor", "--json")

    assert (1, ["key"], []) == (said.code, problems(said.json), levels(said.json, "models"))
    assert "rf_live_revoked_0123" not in said.out + said.err


def test_a_model_that_does_not_exist_is_a_problem_at_its_line(desk: Desk, guarded: ServiceProcess) -> None:
    """As `check --online` has it."""
    keep_key(desk)
    desk.configure(hosted(guarded.url), {"one": desk.rule(model="runflow/backgroud-color")})

    said = desk.call("doctor", "--json")

    (found,) = [each for each in said.json if each["check"] == "models"]
    assert (1, "problem", True) == (said.code, found["level"], found["subject"].startswith("runflowd.yaml:"))
    assert "did you mean runflow/background-color?" in found["message"]


def test_without_network_one_finding_says_so_and_the_rest_is_examined(desk: Desk) -> None:
    """Nothing is said about scopes, balance and models, which nobody told."""
    keep_key(desk)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        desk.configure(hosted(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        said = desk.call("doctor", "--json")

    online = levels(said.json, "service", "scopes", "balance", "models", "clock")
    assert (1, [("service", "problem")], ["service"]) == (said.code, online, problems(said.json))
    assert {"permissions", "state", "disk"} <= {each["check"] for each in said.json}


@pytest.mark.parametrize(("options", "expected"), [((), True), (("--offline",), False)])
def test_offline_nobody_is_called(desk: Desk, options: tuple[str, ...], *, expected: bool) -> None:
    """Neither the service nor the public address of callbacks; without the option both are."""
    keep_key(desk)
    with Recorder() as port:
        callbacks = {"public_url": port.url, "secret_file": "secret"}
        desk.configure({**hosted(port.url), "callbacks": callbacks})
        desk.config.write_text(desk.config.read_text().replace("{", '{"web": {"listen": "127.0.0.1:1"},', 1))
        desk.call("doctor", "--json", *options)

    assert expected == (port.connections > 0)


def test_an_output_below_a_file_is_a_problem(desk: Desk) -> None:
    """The place that blocks is named, in plain words and with a remedy; root is no better off (scenario 56)."""
    desk.configure(rules={"one": desk.rule(output="wall/out")})
    (desk.folder / "wall").touch()

    said = desk.call("doctor", "--offline")

    assert 1 == said.code
    assert f"{desk.folder}/wall is a file, not a folder" in said.out
    assert "-> move that file away, or name another folder" in said.out
    assert "1 problem" in said.out.splitlines()[-1]


def test_a_closed_folder_on_the_way_is_named(desk: Desk) -> None:
    """Not the watched folder itself, which is open."""
    closed = desk.folder / "share"
    (closed / "in").mkdir(parents=True)
    desk.configure(rules={"one": desk.rule(watch="share/in")})
    closed.chmod(0o600)

    said = desk.run("doctor", "--offline", confined=True)

    assert (1, True) == (said.code, f"{closed}/in cannot be reached: {closed} is closed to" in said.out), said.out


def test_a_broken_configuration_is_exit_78(desk: Desk) -> None:
    """In the form of the other findings."""
    desk.config.write_text("service: local\nrules: 5\n")

    said = desk.call("doctor", "--json")

    assert (78, "configuration", "problem") == (said.code, said.json[0]["check"], said.json[0]["level"])
    assert said.json[0]["subject"].startswith("runflowd.yaml:2:")


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, str]]]:
    """What is found where the kernel grants four watches, the tree has five folders, and the output is read-only."""
    namespace = kernel_namespace.required()
    desk = Desk(tmp_path_factory.mktemp("confined"))
    desk.configure()
    for name in "abcd":
        (desk.input / name).mkdir()
    namespace.mount(desk.output)
    namespace.remount(desk.output, "ro")
    namespace.limit("max_inotify_watches", 4)
    command = [*namespace.enter, *RUNFLOWD, "doctor", "--offline", "--json", "-c", str(desk.config)]
    said = subprocess.run(command, env=desk.environment(), capture_output=True, text=True, check=False)
    yield kernel_findings(said)
    namespace.close()


def kernel_findings(said: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """The findings of a command that was run apart."""
    assert 1 == said.returncode, said.stderr
    return list(json.loads(said.stdout))


def test_too_few_watches_are_a_warning_with_the_line_to_type(confined: list[dict[str, str]]) -> None:
    """Counted against the tree (scenario 28)."""
    (found,) = [each for each in confined if "watches" in each["subject"]]

    assert ("warning", True) == (found["level"], "have 5 directories, and the limit is 4" in found["message"])
    assert found["remedy"].startswith("sysctl user.max_inotify_watches=524288;")


def test_a_read_only_output_is_a_problem(confined: list[dict[str, str]]) -> None:
    """Found by writing, which binds root, too (scenario 56)."""
    (found,) = [each for each in confined if each["subject"] == "one: output" and each["level"] == "problem"]

    assert ("permissions", True) == (found["check"], "the file system is read-only" in found["message"])
    assert "Remount it writable" in found["remedy"]


def test_a_daemon_with_callbacks_is_found_answering(installation: Installation, tmp_path: Path) -> None:
    """The unsigned callback comes to the daemon's own receiver and is refused; the daemon answers its socket."""
    (tmp_path / "secret").write_text("whsec_test_0123456789")
    (tmp_path / "secret").chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    callbacks = {"public_url": f"http://{listen}", "secret_file": str(tmp_path / "secret")}
    installation.configure_rules(
        {"one": installation.rule()},
        web={"listen": listen},
        service={"url": installation.service.url, "allow_http": True, "callbacks": callbacks},
    )
    installation.start(HOME=str(tmp_path))
    desk = Desk(tmp_path)

    said = desk.call("doctor", "--json", "-c", str(installation.config), env=WITH_KEY | {"HOME": str(tmp_path)})

    assert [("callbacks", "ok")] * 2 == levels(said.json, "callbacks"), said.out
    assert [("daemon", "ok")] == levels(said.json, "daemon")
    assert [("state", "ok")] == levels(said.json, "state")
    assert "whsec_test" not in said.out
