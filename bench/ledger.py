"""The ledger against the service's own sums: many files through the daemon, then `runflowd spend --check`.

On the way some runs fail and some answers to purchases are lost, as on a bad day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import KEY, ROOT, Service, daemon
from bench.report import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from bench.report import Report

SIZE = 2000
"""Bytes of one file: what is measured is the number of purchases."""

MODEL = "runflow/upscale"
"""The model that costs something and has next to no work with an image of 8 by 8 pixels."""


def measure(report: Report, folder: Path, *, files: int) -> None:
    """Buy a result for each of so many files, hold the two sums against each other, and name them."""
    fill(folder / "staging", files, SIZE)
    (folder / "in").mkdir()
    with Service(folder / "service") as service:
        failing, lost = files // 100, max(1, files // 2000)
        losing = {"route": "POST /v1/models/*/batches", "kind": "lose", "count": lost}
        service.control(faults={"runs": [{"kind": "fail", "count": failing}], "requests": [losing]})
        document = json.loads(configuration(service.url, {"bench": (folder / "in", folder / "out")}, rest="200ms"))
        document["rules"]["bench"]["model"] = MODEL
        document["state"] = str(folder / "state.db")
        began = time.monotonic()
        with daemon(folder / "daemon", json.dumps(document)) as running:
            (folder / "staging").rename(folder / "in" / "pasted")
            # A failed file has a note beside where its result would be.
            running.until(lambda: count_files(folder / "out" / "pasted") >= files, max(900, files / 5), look=1.0)
            seconds = time.monotonic() - began
            running.end()
        charged = sum(charge["times"] for charge in service.ledger()["charges"])
        asked = time.monotonic()
        found = _checked(folder / "daemon" / "config.yaml")
        checking = time.monotonic() - asked
    if found["differences"] or found["here"]["purchases"] != files - failing:
        raise SystemExit(f"the ledger differs: {json.dumps(found)}")
    here, there = (float(found[side]["charged"].get("USD", 0)) for side in ("here", "there"))
    report.add(
        f"ledger: {files:,} files, of which {failing:,} fail, and {lost:,} answers to purchases are lost",
        Figure("charged, by the ledger", here, "USD"),
        Figure("charged, by the service's runs", there, "USD", f"{here:.2f}"),
        Figure("purchases in the ledger", found["here"]["purchases"], "", f"{files - failing:,}"),
        Figure("charges in the service's own ledger", charged, "", f"{files - failing:,}"),
        Figure("differences", len(found["differences"]), "", "0"),
        Figure("rate of the daemon", files / seconds, "files/s"),
        Figure("`spend --check`", checking, "s"),
    )


def _checked(config: Path) -> dict[str, Any]:
    """What `spend --check` says."""
    command = [sys.executable, "-m", "runflowd", "spend", "--check", "--json", "-c", str(config)]
    done = subprocess.run(  # noqa: S603  our own module
        command, cwd=ROOT, env=os.environ | {"RUNFLOW_API_KEY": KEY}, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 3}:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
