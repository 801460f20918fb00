"""Durations and sizes as people write them: `1h30m`, `250ms`, `20MiB`, `50MB`.

A bare number is refused: `settle: 5` could mean seconds or minutes, and a wrong guess costs money.
"""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

DURATION_PATTERN = r"^(?:[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d))+$"
"""What `seconds` takes, as a JSON Schema pattern."""

SIZE_PATTERN = r"^[0-9]{1,12}(?:\.[0-9]{1,6})? ?(?:B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)$"
"""What `size_in_bytes` takes, as a JSON Schema pattern."""

_DURATION_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_SIZE_PART = re.compile(r"([0-9.]+) ?([A-Za-z]+)")


def seconds(text: str) -> float:
    """Given `1h30m` or `250ms`, return seconds; raise ValueError with the remedy if it is no duration."""
    if not re.fullmatch(DURATION_PATTERN[1:-1], text):
        raise ValueError("is no duration; write a number and a unit (ms, s, m, h, d), such as 5s or 1h30m")

    return round(sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)), 6)


def size_in_bytes(text: str) -> int:
    """Given `20MiB` or `50MB`, return bytes; raise ValueError with the remedy if it is no size."""
    if not re.fullmatch(SIZE_PATTERN[1:-1], text):
        raise ValueError("is no size; write a number and a unit (B, kB, MB, GB, KiB, MiB, GiB), such as 20MiB")

    parts = _SIZE_PART.match(text)
    assert parts is not None
    number, unit = parts.groups()

    return round(float(number) * _BYTES[unit])


def duration_text(value: float) -> str:
    """Seconds as the shortest exact text that `seconds` reads back: 90.0 is `1m30s`."""
    milliseconds = round(value * 1000)
    parts = []
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, length)
        if count:
            parts.append(f"{count}{unit}")

    return "".join(parts) or "0s"


def size_text(value: int) -> str:
    """Bytes as people read them: the largest unit that divides them into few, else one decimal."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB"):
        count, rest = divmod(value, _BYTES[unit])
        if 0 < count < 10_000 and not rest:
            return f"{count} {unit}"
    for unit in ("GiB", "MiB", "KiB"):
        if value >= _BYTES[unit]:
            return f"{value / _BYTES[unit]:.1f} {unit}"

    return f"{value} B"
