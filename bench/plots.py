"""The figures as pictures for docs/benchmarks.md: measured anew, drawn dark on white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.growth import state_sizes
from bench.report import MIB
from bench.rescan import weigh
from bench.throughput import HTTPX_WIDTH, SCRIPT_THREADS, WIDTHS, Contest
from bench.user_environment import user_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.throughput import Run

LATENCIES = (0.0, 0.05, 0.2)
SIZES = (2_000, 20_000, 200_000, 2_000_000)
KNOWN = (1_000, 10_000, 100_000, 1_000_000)

INK = ("#1a1a2e", "#b3261e", "#1b6e53", "#7a5c00")
"""Of each line; dark, and told apart by their marks as well."""

MARKS = ("o", "s", "^", "D")


def draw(folder: Path, target: Path, *, files: int, largest: int, wanted: Sequence[str]) -> None:
    """Measure below `folder`, and write PNGs into `target`: throughput over `files`, growth up to `largest` known."""
    if "throughput" in wanted:
        python = str(user_environment(folder / "venv"))
        _latency(folder / "latency", target, files, python)
        _size(folder / "size", target, files, python)
    if "growth" in wanted:
        _known(folder / "known", target, [known for known in KNOWN if known <= largest])
        _state(folder / "state", target)


def _latency(folder: Path, target: Path, files: int, python: str) -> None:
    """Files a second of everybody, against the latency of the service."""
    contest = Contest(folder, files, 200_000, python)
    rates: dict[str, list[float]] = {"daemon": [], "aiohttp": [], "httpx": [], "script, 16 threads": []}
    for latency in LATENCIES:
        loops = [contest.plain(latency, "plain_aiohttp", width) for width in WIDTHS]
        runs = {
            "daemon": contest.daemon(latency),
            "aiohttp": min(loops, key=lambda each: each.seconds),
            "httpx": contest.plain(latency, "plain_httpx", HTTPX_WIDTH),
            "script, 16 threads": contest.plain(latency, "naive", files, SCRIPT_THREADS),
        }
        for name, run in runs.items():
            rates[name].append(files / run.seconds)
    figure, axes = _axes("latency of the service, ms", "files a second")
    for number, (name, values) in enumerate(rates.items()):
        _line(axes, number, name, [latency * 1000 for latency in LATENCIES], values)
    axes.set_yscale("log")
    _save(figure, target / "latency.png")


def _size(folder: Path, target: Path, files: int, python: str) -> None:
    """CPU a file, against its size."""
    lines: dict[str, list[float]] = {"daemon": [], "aiohttp, 16 wide": []}
    for size in SIZES:
        contest = Contest(folder / str(size), max(50, files // 4), size, python)
        runs: tuple[Run, ...] = (contest.daemon(0.0), contest.plain(0.0, "plain_aiohttp", 16))
        for name, run in zip(lines, runs, strict=True):
            lines[name].append(run.cpu / contest.files * 1000)
    figure, axes = _axes("size of a file, KB", "CPU a file, ms")
    for number, (name, values) in enumerate(lines.items()):
        _line(axes, number, name, [size / 1000 for size in SIZES], values)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    _save(figure, target / "size.png")


def _known(folder: Path, target: Path, known: Sequence[int]) -> None:
    """Peak memory, and CPU of a rescan, against the number of known files."""
    found = [weigh(folder / str(count), count) for count in known]
    figure, axes = _axes("known files", "peak memory, MiB")
    _line(axes, 0, "memory", known, [each.peak / MIB for each in found])
    axes.set_ylim(bottom=0)
    axes.set_xscale("log")
    _save(figure, target / "memory.png")
    figure, axes = _axes("known files", "CPU of a scan, s")
    _line(axes, 0, "rescan", known, [min(each.rescans) for each in found])
    _line(axes, 1, "find -printf", known, [min(each.finds) for each in found])
    axes.set_xscale("log")
    axes.set_yscale("log")
    _save(figure, target / "rescan.png")


def _state(folder: Path, target: Path) -> None:
    """Bytes of the state file a file, by table."""
    sizes = state_sizes(folder, 1000)
    figure, axes = _axes("", "bytes of the state file a file")
    tables = sorted({table for parts in sizes.values() for table in parts})
    bottom = [0.0] * len(sizes)
    for number, table in enumerate(tables):
        heights = [parts.get(table, 0.0) for parts in sizes.values()]
        shade = str(0.2 + 0.6 * number / len(tables))
        axes.bar(list(sizes), heights, 0.5, bottom, label=table, color=shade, edgecolor="white")
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.legend(reverse=True, frameon=False)
    _save(figure, target / "state.png")


def _axes(across: str, up: str) -> tuple[Any, Any]:
    # Imported here: matplotlib is in the group `bench`, and the other benchmarks do without it.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6, 3.4), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _line(axes: Any, number: int, name: str, across: Sequence[float], up: Sequence[float]) -> None:
    axes.plot(across, up, color=INK[number], marker=MARKS[number], label=name)
    axes.legend(frameon=False)


def _save(figure: Any, target: Path) -> None:
    figure.savefig(target, dpi=110)
