"""Which process of this machine somebody is: its number, and when it was started, since numbers are given again.

What is to be told from processes of other machines names the machine, too. An id of it alone is not enough, since
copies of a machine share it; its boot has one of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

BOOT_ID = "RUNFLOWD_BOOT_ID"
"""The environment variable that names the boot where a sandbox hides what the kernel says of it (systemd's `%b`)."""


def process_mark(pid: int | None = None) -> str:
    """The number of a process (default: this one) and its start in ticks since the machine's (proc_pid_stat(5)).

    "" for one that is not there.
    """
    number = os.getpid() if pid is None else pid
    try:
        fields = Path(f"/proc/{number}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{number} {fields[19]}"


def is_alive(mark: str) -> bool:
    """Whether the process with this mark runs."""
    number = mark.partition(" ")[0]
    return number.isdecimal() and len(number) < 20 and process_mark(int(number)) == mark


def lasting_mark() -> str:
    """This process, for later ones of this machine to find out whether it is gone; "" where they could not."""
    return f"{place} {process_mark()}" if (place := _place()) else ""


def is_gone(mark: str) -> bool:
    """Whether the process with this lasting mark has ended for certain: False wherever that cannot be known."""
    place, _, process = mark.partition(" ")
    number = process.partition(" ")[0]
    if not place or place != _place() or not number.isdecimal() or not 0 < int(number) < 2**31:
        return False
    try:
        os.kill(int(number), 0)  # /proc may hide the processes of others
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return process_mark(int(number)) not in {"", process}


def _place() -> str:
    """This machine, its boot, and what numbers its processes; "" where one of them is not known."""
    boot = os.environ.get(BOOT_ID, "")
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")
    try:
        machine = Path("/etc/machine-id").read_text("ascii").strip()
        numbering = Path("/proc/self/ns/pid").stat().st_ino
    except (OSError, UnicodeError):
        return ""
    return f"{machine}/{boot}/{numbering}" if machine and boot else ""
