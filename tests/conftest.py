"""What every test shares."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Logging is global; every test gives it back as it found it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
