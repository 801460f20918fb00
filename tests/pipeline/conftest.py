"""Stage tests run on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from virtual_clock import patient_clock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done."""
    return "trio", {"clock": patient_clock()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that never ends is ended from a thread: trio would take the signal for an error of its own and hang."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(180, method="thread"))
