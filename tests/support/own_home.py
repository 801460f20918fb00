"""A home for tests and for every process that they start: the user's own state and sockets are not theirs to touch."""

from __future__ import annotations

import os
from pathlib import Path

_LEAD_ELSEWHERE = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "STATE_DIRECTORY", "RUNTIME_DIRECTORY")


def move_into(folder: Path) -> None:
    """Make `folder` the home of this process and its children; what was downloaded stays in the user's cache."""
    os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    os.environ["HOME"] = str(folder)
    os.environ["CACHE_DIRECTORY"] = str(folder / "cache")
    for name in _LEAD_ELSEWHERE:
        os.environ.pop(name, None)
