"""State files before their first use, copied from one that was made once: migrations take as long as many a test."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from runflowd.store.schema import create_if_missing


def new_state(path: Path) -> Path:
    """Put a state file there, unless there is one; gives its path."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_made())
    return path


@cache
def _made() -> bytes:
    with TemporaryDirectory() as folder:
        made = Path(folder, "state.db")
        create_if_missing(made)
        return made.read_bytes()
