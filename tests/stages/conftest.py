"""Stage tests run on trio's virtual clock."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done for 10 real milliseconds."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.01)}
