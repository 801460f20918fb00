"""Many folders and many rules: a pasted tree of nested folders, and a hundred rules that get files in one instant."""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from bench.configuration import configuration
from bench.pictures import picture
from bench.processes import Service, daemon
from bench.report import MIB, Figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.processes import Usage
    from bench.report import Report

SIZE = 2000
"""Bytes of one file: what is measured is the number of folders and rules."""

BRANCHES = 5
"""Folders in a folder of the pasted tree."""


def nested(report: Report, folder: Path, *, folders: int, files: int) -> None:
    """Rename a tree of `folders` nested folders, `files` in each, into a watched folder."""
    paths = _tree(folders)
    wanted = {f"pasted/{path}/photo-{number}.jpg" for path in paths for number in range(files)}
    for path in wanted:
        _write(folder / "staging" / path)
    (folder / "in" / "one").mkdir(parents=True)
    seconds, usage, missing, charges = _run(
        folder,
        ["one"],
        lambda: (folder / "staging" / "pasted").rename(folder / "in" / "one" / "pasted"),
        {f"one/{path}" for path in wanted},
    )
    report.add(
        f"nested: {folders:,} folders, {files} files in each, pasted at once",
        *_figures(len(wanted), missing, charges),
        Figure("deepest folder", max(len(PurePath(path).parts) for path in paths), "levels"),
        Figure("all delivered after", seconds, "s"),
        Figure("peak memory", usage.peak / MIB, "MiB", "<= 120"),
    )


def rules(report: Report, folder: Path, *, count: int, files: int) -> None:
    """Drop `files` files for each of `count` rules, as fast as they can be written."""
    names = [f"rule-{number:03}" for number in range(count)]
    for name in names:
        (folder / "in" / name).mkdir(parents=True)
    wanted = {f"{name}/photo-{number}.jpg" for number in range(files) for name in names}

    def drop() -> None:
        for path in sorted(wanted, key=lambda path: path.rpartition("-")[2]):
            _write(folder / "in" / path)

    seconds, usage, missing, charges = _run(folder, names, drop, wanted)
    report.add(
        f"rules: {count} rules, {files} files for each in one instant",
        *_figures(len(wanted), missing, charges),
        Figure("all delivered after", seconds, "s"),
        Figure("CPU per file", usage.cpu / len(wanted) * 1000, "ms"),
        Figure("peak memory", usage.peak / MIB, "MiB", "<= 120"),
    )


def _tree(folders: int) -> list[str]:
    """Paths of nested folders, each with `BRANCHES` beneath it, until there are enough."""
    paths = [""]
    for number in range(folders):
        paths.append(f"{paths[number // BRANCHES]}/folder-{number:03}".lstrip("/"))
    return paths[1:]


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(SIZE))


def _run(
    folder: Path, names: list[str], drop: Callable[[], object], wanted: set[str]
) -> tuple[float, Usage, set[str], list[dict[str, Any]]]:
    """Seconds from the drop to the last result, what the daemon used, what is missing, and the service's charges."""
    rules = {name: (folder / "in" / name, folder / "out" / name) for name in names}
    with Service(folder / "service") as service:
        config = configuration(service.url, rules, rest="200ms")
        with daemon(folder / "daemon", config) as running:
            running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
            time.sleep(1.0)  # the first rescan and the arming of watches belong to the start
            began = time.monotonic()
            drop()
            running.until(lambda: not _missing(folder / "out", wanted), max(300, len(wanted) / 5))
            seconds = time.monotonic() - began
            usage = running.end()
        return seconds, usage, _missing(folder / "out", wanted), service.ledger()["charges"]


def _missing(out: Path, wanted: set[str]) -> set[str]:
    """Results that do not stand yet."""
    return {path for path in wanted if not (out / path).exists()}


def _figures(wanted: int, missing: set[str], charges: list[dict[str, Any]]) -> tuple[Figure, ...]:
    """All found, none twice. Raises SystemExit when that is not so: a run that is fast and wrong says nothing."""
    bought, twice = sum(charge["times"] for charge in charges), sum(charge["times"] > 1 for charge in charges)
    if missing or twice or bought != wanted:
        raise SystemExit(f"{len(missing)} of {wanted} not delivered, {bought} bought, {twice} more than once")
    return (
        Figure("delivered", wanted - len(missing), "files", f"{wanted:,}"),
        Figure("bought twice", twice, "files", "0"),
    )
