"""A real systemd as the first process of private namespaces, with the unit files installed and nothing else.

What it mounts, makes and starts ends with it: /etc is a copy; /run, /tmp, /opt, /srv, /var/lib, /var/cache and the
network are its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import pytest
from daemon_process import WAIT_TIMEOUT, until

import runflowd

if TYPE_CHECKING:
    from collections.abc import Iterator

INIT = Path("/lib/systemd/systemd")
NAMESPACES = ("--fork", "--pid", "--kill-child", "--mount", "--mount-proc", "--ipc", "--uts", "--net", "--cgroup")
ROOT = Path(__file__).resolve().parents[2]

_BOOT = r"""
world=$1 prefix=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/kept/world /run/etc
mount --bind "$world" /run/kept/world
number=0
for path in "$prefix" "$@"; do
  mkdir /run/kept/$number
  mount --bind "$path" /run/kept/$number
  number=$((number + 1))
done
for folder in /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
for folder in /srv /opt /var/lib /var/cache; do mount -t tmpfs -o mode=755 tmpfs $folder; done
number=0
for path in "$prefix" "$@"; do  # the checkout under test may itself lie in what was just covered
  [ -e "$path" ] || { mkdir -p "$path"; mount --bind /run/kept/$number "$path"; }
  number=$((number + 1))
done
mkdir -p /srv/runflow /opt/runflowd /var/lib/runflowd
mount --bind /run/kept/world/srv /srv/runflow
mount --bind /run/kept/0 /opt/runflowd
mount --bind /run/kept/world/lib /var/lib
cp -a /etc/. /run/etc
rm -rf /run/etc/systemd /run/etc/runflowd /run/etc/tmpfiles.d /run/etc/sysusers.d
mount --bind /run/etc /etc
cp -r /run/kept/world/etc/. /etc
mkdir /etc/runflowd
mount --bind /run/kept/world/config /etc/runflowd
systemd-sysusers runflowd.conf
systemd-tmpfiles --create runflowd.conf
# Among themselves only: systemd mounts credentials in a namespace of a child, from where they must arrive.
mount --make-rshared /
exec env -i container=test PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system \
  "$0" --system --unit=test.target --log-target=null --show-status=no
