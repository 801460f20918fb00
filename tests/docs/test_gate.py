"""The gate asks what failed once more, alone, and never twice about the same test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SECOND_TIME_LUCKY = """
import pathlib, pytest
@pytest.mark.{marker}
def test_shaky():
    asked = pathlib.Path(__file__).with_name("asked")
    before = asked.exists()
    asked.touch()
    assert before and {holds}
def test_firm():
    pass
"""

GATE = """
TEST_WHEEL := {python} -m pytest -p no:randomly
.PHONY: check again
check:
\t@echo 'Required test coverage of 90% {coverage}. Total coverage: 95%'
\t$(TEST_WHEEL)

{again}
"""


@pytest.mark.parametrize(
    ("marker", "holds", "known", "coverage", "verdict"),
    [
        ("waits", True, "", "reached", (True, True)),
        ("waits", False, "", "reached", (False, False)),
        ("promise", True, "", "reached", (False, False)),
        ("waits", True, "test_it.py::test_shaky\n", "reached", (False, False)),
        ("waits", True, "", "not reached", (False, False)),
    ],
    ids=[
        *("a flaky one is named", "one that fails again is red", "never about money", "never a second time"),
        "never beside too little coverage",
    ],
)
def test_what_fails_is_asked_once_more(
    tmp_path: Path, marker: str, holds: bool, known: str, coverage: str, verdict: tuple[bool, bool]
) -> None:
    """Green and named as flaky, or red (scenario 153)."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".ci" / "flaky").write_text(f"# A comment.\n{known}")
    _, _, again = (ROOT / "Makefile").read_text().partition("\nagain:")
    rule = "again:" + again.partition("\n\n")[0]
    (tmp_path / "Makefile").write_text(GATE.format(python=sys.executable, again=rule, coverage=coverage))
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['waits', 'promise']\n")
    (tmp_path / "test_it.py").write_text(SECOND_TIME_LUCKY.format(marker=marker, holds=holds))

    ended = subprocess.run(
        ["bash", ".ci/run"], cwd=tmp_path, env=_clean(), capture_output=True, text=True, check=False, timeout=120
    )

    told = ended.stdout + ended.stderr
    assert ("These failed:\ntest_it.py::test_shaky\n" in told) is (coverage == "reached")
    assert verdict == (ended.returncode == 0, "FLAKY" in told), told


def test_a_part_is_tested_in_the_checkout() -> None:
    """No wheel is built for it; without a part one is."""
    part, whole = (_planned(*arguments) for arguments in (["PART=core files/test_races.py"], []))

    assert "/pytest -p no:randomly --quiet tests/core tests/files/test_races.py\n" in part
    assert (False, True) == ("pip wheel" in part, "pip wheel" in whole)


def _planned(*arguments: str) -> str:
    """What `make test` would do."""
    command = ["make", "--dry-run", "test", *arguments]
    return subprocess.run(command, cwd=ROOT, env=_clean(), capture_output=True, text=True, check=True).stdout


def _clean() -> dict[str, str]:
    """The environment without what the `make` and the pytest around this test say, in which nothing is installed."""
    said = ("PYTEST", "MAKE", "COV", "PART")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(said)}
    return kept | {"RUNFLOWD_NO_BROWSER": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
