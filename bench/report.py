"""What a benchmark found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is, in which unit, and where there is one, what it should be at least or most."""

    name: str
    value: float
    unit: str
    aim: str = ""
    values: tuple[float, ...] = ()


@dataclass(slots=True)
class Report:
    """All figures of one call, with the machine they hold for."""

    figures: dict[str, list[Figure]] = field(default_factory=dict)

    def add(self, part: str, *figures: Figure) -> None:
        """Note what one benchmark found."""
        self.figures.setdefault(part, []).extend(figures)

    def as_json(self) -> str:
        """Everything, for programs."""
        parts = {part: [asdict(figure) for figure in figures] for part, figures in self.figures.items()}
        return json.dumps({"machine": machine(), "figures": parts}, indent=2)

    def as_table(self) -> str:
        """Everything, for people."""
        lines = ["  ".join(f"{key}: {value}" for key, value in machine().items())]
        for part, figures in self.figures.items():
            lines += ["", part]
            for figure in figures:
                aim = f"  aim {figure.aim}" if figure.aim else ""
                spread = f"  ({', '.join(f'{value:,.2f}' for value in figure.values)})" if figure.values else ""
                lines.append(f"  {figure.name:<44}{figure.value:>12,.2f} {figure.unit:<12}{aim}{spread}".rstrip())
        return "\n".join(lines)


def middle(name: str, values: Sequence[float], unit: str, aim: str = "") -> Figure:
    """The median of several rounds, with all of them beside it."""
    return Figure(name, statistics.median(values), unit, aim, tuple(round(value, 3) for value in values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, str]:
    """What the figures hold for."""
    load = os.getloadavg()[0]
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "memory": f"{_memory() / MIB:,.0f} MiB",
        "load before": f"{load:.1f}",
    }


def _memory() -> int:
    first = Path("/proc/meminfo").read_text("ascii").split()
    return int(first[1]) * 1024