"""


def why_not() -> str:
    """What this machine lacks for a systemd in namespaces, or nothing."""
    if os.geteuid() != 0:
        return "only root can start a systemd in namespaces"
    tools = ("unshare", "nsenter", "systemctl", "systemd-sysusers", "systemd-tmpfiles")
    lacking = [name for name in (*tools, str(INIT)) if shutil.which(name) is None]
    if lacking:
        return f"not installed here: {', '.join(lacking)}"
    trial = ["unshare", *NAMESPACES, "mount", "-t", "tmpfs", "tmpfs", "/run"]
    done = subprocess.run(trial, capture_output=True, check=False)
    return f"no namespaces here: {done.stderr.decode().strip()}" if done.returncode else ""


@contextmanager
def machine_folder() -> Iterator[Path]:
    """A folder for a machine, on a disk and not there yet: `PrivateDevices` hides what lies under /dev."""
    with TemporaryDirectory(prefix="runflowd-machine-", dir="/var/tmp") as folder:
        yield Path(folder, "machine")


class Booted:
    """A machine of its own, as far as the service can tell.

    `srv` is its /srv/runflow, `config` its /etc/runflowd, `lib` its /var/lib.
    """

    def __init__(self, folder: Path) -> None:
        self.srv, self.config, self.lib = (folder / name for name in ("srv", "config", "lib"))
        self._units = folder / "etc" / "systemd" / "system"
        self._console = folder / "console"
        for made in (self.srv, self.config, self.lib, self._units):
            made.mkdir(parents=True)
        install = [sys.executable, "-P", "-m", "runflowd", "systemd", "install", "--root", str(folder)]
        subprocess.run([*install, "--program", "/opt/runflowd/bin/runflowd"], check=True, capture_output=True)
        (self._units / "test.target").write_text("[Unit]\nDefaultDependencies=no\n")
        kept = _python_folders()
        self._groups = _Groups()
        # The machine has no sysinit.target, no journal, and its Python may be where the sandbox hides it.
        binds = [f"BindReadOnlyPaths=/run/kept/{number}:{path}" for number, path in enumerate(kept)]
        homes = ["ProtectHome=tmpfs"] if any(path.is_relative_to(home) for path in kept for home in _HOMES) else []
        log = "StandardOutput=append:/var/lib/log\nStandardError=append:/var/lib/log"
        service = "\n".join(["[Service]", log, *binds, *homes, "[Unit]", "DefaultDependencies=no"])
        for unit in ("runflowd.service", "runflowd-backup.service"):
            self._write(unit, service)
        for unit in ("runflowd.socket", "runflowd-backup.timer"):
            self._write(unit, "[Unit]\nDefaultDependencies=no")
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                [
                    *self._groups.entered(),
                    "unshare",
                    *NAMESPACES,
                    "sh",
                    "-ec",
                    self._groups.mounts() + _BOOT,
                    str(INIT),
                    str(folder),
                    *map(str, kept),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._init = until(self._child, "the first process")
        try:
            until(self._is_up, "systemd is up")
        except AssertionError as failure:
            self.end()
            raise AssertionError(f"{failure}\n{self._console.read_text()}") from failure

    def _write(self, unit: str, text: str, name: str = "test") -> None:
        folder = self._units / f"{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.conf").write_text(f"{text}\n")

    def _child(self) -> int:
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if f"\nPPid:\t{self._process.pid}\n" in status.read_text():
                    return int(status.parent.name)
            except OSError:
                continue
        return 0

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "systemd ended"
        return self.systemctl("is-active", "test.target", check=False).strip() == "active"

    def entered(self) -> tuple[str, ...]:
        """What to put before a command so that it runs inside."""
        return ("nsenter", "-t", str(self._init), "-m", "-p", "-u", "-i", "-n", "--")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; what it says."""
        done = subprocess.run(
            [*self.entered(), *command], capture_output=True, text=True, timeout=WAIT_TIMEOUT, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended by {done.returncode}: {done.stderr}\n{self.story()}")
        return done.stdout

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Ask or tell the manager."""
        return self.run("systemctl", "--no-pager", *arguments, check=check)

    def drop_in(self, name: str, *lines: str) -> None:
        """Change the service as an operator does."""
        text = "\n".join(["[Service]", *lines])
        folder = "/etc/systemd/system/runflowd.service.d"
        self.run("sh", "-c", 'printf "%s\\n" "$1" > "$0"', f"{folder}/{name}.conf", text)
        self.systemctl("daemon-reload")

    def show(self, name: str) -> str:
        """A property of the service."""
        return self.systemctl("show", "--value", f"--property={name}", "runflowd.service").strip()

    def facts(self, *names: str) -> tuple[str, ...]:
        """Several properties of the service."""
        return tuple(self.show(name) for name in names)

    def wait(self, name: str, value: str) -> None:
        """Wait until a property has that value."""
        try:
            until(lambda: self.show(name) == value, f"{name} is {value}")
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it is {self.show(name)}\n{self.story()}") from failure

    def log(self) -> str:
        """What the service wrote."""
        path = self.lib / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def story(self) -> str:
        """The end of all that was said."""
        status = self.systemctl("status", "runflowd.service", check=False)
        return f"{self._console.read_text(errors='replace')[-3000:]}\n{status}\n{self.log()[-4000:]}"

    def end(self) -> None:
        """Kill the first process, and with it everything."""
        self._process.kill()
        self._process.wait(20)
        self._groups.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@dataclass(frozen=True)
class _Hierarchy:
    """One of the trees of control groups that cgroups(7) describes, and where this process is in it."""

    top: Path
    options: str
    path: str

    @property
    def mount(self) -> str:
        """The command that shows a process of a cgroup namespace its own part only."""
        kind = f"-t cgroup -o {self.options}" if self.options else "-t cgroup2"
        return f"mount {kind} cgroup {self.top}"


class _Groups:
    """Control groups of one machine's own, so that two at once do not take each other's processes."""

    def __init__(self) -> None:
        name = f"runflowd-test-{uuid.uuid4().hex}"
        self._hierarchies = _hierarchies()
        self._folders = [each.top / each.path / name for each in self._hierarchies]
        for folder in self._folders:
            folder.mkdir()

    def entered(self) -> tuple[str, ...]:
        """What to put before a command so that it runs in them."""
        moves = [f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}" for folder in self._folders]
        return ("sh", "-c", "\n".join(["set -e", *moves, 'exec "$@"']), "sh")

    def mounts(self) -> str:
        """Commands to run in the new namespaces."""
        top = Path("/sys/fs/cgroup")
        alone = any(each.top == top for each in self._hierarchies)
        # The same file system is never mounted on itself, so what is there is taken away or covered first.
        clear = f"umount -l {top}" if alone else f"mount -t tmpfs -o mode=755 tmpfs {top}"
        folders = [f"mkdir -p {each.top}" for each in self._hierarchies]
        return "\n".join([clear, *folders, *(each.mount for each in self._hierarchies)])

    def remove(self) -> None:
        """Remove them, once the last process is gone."""
        until(lambda: all(map(_removed, self._folders)), "the control groups are empty")


def _hierarchies() -> list[_Hierarchy]:
    top = Path("/sys/fs/cgroup")
    unified = top / "unified"
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            place, options = (unified if unified.is_dir() else top), ""
        elif controllers == "name=systemd":
            place, options = top / "systemd", "none,name=systemd"
        else:
            place, options = top / controllers, controllers
        # A new group of cpuset takes no process before it is told of processors; systemd does without.
        if controllers != "cpuset" and (place / path.lstrip("/") / "cgroup.procs").exists():
            found.append(_Hierarchy(place, options, path.lstrip("/")))
    return found


def _removed(group: Path) -> bool:
    for folder in sorted([*group.rglob("*/"), group], reverse=True):
        if folder.is_dir():
            with suppress(OSError):
                folder.rmdir()
    return not group.exists()


_HOMES = ("/home", "/root", "/run/user")


def _python_folders() -> list[Path]:
    """Where this Python and its packages are, the environment with the program first."""
    program = Path(sys.executable).parent / "runflowd"
    if not program.exists():
        pytest.skip(f"the command is not installed: {program}")
    package = Path(runflowd.__file__).resolve().parents[1]
    folders = [Path(sys.prefix), Path(sys.base_prefix).resolve(), package]
    return list(dict.fromkeys(folders))
