"""The daemon and the local service as processes of their own, to be killed at will and asked for facts.

Nothing here sleeps and hopes: every wait looks at a fact (a datagram of the daemon, a row of the state
file, a file, the service's books) until it holds or a deadline has passed.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from chosen_state import ON_POSTGRESQL, change_at, rows_at, state_of
from pictures import encoded, noise
from zygote import ZYGOTE, Process

from runflowd.pipeline.intake.initial_import import SEEN
from runflowd.store.rule_edits import seen_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runflowd.system.paths import Place

WAIT_TIMEOUT = 120.0
"""Seconds until a fact that does not come true fails a test; far more than any of them needs."""

LOOK = 0.02
"""Seconds between two looks at a fact."""

PASS_THROUGH = "runflow/pass-through"
KEY = "rf_live_test"
FRESH = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: one kept open may be closed by the service just when it is used again."""

HOLD = {"route": "POST /v1/models/*", "kind": "hold", "count": None}
"""Lets the service answer a purchase only when its work is done, so that the first poll finds results."""

SLOW_RUN = {"kind": "slow", "seconds": 3.0}
"""A run that is seen at work however busy the machine is: nobody looks away for so long."""

NO_BATCHES = {
    "route": "POST /v1/models/*/batches",
    "kind": "status",
    "status": 422,
    "code": "BATCHES_NOT_SUPPORTED",
    "count": None,
}
"""Every model takes single runs only."""

T = TypeVar("T")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder in which a daemon may be at work; one that goes meanwhile is not there."""
    found: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def until(fact: Callable[[], T], what: str, seconds: float = WAIT_TIMEOUT, *, explain: Callable[[], object] = str) -> T:
    """Look until `fact` gives something true, and return that.

    Fails with `what` after `seconds`, and with what `explain` gives then, such as the end of a log.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{explain()}")
        time.sleep(LOOK)


def picture(width: int = 24, height: int = 18, form: str = "JPEG") -> bytes:
    """A whole small image, different each time."""
    return encoded(noise(width, height), form)


def sha256(data: bytes) -> str:
    """The hash by which the service's books and the state file name a content."""
    return hashlib.sha256(data).hexdigest()


