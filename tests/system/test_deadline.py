"""A call to a folder that does not answer is waited for as long as it gives signs of life, and no longer."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from runflowd.system.deadline import NoAnswer, within

if TYPE_CHECKING:
    from pathlib import Path


def test_a_slow_call_is_waited_for_while_it_gives_signs_of_life(tmp_path: Path) -> None:
    """A folder of many names on a slow share is no dead one."""
    slow, numbers = threading.Event(), count()

    def progress() -> int:
        found = next(numbers)
        if found == 5:
            slow.set()
        return found

    assert within(0.01, str(tmp_path), slow.wait, progress=progress)


def test_a_call_without_a_sign_of_life_is_given_up(tmp_path: Path) -> None:
    """And so is the next one about that folder, at once, until the first has answered."""
    silent = threading.Event()
    try:
        for seconds in (0.01, 3600.0):
            with pytest.raises(NoAnswer, match="does not answer"):
                within(seconds, str(tmp_path), silent.wait)
    finally:
        silent.set()
