"""What the three plain programs beside the daemon have in common."""

from __future__ import annotations

import json
import sys
import time

MODEL = "runflow/pass-through"
BATCH = 100
POLL = 0.25
"""Seconds between two polls of a batch."""


class Watch:
    """What a run takes, from here on: seconds on the wall, and of CPU."""

    def __init__(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def say(self) -> None:
        """Print it."""
        seconds, cpu = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu}) + "\n")
