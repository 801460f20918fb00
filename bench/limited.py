"""How much of what a service allows is used, and how often it has to refuse: rates it does not tell, over sockets."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from bench.configuration import configuration
from bench.pictures import count_files, fill
from bench.processes import Service, daemon
from bench.report import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from bench.processes import Program
    from bench.report import Report

RATES = (2, 5, 25, 100)
BURST = 10
SIZE = 2000
LEARNING = 30.0
"""Seconds from the first file on that are not counted."""


def measure(report: Report, folder: Path, *, seconds: float) -> None:
    """Send for each rate what would take `seconds` at it, with and without `Retry-After`."""
    for rate in RATES:
        for reading in ("absent", "seconds"):
            told = "with" if reading == "seconds" else "without"
            figures = _run(folder / f"{rate}-{reading}", rate, max(10, int(rate * seconds / 2)), reading)
            report.add(f"limited: {rate} requests a second, bursts of {BURST}, {told} Retry-After", *figures)


def _run(folder: Path, rate: int, files: int, reading: str) -> list[Figure]:
    fill(folder / "in", files, SIZE)
    with Service(folder / "service") as service:
        service.control(faults={"allowed": {"rate": rate, "burst": BURST}}, api_variants={"retry_after": reading})
        config = configuration(service.url, {"bench": (folder / "in", folder / "out")}, rest="100ms")
        began = time.monotonic()
        with daemon(folder / "daemon", config) as running:
            samples = _follow(running, service, folder / "out", files, began)
            took = time.monotonic() - began
            running.end()
        ledger = service.ledger()
    if ledger["charged_times"] != files:
        raise SystemExit(f"{folder}: {ledger['charged_times']} of {files} bought")
    ideal = (samples[-1][1] - BURST) / rate
    # Uploads are what is limited: from the first minute's half on until nearly all of them are done.
    steady = [each for each in samples if each[0] >= LEARNING and each[1] <= 2 * files * 0.95]
    figures = [
        Figure("time", took, "s"),
        Figure("ideal: what was let through, at that rate", ideal, "s"),
        Figure("time / ideal", took / ideal, ""),
        Figure("answered 429, of all", samples[-1][2] / (samples[-1][1] + samples[-1][2]) * 100, "%"),
    ]
    if len(steady) > 5:
        (start, accepted, refused), (end, later, more) = steady[0], steady[-1]
        figures += [
            Figure("used of the allowed rate, after 30 s", (later - accepted) / (end - start) / rate, "", ">= 0.9"),
            Figure(
                "answered 429, after 30 s", (more - refused) / (later - accepted + more - refused) * 100, "%", "<= 5"
            ),
        ]
    return figures


def _follow(running: Program, service: Service, target: Path, files: int, began: float) -> list[tuple[float, int, int]]:
    """Until all is delivered: seconds, API requests let through, requests refused."""
    samples: list[tuple[float, int, int]] = []

    def done() -> bool:
        ledger, state = service.ledger(), service.control()
        through = sum(count for route, count in ledger["requests"].items() if " /v1/" in route)
        samples.append((time.monotonic() - began, through, state["faults_struck"]))
        return count_files(target) >= files

    running.until(done, 1200, look=0.5)
    return samples


def flaky(report: Report, folder: Path, *, files: int, rounds: int) -> None:
    """A fifth of all requests answers 500 or 503 or is cut, before or after the work, beside a run without faults."""
    mix = [{"kind": kind, "status": status} for kind in ("status", "botch") for status in (500, 503)]
    mix += [{"kind": "cut"}, {"kind": "lose"}]
    calm = [_through(folder / f"calm-{number}", files, {}) for number in range(min(rounds, 3))]
    faulty = [
        _through(folder / f"flaky-{number}", files, {"rate": 0.2, "seed": number, "mix": mix})
        for number in range(rounds)
    ]
    usual = sorted(calm)[len(calm) // 2]
    report.add(
        f"flaky: {files} files, 20 % of all requests fail",
        Figure("without faults", usual, "s", values=tuple(round(value, 2) for value in calm)),
        Figure("with faults, the slowest run", max(faulty), "s", values=tuple(round(value, 2) for value in faulty)),
        Figure("with faults / without", max(faulty) / usual, "", "<= 5"),
    )


def _through(folder: Path, files: int, faults: dict[str, object]) -> float:
    fill(folder / "in", files, SIZE)
    with Service(folder / "service") as service:
        service.control(faults=faults)
        config = configuration(service.url, {"bench": (folder / "in", folder / "out")}, rest="100ms")
        began = time.monotonic()
        with daemon(folder / "daemon", config) as running:
            running.until(lambda: count_files(folder / "out") >= files, 600)
            took = time.monotonic() - began
            running.end()
        ledger = service.ledger()
    twice = json.dumps([charge for charge in ledger["charges"] if charge["times"] > 1])
    if ledger["charged_times"] != files:
        raise SystemExit(f"{folder}: {ledger['charged_times']} of {files} bought, more than once: {twice[:500]}")
    return took
