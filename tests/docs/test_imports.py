"""What is tested, and who imports whom where import-linter cannot say it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import runflowd

PACKAGE = Path(runflowd.__file__).parent


@pytest.mark.skipif("RUNFLOWD_TEST_INSTALLED" not in os.environ, reason="only `make test` installs the wheel")
def test_the_installed_wheel_is_tested() -> None:
    """The tests, and the processes they start, must see what users get, not the checkout they stand in."""
    child = [sys.executable, "-c", "import runflowd; print(runflowd.__file__)"]
    seen = subprocess.run(child, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True).stdout

    assert "site-packages" in PACKAGE.parts
    assert str(PACKAGE / "__init__.py") == seen.strip()


@pytest.mark.skipif("RUNFLOWD_TEST_INSTALLED" not in os.environ, reason="only `make test` installs the wheel")
def test_the_wheel_has_what_the_commands_need() -> None:
    """Photos, starters, schema, SQL and the page's template are inside."""
    needed = [
        "demo/sample/runflowd.yaml",
        "demo/sample/photos/mug.jpg",
        "demo/sample/texts/welcome.txt",
        "demo/page.html",
        "commands/starter/local.yaml",
        "commands/starter/hosted.yaml",
        "config/schema/runflowd.schema.json",
        "store/items.sql",
        "store/migrations/0001_first.sql",
        "local/schema.sql",
        "py.typed",
    ]

    assert [] == [name for name in needed if not (PACKAGE / name).is_file()]


def _imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def test_the_local_service_knows_nobody() -> None:
    """It is the counterpart of every test, so it shares no code with what is tested."""
    files = sorted((PACKAGE / "local").rglob("*.py"))
    foreign = {
        f"{file.name}: {name}"
        for file in files
        for name in _imports(file)
        if name.startswith("runflowd.") and not name.startswith("runflowd.local")
    }

    assert (True, set()) == (len(files) > 20, foreign)
