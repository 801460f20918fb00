"""What every test shares."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import own_home
import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent

WAITS = (
    "end_to_end",
    "packaging",
    "pipeline",
    "fuzz",
    "local/service",
    "docs/test_commands.py",
    "docs/test_gate.py",
    "docs/test_imports.py",
    "docs/test_manual.py",
    "api/test_local_service.py",
    "api/test_network.py",
    "api/test_direct_transport.py",
    "decoder",
    "doctor/test_probes.py",
    "files/test_files.py",
    "files/test_races.py",
    "notify/test_channels.py",
    "store/test_state_files.py",
    "store/test_store.py",
    "system/test_systemd.py",
    "watch/test_watcher.py",
    "web/test_browser.py",
    "web/test_callbacks.py",
    "web/test_server.py",
)
"""Where tests wait for threads, processes or time: those that a busy machine could shake (`-m waits`)."""

PROMISES = (
    "store/test_state_files.py",
    "store/test_store.py",
    "store/test_model.py",
    "store/test_errors.py",
    "core/test_life_model.py",
    "pipeline/test_budgets.py",
    "pipeline/test_doubt.py",
    "pipeline/test_every_call.py",
    "pipeline/test_kept_state.py",
    "pipeline/test_kills.py",
    "pipeline/test_purchase.py",
    "end_to_end/test_kill_matrix.py",
    "end_to_end/test_recovery.py",
)
"""Where tests are about money, kills or the store: one that fails there is never asked again (`-m promise`)."""

SWEEPS = (
    "core/test_life_model.py",
    "end_to_end/test_kill_matrix.py",
    "local/service/test_service_api_variants.py",
    "local/service/test_service_openapi.py",
    "pipeline/test_api_variants.py",
    "pipeline/test_every_call.py",
    "pipeline/test_kept_state.py",
    "pipeline/test_kills.py",
)
"""Where the same lives are lived hundreds of times: counting their lines says nothing and would double their time."""


LONGEST = ("end_to_end", "pipeline")
"""Folders whose files take longest. They begin first, so that in the end no worker has a long file to itself, and by
turns, since the ones mostly wait and the others compute.

Of a test with many parameters only the first counts lines there: measured, the others add 0.2 % of them, and
counting takes as long as living.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing that tests do reach the state of who runs them."""
    home = tempfile.TemporaryDirectory(prefix="runflowd-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    own_home.move_into(Path(home.name))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by where they stand."""
    counted = set()
    for item in items:
        names = _names(item.path)
        if names.intersection(WAITS):
            item.add_marker(pytest.mark.waits)
        if names.intersection(PROMISES):
            item.add_marker(pytest.mark.promise)
        function, _, _ = item.nodeid.partition("[")
        if names.intersection(SWEEPS) or (function in counted and names.intersection(LONGEST)):
            item.add_marker(pytest.mark.no_cover)
        counted.add(function)
    _begin_with_the_longest(items)


def pytest_collection_finish() -> None:
    """Let no collection of garbage look again at what was imported and collected: all of it stays."""
    gc.collect()
    gc.freeze()


@cache
def _names(path: Path) -> frozenset[str]:
    """A file, and the folders that it lies in, as the tables above name them."""
    place = path.relative_to(HERE)
    return frozenset(str(each) for each in (place, *place.parents))


def _begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Put the first file of each folder before the second of any, and the folders in `LONGEST` before all others."""
    turns: dict[Path, tuple[bool, int]] = {}
    begun: Counter[str] = Counter()
    for item in items:
        if item.path not in turns:
            folder = item.path.relative_to(HERE).parts[0]
            turns[item.path] = folder not in LONGEST, begun[folder]
            begun[folder] += 1
    items.sort(key=lambda item: turns[item.path])


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
