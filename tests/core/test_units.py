"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.units import duration_text, seconds, size_in_bytes, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", 5.0), ("2m", 120.0), ("1h30m", 5400.0), ("250ms", 0.25), ("1.5h", 5400.0), ("1d", 86400.0), ("0s", 0.0)],
)
def test_duration_is_read_in_seconds(text: str, expected: float) -> None:
    """Every unit counts, and units add up."""
    assert expected == seconds(text)


@pytest.mark.parametrize("text", ["5", "", "s", "5 s", "-5s", "5x", "1h-3m", "5s ", "\u0661s", "1e3s", "5s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A bare number or an unknown unit is never guessed at."""
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20MiB", 20 * 2**20), ("50MB", 50_000_000), ("1 GiB", 2**30), ("512KiB", 2**19), ("7B", 7), ("1.5kB", 1500)],
)
def test_size_is_read_in_bytes(text: str, expected: int) -> None:
    """Decimal and binary units differ."""
    assert expected == size_in_bytes(text)


@pytest.mark.parametrize("text", ["20", "MiB", "20mb", "20 M", "-1B", "20MiB\n", "1e3B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A bare number or an unknown unit is never guessed at."""
    with pytest.raises(ValueError, match="is no size"):
        size_in_bytes(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_duration_text_reads_back(milliseconds: int) -> None:
    """What is shown means what was set."""
    assert milliseconds / 1000 == pytest.approx(seconds(duration_text(milliseconds / 1000)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (1000, "1 kB"),
        (1536, "1.5 KiB"),
        (2**29, "512 MiB"),
        (52_428_800, "50 MiB"),
        (50_000_000, "50 MB"),
        (81_581_464 << 10, "77.8 GiB"),
    ],
)
def test_size_text_uses_the_unit_that_fits(value: int, expected: str) -> None:
    """Round numbers stay round in the unit they were meant in."""
    assert expected == size_text(value)
