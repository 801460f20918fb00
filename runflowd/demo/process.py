"""The daemon as a process of its own, started and stopped as a service manager would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STOPPING = 40.0
"""Seconds from SIGTERM until the daemon is given up; it needs 30 at most."""


class DaemonEnded(RunflowdError):
    """The daemon ended before its work was done."""

    def __init__(self, code: int, log: Path) -> None:
        last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-8:])
        super().__init__(f"the daemon ended by itself with code {code}. The end of its log, {log}:\n{last}")


class DaemonStuck(RunflowdError):
    """The daemon did not end, or nothing moved, within the time it is given."""

    def __init__(self, what: str, seconds: float, log: Path) -> None:
        super().__init__(f"{what} within {seconds:.0f} seconds. Its log: {log}")


class DaemonProcess:
    """One run of `runflowd run`; its log goes to a file."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
                [sys.executable, "-P", "-m", "runflowd", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "NO_COLOR": "1"},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise DaemonEnded when it does not run any more."""
        code = self._process.poll()
        if code is not None:
            raise DaemonEnded(code, self.log)

    def stop(self) -> int:
        """Ask it to end with SIGTERM, wait, and give its exit code; raise DaemonStuck after a while."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            raise DaemonStuck("the daemon did not stop", STOPPING, self.log) from None

    def kill(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


@contextmanager
def daemon(config: Path, log: Path) -> Iterator[DaemonProcess]:
    """A running daemon; whatever happens inside, none is left behind."""
    process = DaemonProcess(config, log)
    try:
        yield process
    finally:
        process.kill()
