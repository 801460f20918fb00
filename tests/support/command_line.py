"""The commands as people call them: real processes in a folder of their own, with a clean environment."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from daemon_process import PASS_THROUGH, contents, picture, until
from zygote import ZYGOTE, Process

from runflowd.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AS_CALLED = (sys.executable, "-P", "-m", "runflowd")
RUNFLOWD = AS_CALLED
"""What is called; a test may put something else here."""

WITH_KEY = {"RUNFLOW_API_KEY": "rf_live_test"}
WAIT_TIMEOUT = 120.0

_STRANGERS = ("RUNFLOW", "XDG_", "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "NOTIFY_SOCKET")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer for programs."""
        return json.loads(self.out)


class Desk:
    """A folder to call commands in, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "runflowd.yaml"
        self.input = folder / "in"
        self.output = folder / "out"
        self.state = folder / "state.db"
        self._started: list[subprocess.Popen[str]] = []

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """This process's, without what would lead a command elsewhere."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGERS)}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {**clean, "HOME": str(home), "COLUMNS": "200", **(more or {})}

    def run(self, *arguments: str, confined: bool = False, env: Mapping[str, str] | None = None) -> Said:
        """Run a command to its end. `confined` makes file permissions count even for root."""
        before = as_nobody_special() if confined else ()
        with (
            Path(os.devnull).open("rb") as nothing,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):
            process: subprocess.Popen[bytes] | Process
            if before or RUNFLOWD != AS_CALLED:
                command, environment = [*before, *RUNFLOWD, *arguments], self.environment(env)
                process = subprocess.Popen(
                    command, cwd=self.folder, env=environment, stdin=nothing, stdout=out, stderr=err
                )
            else:
                streams = nothing.fileno(), out.fileno(), err.fileno()
                process = ZYGOTE.start(arguments, self.environment(env), self.folder, *streams)
            try:
                code = process.wait(WAIT_TIMEOUT)
            finally:
                process.kill()
            out.seek(0)
            err.seek(0)
            return Said(code, out.read(), err.read())

    def call(self, *arguments: str, env: Mapping[str, str] | None = None) -> Said:
        """Run a command inside this process: quicker, for those that only look and write."""
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment(env), clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main([*arguments])
        return Said(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command that runs until it is told to stop; its words go to `log`."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [
                    "env",
                    "--default-signal=INT",
                    *RUNFLOWD,
                    *arguments,
                ],  # whoever runs tests in the background ignores it
                cwd=self.folder,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._started.append(process)
        return process

    def log(self) -> str:
        """What started commands wrote to stderr."""
        return (self.folder / "log").read_text()

    def wait_for(self, action: str, times: int = 1) -> None:
        """Wait until the log has an event of that action so often."""
        until(lambda: self.log().count(f"action={action}") >= times, f"{action} in the log", explain=self.log)

    def stop(self, process: subprocess.Popen[str]) -> int:
        """SIGTERM, and the exit code."""
        process.send_signal(signal.SIGTERM)
        return process.wait(WAIT_TIMEOUT)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def configure(self, service: str | dict[str, Any] = "local", rules: dict[str, Any] | None = None) -> None:
        """Write a configuration with one quick rule over `in` and `out`, or with the rules given."""
        whole = {
            "service": service,
            "state": str(self.state),
            "defaults": {"settle": "100ms", "batch": {"quiet": "100ms"}},
            "rules": rules or {"one": self.rule()},
        }
        self.config.write_text(json.dumps(whole, indent=1))
        self.input.mkdir(exist_ok=True)

    def rule(self, **settings: Any) -> dict[str, Any]:
        """A rule that hands images through."""
        return {"watch": "in", "output": "out", "model": PASS_THROUGH, **settings}

    def outputs(self) -> dict[str, bytes]:
        """Every file in the output folder by its relative path."""
        return contents(self.output)


def as_nobody_special() -> tuple[str, ...]:
    """What to put before a command so that permissions bind it, root or not."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and setpriv(1), which would keep it from that, is not here")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


def desk_in(folder: Path) -> Iterator[Desk]:
    """A desk for a fixture: what it started is ended."""
    made = Desk(folder)
    try:
        yield made
    finally:
        made.end()


def desk_with_a_file_in(folder: Path) -> Iterator[Desk]:
    """The same with a file in its watched folder, and no configuration."""
    for made in desk_in(folder):
        made.input.mkdir(exist_ok=True)
        (made.input / "a.jpg").write_bytes(picture())
        yield made


def configure_state(desk: Desk, address: str) -> None:
    """A configuration of one rule over the local service whose state is at an address."""
    rule = {"watch": "in", "output": "out", "model": PASS_THROUGH, "settle": "100ms", "batch": {"quiet": "100ms"}}
    desk.config.write_text(json.dumps({"service": "local", "state": address, "rules": {"one": rule}}))
