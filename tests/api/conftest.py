"""What the tests of the client have in common."""

from __future__ import annotations

import pytest
from trio_line import connect_line


@pytest.fixture(autouse=True)
def _lines_on_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is tried on trio as well, since the stages are tested there."""
    monkeypatch.setattr("runflowd.api.http.connecting.connect_stream", connect_line)
