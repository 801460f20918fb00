"""A life of the stages that ends by SIGKILL at a named point, in a process of its own that costs next to nothing.

The process is a fork of the test's: what it did to the disk stays, and it takes the service down with it.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import trio
from chosen_state import ON_POSTGRESQL
from postgres_server import quick_server
from virtual_clock import patient_clock

from runflowd.system import failpoints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EVERY_FILE = (
    "item.hashed",
    "item.recorded",
    "batch.sealed",
    "asset.uploaded",
    "asset.confirmed",
    "asset.recorded",
    "purchase.intended",
    "purchase.answered",
    "purchase.recorded",
    "results.read",
    "results.recorded",
    "output.written",
    "output.reserved",
    "output.renamed",
    "output.recorded",
)
"""The points that a file passes when all goes well; whole processes are killed at these."""

LONGEST = 60
"""Seconds after which a life that does not reach its point is ended; by another signal, so that it shows."""


def live_until(point: str, life: Callable[[], Awaitable[None]]) -> int:
    """Live until SIGKILL at `point`, named as in `RUNFLOWD_FAILPOINT`; how it ended, 0 if it was not reached."""
    if ON_POSTGRESQL:
        quick_server()  # which is this process's, and outlives the other one
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST)
        failpoints._armed, _, count = point.partition(":")
        failpoints._left = int(count or 1)
        trio.run(life, clock=patient_clock())
    finally:
        os._exit(0)  # whatever happened: what belongs to the test is not this process's to clean up
