"""Starts `runflowd` as a fork of a process that has imported it: two thirds of a short life's work are its imports.

What is started is a process like any other: it has its own pid, environment, folder and streams, runs what
`python -m runflowd` runs, and dies of what kills it. Between it and the zygote stands a keeper, which waits for it
and says how it ended. Tests about how Python itself starts a program do not come here.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module, reload
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMPORTED = ("run", "sync", "check", "status", "plan", "list", "logs", "retry", "rerun", "pause", "resume", "reload")
"""Commands whose modules are there before a start."""

ENDED = struct.Struct("=i")
"""How a process ended, as `os.waitstatus_to_exitcode` says it."""

REQUEST = 1 << 20
"""Bytes that a request has at most."""


class Process:
    """A started process, to be used as one of `subprocess.Popen`."""

    def __init__(self, pid: int, ended: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it lives."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises `subprocess.TimeoutExpired`."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"runflowd, process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            (self.returncode,) = ENDED.unpack(self._ended.recv(ENDED.size))
            self._ended.close()
        return self.returncode


class Zygote:
    """The process that forks, started when it is needed first."""

    def __init__(self) -> None:
        self._requests: socket.socket | None = None

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path | None, stdin: int, stdout: int, stderr: int
    ) -> Process:
        """Start `runflowd` with these arguments; the streams are file descriptors, which stay the caller's."""
        ended, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"arguments": [*arguments], "env": {**env}, "cwd": str(cwd or Path.cwd())}
        with theirs:
            streams = [stdin, stdout, stderr, theirs.fileno()]
            socket.send_fds(self._connected(), [json.dumps(request).encode()], streams)
        (pid,) = ENDED.unpack(ended.recv(ENDED.size))
        return Process(pid, ended)

    def _connected(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", __file__, str(theirs.fileno())]
                started = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            atexit.register(self._end, started)
        return self._requests

    def _end(self, started: subprocess.Popen[bytes]) -> None:
        assert self._requests is not None
        self._requests.close()
        started.wait()


ZYGOTE = Zygote()


def serve(requests: socket.socket) -> None:
    """Fork for each request until nobody asks any more; returns in those that are to live, too."""
    for name in IMPORTED:
        import_module(f"runflowd.commands.{name}")
    gc.collect()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, REQUEST, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _keep(json.loads(request), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(request: Mapping[str, Any], descriptors: list[int]) -> None:
    """Start it and wait for its end; returns in what was started."""
    pid = os.fork()
    if pid == 0:
        _become(request, descriptors)
        return
    *streams, told = descriptors
    for descriptor in streams:
        os.close(descriptor)
    with socket.socket(fileno=told) as asker, suppress(BrokenPipeError):
        asker.send(ENDED.pack(pid))
        _, status = os.waitpid(pid, 0)
        asker.send(ENDED.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: Mapping[str, Any], descriptors: list[int]) -> None:
    *streams, told = descriptors
    os.close(told)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background ignores it
    reload(import_module("runflowd.system.failpoints"))  # it is told by the environment where to kill
    sys.argv = ["runflowd", *request["arguments"]]
    runpy.run_module("runflowd", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
