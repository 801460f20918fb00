"""This machine with a layer over its files: what is written there is gone at the end, and nothing here has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Self

BUILT = sorted((Path(__file__).parents[2] / "build" / "deb").glob("runflowd_*.deb"))
"""The package, if `make deb` has built it."""

TOOLS = ("dpkg", "dpkg-deb", "unshare", "nsenter", "systemd-sysusers", "systemd-tmpfiles", "systemd-analyze")


def why_not() -> str:
    """What keeps packages from being tried here, "" if nothing does."""
    if not BUILT:
        return "the package is not built here: `make deb` builds and tries it"
    if os.geteuid() != 0 or not all(map(shutil.which, TOOLS)):
        return "packages are installed by root, on a Debian with systemd"
    return ""


_PREPARE = r"""
mount -t tmpfs tmpfs "$0" && mkdir "$0/above" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/above,workdir=$0/work" "$0/root"
mount -t proc proc "$0/root/proc" && mount --rbind /dev "$0/root/dev"
mount -t tmpfs tmpfs "$0/root/run" && mount -t tmpfs tmpfs "$0/root/tmp"
rm -rf "$0/root/etc/runflowd" "$0/root/opt/runflowd" "$0/root/srv/runflow" "$0/root/var/lib/runflowd"
echo made; exec cat
"""
_SHELL = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "sh", "-euc")


class Machine:
    """This machine's files, over which everything is written that is done here; it is gone at the end."""

    def __init__(self, folder: Path) -> None:
        command = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--propagation",
            "private",
            "sh",
            "-euc",
            _PREPARE,
            str(folder),
        ]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert b"made\n" == self._holder.stdout.readline()
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        self._into = ["nsenter", "--target", children[0], "--mount", "--pid", "chroot", str(folder / "root")]

    def type(self, text: str) -> str:
        """What a shell of root says to these lines; the first that fails is an error."""
        done = subprocess.run(
            [*self._into, *_SHELL, textwrap.dedent(text)], capture_output=True, text=True, timeout=120, check=False
        )
        assert 0 == done.returncode, f"{text}\nended by {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def place(self, path: Path, name: str) -> str:
        """Put a file there; gives its name."""
        with path.open("rb") as stream:
            subprocess.run([*self._into, "sh", "-c", 'cat > "$0"', name], stdin=stream, check=True)
        return name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._holder.stdin, self._holder.stdout):
            assert stream is not None
            stream.close()
        self._holder.wait(20)
