"""`python -m tests.soak --rounds 20`: people, faults and kills at random; at the end the books must be right.

The seed is printed first. The same seed gives the same schedule of actions; how they fall together with
the daemon's own work differs from run to run. Exit code 0: every round ended with the books as promised.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="at least so many, of some seconds each")
    parser.add_argument("--minutes", type=float, default=0.0, help="and go on for at least so long")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the schedule")
    parser.add_argument("--actions", type=int, default=60, help="actions in a round")
    parser.add_argument("--folder", type=Path, help="where everything is kept; a temporary folder by default")
    parser.add_argument("--postgresql", action="store_true", help="with the state in a database on a server")
    options = parser.parse_args()
    if options.postgresql:
        os.environ["RUNFLOWD_TEST_STATE"] = "postgresql"
    sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]
    return int(import_module("tests.soak.soaking").soak(options))


if __name__ == "__main__":
    sys.exit(main())
