"""Which process of this machine somebody is: its number, and when it was started, since numbers are given again."""

from __future__ import annotations

import os
from pathlib import Path


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
