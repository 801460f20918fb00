"""A process is known by its number and its start."""

from __future__ import annotations

import os
import subprocess

import pytest

from runflowd.system.processes import BOOT_ID, is_alive, is_gone, lasting_mark, process_mark


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


def mark_of(pid: int) -> str:
    """The lasting mark of another process of this machine."""
    return f"{lasting_mark().partition(' ')[0]} {process_mark(pid)}"


def test_a_process_that_ended_is_gone_for_certain() -> None:
    """One that runs is not, nor one whose parent has not asked for its end yet."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        mark = mark_of(child.pid)
        before = is_gone(mark)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        unasked = is_gone(mark)

    assert (False, False, False, True) == (is_gone(lasting_mark()), before, unasked, is_gone(mark))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_of_another_machine_or_boot_or_numbering_nothing_is_known(part: int) -> None:
    """A copy of a machine has its id, a container its own numbers."""
    parts = lasting_mark().partition(" ")[0].split("/")
    parts[part] = "0" + parts[part][1:] + "f"

    assert not is_gone(f"{'/'.join(parts)} {2**22 + 1} 5")


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "9" * 30])
def test_what_is_no_number_of_a_process_proves_nothing(number: str) -> None:
    """Whatever stands in the database."""
    assert not is_gone(f"{lasting_mark().partition(' ')[0]} {number} 5")


def test_a_number_that_was_given_again_is_another_process() -> None:
    """It was started at another time."""
    assert is_gone(f"{lasting_mark().partition(' ')[0]} {os.getpid()} 1")


def test_the_kernel_s_word_for_the_boot_counts_where_it_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is asked in a sandbox that hides it."""
    before = lasting_mark()
    monkeypatch.setenv(BOOT_ID, "0" * 32)

    assert before == lasting_mark()
