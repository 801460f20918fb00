"""Stage tests run on virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_clock import patient_clock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done."""
    return "trio", {"clock": patient_clock()}
