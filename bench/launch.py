"""`python -m bench.launch CONFIG`: the daemon under cProfile.

`$BENCH_PROFILE` names the file for its figures, and makes every benchmark start the daemon this way.
Profiled runs are for reading, not for comparing, and show the event loop's thread alone.
"""

from __future__ import annotations

import cProfile
import os
import sys
from pathlib import Path

import anyio

from runflowd.app.daemon import run_daemon
from runflowd.config import load
from runflowd.system import log


def main() -> None:
    """Run the daemon until SIGTERM."""
    source = Path(sys.argv[1])
    log.configure()
    config = load(source)
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        anyio.run(run_daemon, config, source)
    finally:
        profiler.disable()
        profiler.dump_stats(os.environ["BENCH_PROFILE"])


if __name__ == "__main__":
    main()
