"""`python -m bench.launch CONFIG`: the daemon without its command line, optionally under a profiler.

`$BENCH_PROFILE` names a file for cProfile's figures; profiled runs are for reading, not for comparing.
"""

from __future__ import annotations

import cProfile
import os
import sys
from pathlib import Path

import anyio

from runflowd import log
from runflowd.config import load
from runflowd.daemon import run_daemon


def main() -> None:
    """Run the daemon until SIGTERM."""
    source = Path(sys.argv[1])
    log.configure()
    config = load(source)
    profile = os.environ.get("BENCH_PROFILE")
    if not profile:
        anyio.run(run_daemon, config, source)
        return
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        anyio.run(run_daemon, config, source)
    finally:
        profiler.disable()
        profiler.dump_stats(profile)


if __name__ == "__main__":
    main()
