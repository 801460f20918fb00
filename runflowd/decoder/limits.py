"""What a decoder may use: it reads bytes that anybody may have written.

Limits are the kernel's (setrlimit(2), alarm(2)), so that they hold for a program that is run in the decoder's place,
and for one that a file has taken over.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

MAX_MEMORY = 512 * 1024 * 1024
"""Bytes that may be allocated: some 100 megapixels in colour."""

MAX_CPU = 15
"""Seconds of computing for one file."""

MAX_SECONDS = 20
"""Seconds for one file on the clock on the wall, however busy the machine is."""

MAX_FILES_OPEN = 32

_LAST_TO_LIVE = 1000
"""Whom the kernel ends first when memory is short (proc(5), oom_score_adj)."""

_PDEATHSIG = 1


def confine() -> None:
    """Limit this process and its children for good: memory, no file written, no core dump, dead with its parent."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    for kind, most in (
        (resource.RLIMIT_DATA, MAX_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_LAST_TO_LIVE), "ascii")


def confine_to(descriptor: int) -> None:
    """Limit this process, which decodes one file: its time, and which files it has and may open."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES_OPEN, MAX_FILES_OPEN))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU, MAX_CPU))
    signal.alarm(MAX_SECONDS)
