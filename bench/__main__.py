"""`python -m bench`: measure, print a table, or JSON with `--json`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import (
    crowd,
    fleet,
    growth,
    latency,
    ledger,
    limited,
    load,
    path,
    plots,
    rescan,
    review,
    standing,
    statements,
    throughput,
)
from bench.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = (
    "throughput",
    "latency",
    "rescan",
    "growth",
    "memory",
    "nested",
    "rules",
    "status",
    "statements",
    "limited",
    "flaky",
    "path",
    "ledger",
    "review",
    "fleet",
)
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "KIB": 2**10, "MIB": 2**20}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([KM]?I?B)?", text.upper())
    if not found or (found[2] or "") not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 200KB")
    return int(found[1]) * _UNITS[found[2] or ""]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=(*PARTS, "plots", "all"))
    parser.add_argument("--output", type=Path, default=Path("docs"), help="the folder for plots; docs")
    parser.add_argument("--only", choices=("throughput", "growth"), help="of the plots; both")
    files = "of the throughput and growth runs, 1000; of the ledger and review runs, 10000; of the fleet run, 400"
    parser.add_argument("--files", type=int, help=files)
    parser.add_argument("--size", type=_bytes, help="of each of them; 200KB, 20KB in the fleet run")
    parser.add_argument(
        "--latency", type=float, action="append", help="of the throughput and fleet runs, in seconds; 0, 0.05, 0.2"
    )
    parser.add_argument("--rounds", type=int, help="of the flaky and fleet runs; 5, 3")
    parser.add_argument("--daemons", type=int, action="append", help="of the fleet run, over one database; 1, 2, 4")
    parser.add_argument("--drops", type=int, help="single files of the latency run; 50")
    parser.add_argument("--known", type=int, help="files of the rescan; 200000")
    parser.add_argument(
        "--rows", type=int, help="items in the state file of the status and statements runs; 100000, 200000"
    )
    parser.add_argument("--load", type=int, help="files of the memory run, dropped at once; 20000")
    parser.add_argument("--folders", type=int, help="nested folders of the pasted tree, three files in each; 200")
    parser.add_argument("--rules", type=int, help="rules of the rules run, ten files for each; 100")
    parser.add_argument("--seconds", type=float, help="of work at each rate of the limited run; 90")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, for under a minute")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    return parser


def _jobs(options: argparse.Namespace, report: Report, folder: Path) -> dict[str, Callable[[], None]]:
    quick = options.quick
    files = options.files or (100 if quick else 1000)
    latencies = options.latency or [0.0, 0.05, 0.2]
    return {
        "throughput": lambda: throughput.measure(
            report, folder / "throughput", files=files, size=options.size or _bytes("200KB"), latencies=latencies
        ),
        "latency": lambda: latency.measure(report, folder / "latency", drops=options.drops or (10 if quick else 50)),
        "rescan": lambda: rescan.measure(
            report, folder / "rescan", files=options.known or (10_000 if quick else 200_000)
        ),
        "plots": lambda: plots.draw(
            folder / "plots",
            options.output,
            files=options.files or (100 if quick else 400),
            largest=options.known or (10_000 if quick else 1_000_000),
            wanted=[options.only] if options.only else ["throughput", "growth"],
        ),
        "growth": lambda: growth.measure(report, folder / "growth", files=options.files or (200 if quick else 1000)),
        "status": lambda: standing.measure(
            report, folder / "status", rows=options.rows or (10_000 if quick else 100_000), rounds=5 if quick else 20
        ),
        "statements": lambda: statements.measure(
            report, folder / "statements", rows=options.rows or (20_000 if quick else 200_000), rounds=5
        ),
        "nested": lambda: crowd.nested(
            report, folder / "nested", folders=options.folders or (20 if quick else 200), files=3
        ),
        "rules": lambda: crowd.rules(report, folder / "rules", count=options.rules or (10 if quick else 100), files=10),
        "limited": lambda: limited.measure(
            report, folder / "limited", seconds=options.seconds or (10.0 if quick else 90.0)
        ),
        "flaky": lambda: limited.flaky(
            report, folder / "flaky", files=150, rounds=options.rounds or (1 if quick else 5)
        ),
        "path": lambda: path.measure(report, folder / "path"),
        "ledger": lambda: ledger.measure(report, folder / "ledger", files=options.files or (500 if quick else 10_000)),
        "review": lambda: review.measure(report, folder / "review", files=options.files or (500 if quick else 10_000)),
        "fleet": lambda: fleet.measure(
            report,
            folder / "fleet",
            fleet.Plan(
                files=options.files or (100 if quick else 400),
                size=options.size or _bytes("20KB"),
                rounds=options.rounds or (1 if quick else 3),
                daemons=options.daemons or ([1] if quick else [1, 2, 4]),
                latencies=options.latency or [0.0, 0.05],
            ),
        ),
        "memory": lambda: load.measure(report, folder / "load", files=options.load or (1000 if quick else 20_000)),
    }


def main() -> None:
    """Run the parts that were asked for."""
    options = _parser().parse_args()
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="runflowd-bench-", dir=options.folder))
    try:
        for part, job in _jobs(options, report, folder).items():
            if options.part in {part, "all"} - ({"all"} if part == "plots" else set()):
                began = time.monotonic()
                job()
                sys.stderr.write(f"{part}: {time.monotonic() - began:.0f} s\n")
    except SystemExit:
        sys.stderr.write(f"what is left lies in {folder}\n")
        raise
    shutil.rmtree(folder)
    sys.stdout.write((report.as_json() if options.json else report.as_table()) + "\n")


if __name__ == "__main__":
    main()
