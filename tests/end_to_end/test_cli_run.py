"""`runflowd run` and `local` as processes: signals, a second daemon, status while one works."""

from __future__ import annotations

import json
import socket
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from command_line import WITH_KEY, Desk, desk_in
from daemon_process import SLOW_RUN, Service, picture, until

from runflowd.commands.run import greeting
from runflowd.config import load
from runflowd.store.state_file import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder with a configuration and an empty watched folder."""
    for made in desk_in(tmp_path):
        made.configure()
        yield made


def test_a_start_at_a_terminal_says_where_files_go_and_how_to_stop(tmp_path: Path) -> None:
    """A page is named where there is one; of many rules, some."""
    rules = "".join(f"  r{number}: {{watch: in{number}, output: out{number}, model: a/b}}\n" for number in range(7))
    (tmp_path / "c.yaml").write_text(f"service: local\nweb: {{listen: 127.0.0.1:8787}}\nrules:\n{rules}")
    first, *others = greeting(load(tmp_path / "c.yaml"))

    assert f"Drop files into {tmp_path}/in0: results appear in {tmp_path}/out0 (r0)." == first
    assert [
        "There are 2 more rules; `runflowd check` describes them all.",
        "`runflowd status` in another terminal shows how far it is, and so does the page at 127.0.0.1:8787.",
        "Ctrl-C stops the daemon; what is on its way is taken up by the next run.",
    ] == others[4:]


def test_files_become_results_and_sigterm_ends_cleanly(desk: Desk) -> None:
    """What is dropped while the daemon runs comes out; SIGTERM is exit 0."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    photo = picture()
    (desk.input / "mug.jpg").write_bytes(photo)
    desk.wait_for("item.done")

    assert (0, {"mug.jpg": photo}) == (desk.stop(daemon), desk.outputs())


def test_a_second_daemon_is_refused_with_the_first_ones_process(desk: Desk) -> None:
    """75, since it will work once the other has ended; the message names it. `sync` is refused alike."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")

    refused = [desk.run("run"), desk.run("sync")]

    assert [75, 75] == [said.code for said in refused]
    assert [True, True] == [f"process {daemon.pid}" in said.err for said in refused]


def test_a_batch_in_flight_is_resumed_by_the_next_start(desk: Desk, tmp_path: Path) -> None:
    """SIGTERM does not wait for the service; the next daemon collects what was bought, and buys nothing."""
    photo = picture()
    with Service(tmp_path / "service") as service:
        desk.configure({"url": service.url})
        service.faults(runs=(SLOW_RUN,))
        first = desk.start("run", env=WITH_KEY)
        desk.wait_for("daemon.ready")
        (desk.input / "mug.jpg").write_bytes(photo)
        until(lambda: _states(desk) == ["submitted"], "the batch is bought")
        code, before = desk.stop(first), desk.outputs()

        second = desk.start("run", env=WITH_KEY)
        desk.wait_for("item.done")
        ended = desk.stop(second)
        bought = [charge["times"] for charge in service.ledger()["charges"]]

    assert (0, {}) == (code, before)
    assert (0, {"mug.jpg": photo}, [1]) == (ended, desk.outputs(), bought)


def _states(desk: Desk) -> list[str]:
    if not desk.state.exists():
        return []
    with closing(sqlite3.connect(desk.state, timeout=10)) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM item")]


def test_status_tells_of_a_running_daemon(desk: Desk) -> None:
    """It reads the state file beside the daemon: the process, counts, failures with remedy."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    (desk.input / "mug.jpg").write_bytes(picture())
    (desk.input / "text.jpg").write_text("no photo")
    until(lambda: sorted(_states(desk)) == ["done", "failed"], "both have ended")

    status = desk.run("status", "--json").json

    assert (True, daemon.pid, 0) == (status["running"], status["pid"], status["in_flight"])
    assert {"done": 1, "failed": 1} == status["rules"][0]["counts"]
    assert ("text.jpg", "Put an image in its place, or move it out of the folder.") == (
        status["failures"][0]["file"],
        status["failures"][0]["remedy"],
    )


def test_status_shows_a_batch_in_flight_and_the_incident_over_it(desk: Desk) -> None:
    """A service that does not answer is an incident; the batch that waits for it has an age."""
    desk.configure({"url": "http://127.0.0.1:9"})
    (desk.input / "mug.jpg").write_bytes(picture())
    desk.start("run", env=WITH_KEY)
    desk.wait_for("incident.open")

    said = desk.run("status")

    assert set() == {word for word in ("sealed", "UNREACHABLE", "-> ", "Spent today: $0.00") if word not in said.out}


def test_status_after_the_daemon_ended_says_so(desk: Desk) -> None:
    """A state file that nobody holds names no process."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    desk.stop(daemon)

    assert (None, True) == (holder(desk.state), "not running" in desk.run("status").out)


def test_an_edit_is_taken_up_and_a_bad_one_is_refused(desk: Desk) -> None:
    """The daemon goes on with the last good configuration and says what is wrong."""
    daemon = desk.start("run")
    desk.wait_for("daemon.ready")
    good = desk.config.read_text()
    desk.config.write_text(good.replace('"model"', '"modle"'))
    desk.wait_for("config.refused")
    (desk.input / "mug.jpg").write_bytes(picture())
    desk.wait_for("item.done")

    assert (0, True) == (desk.stop(daemon), "did you mean model?" in desk.log())


def test_the_local_service_tells_its_address_and_ends_on_sigterm(desk: Desk) -> None:
    """The first line of stdout is the URL; who has the key is answered there, and nobody else (scenario 149)."""
    key_file, answers = desk.folder / "service" / "api-key", []
    for _ in range(2):
        process = desk.start("local", "--port", "0", "--folder", str(key_file.parent))
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        keys = [{"Authorization": f"Bearer {key}"} for key in (key_file.read_text().strip(), "any")]
        answers += [httpx.get(f"{url}/v1/models", headers=key, timeout=30).status_code for key in keys]
        assert 0 == desk.stop(process)

    assert ([200, 401] * 2, 0o600) == (answers, stat.S_IMODE(key_file.stat().st_mode))
    assert f"Its key is in {key_file}; name that in `api_key_file`." in desk.log()


def test_a_local_service_with_a_key_that_others_read_does_not_start(desk: Desk) -> None:
    """It says what to do, and that works."""
    key_file = desk.folder / "service" / "api-key"
    key_file.parent.mkdir()
    key_file.write_text("known to all\n")
    key_file.chmod(0o644)
    words = ("local", "--port", "0", "--folder", str(key_file.parent))
    said = desk.run(*words)
    key_file.unlink()
    process = desk.start(*words)
    assert process.stdout is not None
    url = process.stdout.readline()

    assert (77, True, True) == (said.code, f"{key_file} is no plain file of this user" in said.err, "http" in url)
    assert 0 == desk.stop(process)


def test_a_port_in_use_is_try_again(desk: Desk) -> None:
    """The message says so without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = desk.run("local", "--port", str(taken.getsockname()[1]))

    assert (75, True, False) == (said.code, "in use" in said.err, "Traceback" in said.err)


def test_under_the_journal_the_log_is_json(desk: Desk) -> None:
    """`log.format: json` gives one object a line, each with its action."""
    whole = json.loads(desk.config.read_text())
    desk.config.write_text(json.dumps({**whole, "log": {"format": "json"}}))
    daemon = desk.start("run")
    until(lambda: "daemon.ready" in desk.log(), "it is ready")
    desk.stop(daemon)

    events = [json.loads(line.partition(">")[2]) for line in desk.log().splitlines()]
    assert "daemon.ready" in {event["action"] for event in events}
