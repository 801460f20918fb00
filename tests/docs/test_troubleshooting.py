"""docs/troubleshooting.md has a row for every code that people can meet, and for no other."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import runflowd
from runflowd.commands.exit_codes import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(runflowd.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text("utf-8")
CODE = re.compile(r"[A-Z][A-Z_]{3,}")

OTHERS = """
AVIF COMMIT CREDENTIALS_DIRECTORY DENY DIGEST FALSE FOLDER_DONE HEIC HOME HTTPS_PROXY INVOCATION_ID JOURNAL_STREAM
JPEG KEEPALIVE LANG LC_ALL LISTEN_FDNAMES LISTEN_FDS LISTEN_PID LOGNAME NAME NOTIFY_SOCKET NO_COLOR NO_PROXY NULL PATH
POST REQUESTS_CA_BUNDLE RGBA ROLLBACK RUNFLOWD_ RUNFLOWD_FAILPOINT RUNFLOW_API_KEY RUNTIME_DIRECTORY SSL_CERT_FILE
STATE_DIRECTORY TEMPORARY_PREFIX TEST TIFF TMPDIR TRUE USER WARNING WATCHDOG_PID WATCHDOG_USEC XDG_RUNTIME_DIR
XDG_STATE_HOME CACHE_DIRECTORY XDG_CACHE_HOME ANALYZE PGPASSWORD RUNFLOWD_BOOT_ID
"""
NO_CODES = frozenset(OTHERS.split())
"""Other words of capitals: of the environment, formats, levels, SQL, HTTP, YAML, and messages about no trouble."""

INTERNAL = {"SPLIT", "REWORDED"}
"""Codes of batches alone, that no item and no incident has: one that is tried in parts, one whose rule was edited."""


@cache
def words() -> frozenset[str]:
    """Every constant of capitals in the daemon's modules; commands only show codes, the local service has its own."""
    found: set[str] = set()
    for module in PACKAGE.rglob("*.py"):
        if not str(module.relative_to(PACKAGE)).startswith(("local/", "commands/")):
            nodes = ast.walk(ast.parse(module.read_text("utf-8")))
            constants = (node.value for node in nodes if isinstance(node, ast.Constant))
            found |= {value for value in constants if isinstance(value, str) and CODE.fullmatch(value)}
    return frozenset(found)


def of_local_models() -> Iterator[str]:
    """The codes with which a run on this machine fails."""
    for module in (PACKAGE / "local").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ModelFailure", "Failure"} and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and first.value:
                    yield str(first.value)


def rows() -> set[str]:
    """The codes in the first cells of the table."""
    table = PAGE.partition("| Code |")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {code for cell in cells for code in re.findall(r"`([A-Z_]+)`", cell)}


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    """Incidents, failures of files, and what this side says about an answer that it refuses."""
    assert words() - NO_CODES | {*of_local_models()} == rows() | INTERNAL


def test_codes_are_found() -> None:
    """Should the code change its form, the test above must not pass by finding nothing."""
    assert {"UNAUTHORIZED", "NO_SPACE", "CONFIG_REFUSED", "RESULT_MISSING", "ORIGINAL_UNKNOWN"} <= words()
    assert {"NO_SUBJECT_FOUND", "IMAGE_TOO_LARGE"} <= {*of_local_models()}


def test_what_is_left_out_is_still_there() -> None:
    """A word that no module has any more is no exception."""
    assert frozenset() == (NO_CODES | INTERNAL) - words()


def test_every_exit_code_that_ends_the_service_has_a_row() -> None:
    """As `systemctl status` shows it."""
    named = {int(code) for code in re.findall(r"`status=(\d+)", PAGE)}

    assert {int(code) for code in (Exit.TRY_AGAIN, Exit.NOT_ALLOWED, Exit.CONFIGURATION)} <= named
