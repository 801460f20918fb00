"""Both databases that the store may be in: a test that asks for `backend` or `connection` runs over each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from backends import Backend
from postgres_server import quick_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.store import Connection


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A store of each kind, with its tables and nothing in them."""
    with ExitStack() as stack:
        place = tmp_path / "state.db" if request.param == "sqlite" else quick_server().prepared()
        yield Backend(place, stack)


@pytest.fixture
def connection(backend: Backend) -> Connection:
    """A connection to a store of each kind."""
    return backend.connect()
