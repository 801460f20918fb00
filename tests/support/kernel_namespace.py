"""A namespace of the kernel of one's own, where disks may be mounted and limits lowered without harm to others.

A process that only waits holds the namespace open; `enter` puts commands into it. Files on disks that are
mounted there are reached from outside through `/proc`. Works for root, and for others where the kernel lets
them have user namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 4096
"""Bytes of the smallest thing that a tmpfs gives space for."""


class Namespace:
    """Mounts and limits that nobody else sees; end it with `close`."""

    def __init__(self) -> None:
        command = ["unshare", "-Urm", "--propagation", "private", "sh", "-c", "echo held; exec cat"]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert b"held\n" == self._holder.stdout.readline()
        self._root = Path(f"/proc/{self._holder.pid}/root")
        into = ["nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials"]
        self.enter: tuple[str, ...] = (*into, "sh", "-c", 'cd "$0" && exec "$@"', str(Path.cwd()))

    def outside(self, path: Path) -> Path:
        """The name by which a path of the namespace is reached from without."""
        return self._root / path.relative_to("/")

    def run(self, *command: str) -> None:
        """Run a command in the namespace."""
        subprocess.run([*self.enter, *command], check=True, capture_output=True)

    def mount(self, folder: Path, size: str = "8m") -> Path:
        """Mount an empty disk of that size over `folder`; the name of the folder on it from without."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder))
        return self.outside(folder)

    def remount(self, folder: Path, options: str) -> None:
        """Change a mounted disk, such as its size or whether it takes writes."""
        self.run("mount", "-o", f"remount,{options}", str(folder))

    def unmount(self, folder: Path) -> None:
        """Take the topmost disk away from `folder`, whoever still uses it."""
        self.run("umount", "--lazy", str(folder))

    def limit(self, name: str, most: int) -> None:
        """Lower a limit of `/proc/sys/user`."""
        self.run("sh", "-c", f"echo {most} > /proc/sys/user/{name}")

    def close(self) -> None:
        """Let go; the kernel clears up when the last process in it has ended."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(20)


def why_no_namespace() -> str:
    """What keeps this process from having one; nothing if it may."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if missing := [name for name in ("unshare", "nsenter", "mount", "umount") if shutil.which(name) is None]:
        return f"{', '.join(missing)} not installed"
    probe = "mount -t tmpfs none /mnt && echo 64 > /proc/sys/user/max_inotify_watches"
    command = ["unshare", "-Urm", "--propagation", "private", "sh", "-c", probe]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    return f"no user namespace with mounts: {tried.stderr.strip()}" if tried.returncode else ""


def required() -> Namespace:
    """A namespace, or the end of the test with the reason why there is none."""
    if reason := why_no_namespace():
        pytest.skip(reason)
    return Namespace()


def filled(folder: Path) -> Callable[[], None]:
    """Fill a disk to the last byte; returns what frees it again."""
    ballast = folder / ".ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(CHUNK))
    left = os.statvfs(folder).f_bavail
    assert 0 == left, f"{left} blocks are left"
    return ballast.unlink
