"""The statements of the store, by name: `.sql` files, in which a line `-- name: ...` begins each."""

from __future__ import annotations

import re
from pathlib import Path


def statements(folder: Path) -> dict[str, str]:
    """Every statement of the `.sql` files in a folder, by the name in its `-- name:` line."""
    found: dict[str, str] = {}
    for file in folder.glob("*.sql"):
        parts = re.split(r"^-- name: (\w+)$", file.read_text("utf-8"), flags=re.MULTILINE)
        found.update(zip(parts[1::2], parts[2::2], strict=True))
    return found


STATEMENTS = statements(Path(__file__).parent)
"""As SQLite has them, and PostgreSQL as well wherever `postgresql/dialect.py` can tell."""
