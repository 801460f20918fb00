"""The command that installs an extra leads to the Python that is running, whatever lies on PATH."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from runflowd.system.installing import called, install_command

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_extra_is_installed_where_this_program_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `pip` by its name alone may belong to another Python."""
    monkeypatch.setenv("PATH", "/nonexistent")

    command = shlex.split(install_command("local,video"))

    assert (sys.executable, "runflowd[local,video]") == (
        next(each for each in command if each.startswith("/")),
        command[-1],
    )


def test_a_program_on_the_path_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by its place where another one, or none, has that name."""
    program = tmp_path / "a folder" / "runflowd"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    elsewhere = called(program)
    monkeypatch.setenv("PATH", str(program.parent))

    assert (f"'{program}'", "runflowd") == (elsewhere, called(program))
