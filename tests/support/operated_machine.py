"""A machine on which nothing is installed yet, for an operator who does what the pages say, word for word.

It is the one of `booted_systemd`, with a network of its own, a Runflow API that answers on it, and everything
else of this machine read-only: a command that writes where the project has no place fails.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Self

from booted_systemd import Booted
from daemon_process import until

if TYPE_CHECKING:
    from pathlib import Path

API = "http://127.0.0.1:8000"
KEY = "rf_live_test"
WATCHED = "/srv/runflow/in/white-studio"
"""The folder of the rule on the page about operating."""

_PREPARE = r"""
python=$1 packages=$2 program=$3
umount /opt/runflowd
mkdir -p /run/local/bin /run/program
mount --bind /usr/local/bin /run/program
cp -as /run/program/. /run/local/bin
mount --bind /run/local/bin /usr/local/bin
for folder in /usr/local/share /var/backups; do mount -t tmpfs tmpfs $folder; done
# What `pip install` would make: an environment that has the package and its program.
"$python" -m venv --without-pip /opt/runflowd
echo "import site; site.addsitedir('$packages')" > "$(echo /opt/runflowd/lib/python3*/site-packages)/tested.pth"
{ echo '#!/opt/runflowd/bin/python'; sed 1d "$program"; } > /opt/runflowd/bin/runflowd
chmod +x /opt/runflowd/bin/runflowd
# The machine was made with the service installed.
find /etc/systemd/system -type f -name 'runflowd*' ! -name '*.conf' -delete
rm -r /etc/runflowd/* /srv/runflow/*
rm /etc/sysusers.d/runflowd.conf /etc/tmpfiles.d/runflowd.conf
sed -i '/^runflowd:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow
mount -o remount,bind,ro /
"""

_SERVE = 'mkdir /run/api && exec "$0" -m runflowd.local --folder /run/api --port 8000 --api-key rf_live_test'


class Operated:
    """A booted machine and somebody at its console."""

    def __init__(self, folder: Path) -> None:
        self._booted = Booted(folder)
        program = f"{sysconfig.get_path('scripts')}/runflowd"
        values = (sys.executable, sysconfig.get_path("purelib"), program)
        self._api: subprocess.Popen[bytes] | None = None
        try:
            self._booted.run("sh", "-euc", _PREPARE, "sh", *values)
            serve = [*self._booted.entered(), "sh", "-c", _SERVE, sys.executable]
            self._api = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert self._api.stdout is not None
            assert self._api.stdout.readline(), "the API does not start"
        except BaseException:
            self.end()
            raise

    def type(self, text: str, typed: str = "") -> str:
        """What a shell says that runs these lines, which may read `typed`; the first that fails is an error."""
        shell = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "LC_ALL=C.UTF-8"]
        command = [*self._booted.entered(), *shell, "sh", "-euc", text]
        try:
            done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{text}\ndoes not end:\n{self._booted.story()}") from None
        said = f"{done.stdout}{done.stderr}"
        assert 0 == done.returncode, f"{text}\nended by {done.returncode}:\n{said}\n{self._booted.story()}"
        return said

    def write(self, place: str, content: str | bytes) -> None:
        """Put a file there, for the service's user if its folder is."""
        data = content.encode() if isinstance(content, str) else content
        write = ["sh", "-euc", 'cat > "$0" && chown --reference="${0%/*}" "$0"', place]
        subprocess.run([*self._booted.entered(), *write], input=data, check=True, timeout=120)

    def wait_for(self, place: str) -> None:
        """Wait until there is a file below /srv/runflow."""
        try:
            until((self._booted.srv / place).exists, place)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self._booted.story()}") from failure

    def fail(self, name: str) -> None:
        """Drop what is no image, and wait for the note that says so."""
        self.write(f"{WATCHED}/{name}", "no image")
        self.wait_for(f"out/white-studio/{name}.failed.txt")

    def end(self) -> None:
        """Switch it off."""
        self._booted.end()
        if self._api is not None:
            self._api.wait(20)
            assert self._api.stdout is not None
            self._api.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
