"""Stage tests run on virtual time."""

from __future__ import annotations

import os
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import trio
from virtual_clock import patient_clock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done."""
    return "trio", {"clock": patient_clock()}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test on a clock of its own in trio itself.

    anyio's plugin keeps trio as a guest of a loop of its own, for the sake of fixtures that are tasks, of which there
    are none here. A guest waits for events on another thread, each time: half of what such a test takes.
    """
    backend = pyfuncitem.funcargs.get("anyio_backend")
    if not (isinstance(backend, tuple) and iscoroutinefunction(pyfuncitem.obj)):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    trio.run(partial(pyfuncitem.obj, **arguments), **backend[1])
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that never ends is ended from a thread: trio would take the signal for an error of its own and hang."""
    here = str(Path(__file__).parent) + os.sep
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.timeout(180, method="thread"))
