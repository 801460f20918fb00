"""What every test shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, not about the law that it tries.
# A gate that asks the same twice gets the same answer; new examples are tried wherever people work.
settings.register_profile(
    "runflowd", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("runflowd")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio unless they ask for trio's virtual clock."""
    return "asyncio"
