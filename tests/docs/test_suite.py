"""The tests keep to themselves, and each that could be shaken by a busy machine is known as such."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from runflowd.system.paths import control_sockets, user_state

TESTS = Path(__file__).parents[1]


def test_no_test_touches_the_state_of_who_runs_it() -> None:
    """Sockets and state files of daemons that tests start lie in a home that goes with them (scenario 153)."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    places = [user_state(), *control_sockets(TESTS / "runflowd.yaml")]

    assert [] == [place for place in places if place.is_relative_to(home)]


@pytest.mark.parametrize("table", ["WAITS", "PROMISES"])
def test_every_place_of_a_table_is_there(table: str, request: pytest.FixtureRequest) -> None:
    """A file that was renamed would lose its marker without a word."""
    plugin = request.config.pluginmanager.get_plugin(str(TESTS / "conftest.py"))

    assert [] == [place for place in getattr(plugin, table) if not (TESTS / place).exists()]
