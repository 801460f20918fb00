"""The programs under measurement, each a process of its own, and what the kernel says they used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ROOT = Path(__file__).parent.parent
KEY = "bench"
LOOK = 0.05
"""Seconds between two looks at how far a process is."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds (user and system) and the peak of resident memory in bytes."""

    cpu: float
    peak: int


class Program:
    """A Python module as a process; its standard output goes to a pipe, its errors to a file."""

    def __init__(
        self, log: Path, *arguments: str, environment: dict[str, str] | None = None, python: str = sys.executable
    ) -> None:
        self._errors = log.open("wb")
        self.process = subprocess.Popen(  # noqa: S603  our own modules
            [python, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | (environment or {}),
        )
        self.log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self._errors.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def line(self) -> Any:
        """The next line of its output, as JSON."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise SystemExit(f"{self.log}: {self.log.read_text('utf-8')[-2000:]}")
        return json.loads(text)

    def memory(self, what: str = "VmHWM") -> int:
        """Resident bytes: the peak (`VmHWM`) or of this moment (`VmRSS`), see proc(5)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu(self, of: str = "process") -> float:
        """CPU seconds used so far: by all of it, or `of` the "loop" by its first thread, which runs that."""
        folder = Path("/proc", str(self.process.pid), *(("task", str(self.process.pid)) if of == "loop" else ()))
        fields = (folder / "stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> Usage:
        """Ask it to stop, wait for that, and give what it used in its whole life."""
        peak = self.memory()
        self.process.send_signal(signal.SIGTERM)
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return Usage(used.ru_utime + used.ru_stime, peak)

    def until(self, done: Callable[[], bool], seconds: float, *, look: float = LOOK) -> None:
        """Look until `done`; end the benchmark when that takes too long or the process has died."""
        limit = time.monotonic() + seconds
        while not done():
            if time.monotonic() > limit or self.process.poll() is not None:
                tail = self.log.read_text("utf-8", "replace")[-3000:]
                raise SystemExit(f"{self.process.args!r} did not get there in {seconds:.0f} s\n{tail}")
            time.sleep(look)


class Service(Program):
    """The local service with endless credit."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        super().__init__(
            folder / "service.log",
            *("-m", "runflowd.local", "--folder", str(folder / "data"), "--balance", "1000000", "--api-key", KEY),
        )
        self.database = folder / "data" / "local.db"
        self.url: str = self.line()["url"]

    def control(self, **switches: Any) -> dict[str, Any]:
        """Switch API variants and faults; give how things stand. Never refused, and counted nowhere."""
        return self._asked("/_control", json.dumps(switches).encode())

    def ledger(self) -> dict[str, Any]:
        """What was bought, and how many requests came on each route."""
        return self._asked("/_control/ledger")

    def _asked(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310  our own address
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found


def daemon(folder: Path, config: str, *, python: str = sys.executable, host: str = "") -> Program:
    """`runflowd run` with a configuration; its state lies in `folder`. With another `python`, as installed there.

    `host` is what the machine is called, where one runs several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "config.yaml"
    source.write_text(config, "utf-8")
    environment = {"RUNFLOW_API_KEY": KEY, "STATE_DIRECTORY": str(folder / "state"), "HOME": str(folder)}
    named = ("--host", host) if host else ()
    command: tuple[str, ...] = ("-m", "runflowd", "run", "-c", str(source), *named)
    if python != sys.executable:  # the script, since `-m` would take the checkout
        command = (str(Path(python).with_name("runflowd")), *command[2:])
    if "BENCH_PROFILE" in os.environ:
        command = ("-m", "bench.launch", str(source))
    (folder / "log").mkdir(exist_ok=True)  # not beside the configuration, which is watched for changes
    return Program(folder / "log" / "daemon.log", *command, environment=environment, python=python)
