"""A real disk under the state file that is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon_process import Installation, picture, sha256, until
from kernel_namespace import filled

if TYPE_CHECKING:
    from kernel_namespace import Namespace


def test_nothing_is_bought_while_the_state_cannot_be_written(installation: Installation, namespace: Namespace) -> None:
    """No room to write an intent down, so no purchase; with room it goes on by itself (scenario 64)."""
    installation.enter = namespace.enter
    disk = namespace.mount(installation.state.parent)
    installation.start()
    free = filled(disk)
    dropped = {f"{number}.jpg": picture() for number in range(3)}
    for path, data in dropped.items():
        installation.write(path, data)
    until(lambda: '"store.failed"' in installation.log.read_text(), "the full disk is told")
    before = installation.charged(*map(sha256, dropped.values()))
    free()
    until(lambda: installation.outputs() == dropped, "the results are there")

    once = dict.fromkeys(map(sha256, dropped.values()), 1)
    assert ({}, once) == (before, installation.charged(*once))
