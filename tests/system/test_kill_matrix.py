"""SIGKILL at every named point, then a restart against the same service: nothing lost, nothing paid twice."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from daemon_process import picture, promised

from runflowd.failpoints import FAILPOINTS

if TYPE_CHECKING:
    from daemon_process import Installation


def files() -> dict[str, bytes]:
    """Four files in three folders, two of them with the same content."""
    twin = picture()
    return {"a.jpg": picture(), "shoes/b.jpg": picture(), "shoes/red/c.jpg": twin, "d.jpg": twin}


@pytest.mark.parametrize("point", FAILPOINTS)
def test_a_kill_at_any_point_loses_nothing_and_buys_nothing_twice(installation: Installation, point: str) -> None:
    """The books after the restart are those of a run without a kill (scenarios 58 to 61, 75)."""
    installation.configure(after="delete" if point == "source.disposed" else "keep")
    dropped = files()
    for path, data in dropped.items():
        installation.write(path, data)

    code = installation.start(point, ready=False).death()
    installation.start()
    installation.wait_for_rest(*dropped)

    assert (-signal.SIGKILL, promised(dropped)) == (code, installation.books())