class Service:
    """`python -m runflowd.local` on a port that it keeps over restarts."""

    module = "runflowd.local"

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = ("--api-key", KEY, *options)
        self._port = 0
        self._http = httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=30.0, limits=FRESH)
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "service.log"
        self.start()

    def start(self) -> None:
        """Start it, at first or again; what it knew it still knows."""
        command = [sys.executable, "-m", self.module, "--folder", str(self._folder), "--port", str(self._port)]
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen([*command, *self._options], stdout=subprocess.PIPE, stderr=errors)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._log.read_text()
        self.url: str = json.loads(line)["url"]
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self._reap()

    def close(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
        self._reap()
        self._http.close()

    def _reap(self) -> None:
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def control(self, **switches: Any) -> dict[str, Any]:
        """Switch API variants, faults or the balance."""
        answer = self._http.post(f"{self.url}/_control", json=switches)
        return dict(answer.raise_for_status().json())

    def faults(self, *requests: Mapping[str, Any], runs: tuple[Mapping[str, Any], ...] = ()) -> None:
        """Make exactly this trouble from now on."""
        self.control(faults={"requests": list(requests), "runs": list(runs)})

    def calm(self) -> None:
        """Honest again, quick, and with credit."""
        self.control(api_variants={}, faults={"requests": [HOLD]}, balance="1000")

    def struck(self) -> int:
        """How many troubles were dealt out since the last switch of faults."""
        return int(self._http.get(f"{self.url}/_control").raise_for_status().json()["faults_struck"])

    def ledger(self) -> dict[str, Any]:
        """What was charged, and all traffic."""
        return dict(self._http.get(f"{self.url}/_control/ledger").raise_for_status().json())

    def requests(self, name: str) -> int:
        """How often a route, such as `POST /v1/asset-uploads`, was called."""
        return int(self.ledger()["requests"].get(name, 0))

    def idle(self) -> None:
        """Wait until nothing is under way."""
        self._http.get(f"{self.url}/_control/idle", params={"seconds": "30"}).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Daemon:
    """One life of the daemon; entered when it has said that it is ready, left only by its end."""

    def __init__(
        self,
        config: Path,
        log: Path,
        environment: Mapping[str, str],
        enter: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
    ) -> None:
        self._log = log
        address = f"\0runflowd-test-{uuid.uuid4().hex}"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(address)
        self._manager.settimeout(0.1)
        self.said: list[str] = []
        arguments = ("run", "-c", str(config), *options)
        env = {**environment, "NOTIFY_SOCKET": f"@{address[1:]}"}
        self.process: subprocess.Popen[bytes] | Process
        with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            if enter:
                command = [*enter, sys.executable, "-m", "runflowd", *arguments]
                self.process = subprocess.Popen(command, stdin=nothing, stdout=output, stderr=output, env=env)
            else:
                streams = nothing.fileno(), output.fileno(), output.fileno()
                self.process = ZYGOTE.start(arguments, env, None, *streams)

    def hear(self, word: str, times: int = 1) -> None:
        """Wait until it has told its service manager `word` so often in its life."""
        until(lambda: self._heard(word) >= times, f"the daemon says {word} ({times})", explain=self.log)

    def hear_of(self, beginning: str) -> None:
        """Wait until it has told its service manager a line that begins so."""
        until(lambda: self._heard_of(beginning), f"the daemon says {beginning}", explain=self.log)

    def _heard_of(self, beginning: str) -> bool:
        self._listen()
        return any(line.startswith(beginning) for line in self.said)

    def is_ready(self) -> bool:
        """Whether it lives and has said that it is ready."""
        self._listen()
        return self.process.poll() is None and "READY=1" in self.said

    def _heard(self, word: str) -> int:
        self._listen()
        assert self.process.poll() is None, f"the daemon ended by {self.process.returncode}:\n{self.log()}"
        return self.said.count(word)

    def _listen(self) -> None:
        with suppress(TimeoutError):
            self.said += self._manager.recv(8192).decode().split("\n")

    def log(self, characters: int = 6000) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-characters:]

    def death(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        try:
            return self.process.wait(WAIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon lives on. Its log:\n{self.log()}") from None
        finally:
            self._manager.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.death()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.death()

    def reload(self) -> None:
        """SIGHUP, until it says that it is done."""
        before = sum(line == "READY=1" for line in self.said)
        self.process.send_signal(signal.SIGHUP)
        self.hear("READY=1", before + 1)


@dataclass(frozen=True)
class Books:
    """What counts at the end: what stands in the output folders, what was paid, and what is still open."""

    outputs: dict[str, str] = field(default_factory=dict)
    """Relative path to sha256 of every file in the output folder, notes and temporary files included."""
    bought: dict[str, int] = field(default_factory=dict)
    """How often each content was charged."""
    states: dict[str, str] = field(default_factory=dict)
    """Relative path to state of every current row."""
    open: int = 0
    """Batches and purchases whose outcome is still open."""


class Installation:
    """A watched folder, an output folder, a configuration, a state file, and the daemon over them."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self.service = service
        self.input = folder / "in"
        self.output = folder / "out"
        self.config = folder / "runflowd.yaml"
        self.state = folder / "state" / "state.db"
        self.place: Place = self.state
        """Where the state is: that file, unless a test says otherwise before it configures rules."""
        if ON_POSTGRESQL:
            self.place = state_of(folder)
        self.log = folder / "daemon.log"
        self.input.mkdir(parents=True)
        self.daemon: Daemon | None = None
        self.enter: tuple[str, ...] = ()
        """The command that puts the daemon into a namespace; it must become the daemon, for the signals' sake."""
        self.configure()

    def rule(self, **settings: Any) -> dict[str, Any]:
        """A rule over `in` and `out` that hands images through."""
        usual = {"watch": "in", "output": "out", "model": PASS_THROUGH, "input": {"image_url": "${file.url}"}}
        return {**usual, **settings}

    def text(self, rules: Mapping[str, Any], **more: Any) -> str:
        """A whole configuration; JSON is YAML."""
        quick = {"settle": "100ms", "batch": {"quiet": "150ms", "max_wait": "1s"}}
        whole = {
            "service": {"url": self.service.url},
            "state": str(self.place),
            "log": {"level": "debug", "format": "json"},
            "defaults": quick,
            "rules": dict(rules),
            **more,
        }
        return json.dumps(whole, indent=1)

    def configure(self, **settings: Any) -> None:
        """Write the configuration with the one usual rule, changed by `settings`."""
        self.configure_rules({"one": self.rule(**settings)})

    def configure_rules(self, rules: Mapping[str, Any], **more: Any) -> None:
        """Write the configuration as editors do, by rename."""
        draft = self.folder / "runflowd.yaml.new"
        draft.write_text(self.text(rules, **more))
        draft.rename(self.config)

    def write(self, path: str, data: bytes) -> Path:
        """Put a file into the watched folder as people do."""
        target = self.input / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def start(self, failpoint: str = "", *, ready: bool = True, **more: str) -> Daemon:
        """Start the daemon, to die by itself at `failpoint` if one is named; `more` goes into its environment."""
        assert self.daemon is None or self.daemon.process.poll() is not None, "it already runs"
        environment = {**os.environ, "RUNFLOW_API_KEY": KEY, "RUNFLOWD_FAILPOINT": failpoint, **more}
        self.daemon = Daemon(self.config, self.log, environment, self.enter)
        if ready:
            self.daemon.hear("READY=1")
        return self.daemon

    def end(self) -> None:
        """Kill whatever still runs."""
        if self.daemon is not None and self.daemon.process.poll() is None:
            self.daemon.kill()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Ask the state file; nothing while it is not there yet."""
        if isinstance(self.place, Path) and not self.place.exists():
            return []
        try:
            return rows_at(self.place, sql, *values)
        except sqlite3.OperationalError as trouble:
            if "no such table" in str(trouble):
                return []
            raise

    def change(self, sql: str, *values: Any) -> int:
        """Change the state file, such as to let time pass in it."""
        return change_at(self.place, sql, *values)

    def items(self) -> dict[str, sqlite3.Row]:
        """The current row of every path."""
        rows = self.rows("SELECT * FROM full_item WHERE current = 1 ORDER BY id")
        return {os.fsdecode(os.path.join(row["dir"], row["basename"])): row for row in rows}  # noqa: PTH118  bytes

    def states(self) -> dict[str, str]:
        """The state of every path."""
        return {path: row["state"] for path, row in self.items().items()}

    def wait(self, state: str, *paths: str) -> None:
        """Wait until these paths are in that state."""
        with self.explained():
            until(lambda: all(self.states().get(path) == state for path in paths), f"{', '.join(paths)} {state}")

    def wait_until_open(self, *rules: str) -> None:
        """Wait until these rules take files; a result that lies there earlier makes a new rule ask first."""
        sql = "SELECT 1 FROM kv WHERE key = ? AND value = ?"
        with self.explained():
            until(lambda: all(self.rows(sql, seen_key(rule), SEEN) for rule in rules), f"{rules} open")

    def wait_for_rest(self, *paths: str) -> None:
        """Wait until nothing moves any more, and these paths are on record."""
        with self.explained():
            until(lambda: self._rests(paths), "rest")

    def _rests(self, paths: tuple[str, ...]) -> bool:
        states = self.states()
        busy = {"ready", "duplicate", "queued", "submitted", "downloading"}
        moving = self.rows("SELECT 1 FROM item WHERE state IN (SELECT value FROM json_each(?))", json.dumps([*busy]))
        unnoted = self.rows(
            "SELECT 1 FROM item WHERE state IN ('failed', 'outcome_unknown') AND current = 1 "
            "AND note_state <> 'written'"
        )
        return not moving and not unnoted and not self._open() and all(path in states for path in paths)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add states and the log to a failure."""
        try:
            yield
        except AssertionError as failure:
            log = self.daemon.log() if self.daemon else ""
            raise AssertionError(f"{failure}\nstates: {self.states()}\nlog:\n{log}") from failure

    def _open(self) -> int:
        batches = self.rows("SELECT 1 FROM batch WHERE state IN ('sealed', 'submitted')")
        return len(batches) + len(self.rows("SELECT 1 FROM purchase WHERE outcome = 'intended'"))

    def outputs(self) -> dict[str, bytes]:
        """Every file in the output folder."""
        return contents(self.output)

    def incidents(self) -> set[str]:
        """The codes of all trouble that is wider than one item, and lasts."""
        return {row["code"] for row in self.rows("SELECT code FROM incident")}

    def bought(self) -> dict[str, int]:
        """How often the service charged each content that this installation ever saw."""
        ours = {
            row["content_hash"]
            for row in self.rows("SELECT content_hash FROM full_item WHERE content_hash IS NOT NULL")
        }
        return self.charged(*ours)

    def charged(self, *ours: str) -> dict[str, int]:
        """How often the service charged each of these contents, those it never charged left out."""
        charges: Counter[str] = Counter()
        for charge in self.service.ledger()["charges"]:
            charges[charge["content"]] += charge["times"]
        return {content: times for content, times in charges.items() if content in ours}

    def books(self) -> Books:
        """The facts as they are now."""
        outputs = {path: sha256(data) for path, data in self.outputs().items()}
        return Books(outputs, self.bought(), self.states(), self._open())

    def corner(self, name: str) -> Corner:
        """One folder of this installation, for a test that shares the daemon with others."""
        return Corner(self, name)


class Corner:
    """A folder below the watched one, and what becomes of its files; paths are relative to it."""

    def __init__(self, installation: Installation, name: str, rule: str = "") -> None:
        self.installation = installation
        self._prefix = f"{name}/"
        self.input = installation.folder / f"in{rule}" / name
        self.output = installation.folder / f"out{rule}" / name
        self.input.mkdir(parents=True)

    def write(self, path: str, data: bytes) -> Path:
        """Put a file into the folder as people do."""
        target = self.input / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def items(self) -> dict[str, sqlite3.Row]:
        """The current row of every path."""
        rows = self.installation.items().items()
        return {path.removeprefix(self._prefix): row for path, row in rows if path.startswith(self._prefix)}

    def states(self) -> dict[str, str]:
        """The state of every path."""
        return {path: row["state"] for path, row in self.items().items()}

    def wait(self, state: str, *paths: str) -> None:
        """Wait until these paths are in that state."""
        with self.installation.explained():
            until(lambda: all(self.states().get(path) == state for path in paths), f"{paths} {state}")

    def wait_for(self, outputs: Mapping[str, bytes]) -> None:
        """Wait until exactly these files stand in the output folder."""
        with self.installation.explained():
            until(lambda: self.outputs() == outputs, f"outputs {sorted(outputs)}")

    def wait_until_seen(self, path: str) -> None:
        """Wait until the daemon has taken note of how a file is now."""
        now = (self.input / path).stat().st_mtime_ns
        with self.installation.explained():
            until(lambda: path in self.items() and self.items()[path]["mtime_ns"] == now, f"{path} seen")

    def outputs(self) -> dict[str, bytes]:
        """Every file in the output folder."""
        return contents(self.output)

    def bought(self, *contents: bytes) -> list[int]:
        """How often each of these contents was charged."""
        hashes = [sha256(content) for content in contents]
        charges = self.installation.charged(*hashes)
        return [charges.get(content, 0) for content in hashes]


def promised(files: Mapping[str, bytes]) -> Books:
    """The books when every input, by relative path, was handed through once."""
    return Books(
        outputs={path: sha256(data) for path, data in files.items()},
        bought=dict.fromkeys((sha256(data) for data in files.values()), 1),
        states=dict.fromkeys(files, "done"),
    )
