"""A process is known by its number and its start."""

from __future__ import annotations

import os
import subprocess

import pytest

from runflowd.system.processes import is_alive, process_mark


def test_a_process_that_runs_is_alive_and_one_that_ended_is_not() -> None:
    """This one, and a child of it."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        mark = process_mark(child.pid)
        before = is_alive(mark)

    assert (True, True, False) == (is_alive(process_mark()), before, is_alive(mark))


@pytest.mark.parametrize("mark", ["", "0 0", "x", "{pid} 1", "../self 1", "9" * 40, "-1 5"])
def test_what_is_no_mark_of_a_process_is_nobody(mark: str) -> None:
    """A number that was given again, or whatever somebody wrote."""
    assert not is_alive(mark.format(pid=os.getpid()))
