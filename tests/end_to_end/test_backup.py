"""`runflowd backup`: a copy that is whole, while somebody works on the state file."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from runflowd.cli import main
from runflowd.store.schema import create_if_missing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose state file has one message, written by somebody who has it open still."""
    path = tmp_path / "runflowd.yaml"
    path.write_text(json.dumps({"service": "local", "state": str(tmp_path / "state.db"), "rules": {}}))
    return path


def pauses(path: Path) -> list[tuple[str]]:
    """The reasons of the pauses in a state file."""
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute("SELECT reason FROM pause").fetchall()


def test_a_copy_has_what_is_still_in_the_log(tmp_path: Path, config: Path) -> None:
    """A plain copy of the file would not: SQLite keeps the newest in a file of its own."""
    state = tmp_path / "state.db"
    create_if_missing(state)
    with closing(sqlite3.connect(state, isolation_level=None)) as working:
        working.execute("PRAGMA wal_autocheckpoint = 0")
        working.execute("INSERT INTO pause (rule, since, reason, kind) VALUES ('', 1, 'stocktaking', 'operator')")
        code = main(["backup", "-c", str(config), str(tmp_path / "copy.db")])
        plain = tmp_path / "plain.db"
        plain.write_bytes(state.read_bytes())

    assert (0, [("stocktaking",)], []) == (code, pauses(tmp_path / "copy.db"), pauses(plain))
    assert 0o600 == (tmp_path / "copy.db").stat().st_mode & 0o777


def test_a_copy_is_never_written_over(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that is there may be the only good one."""
    create_if_missing(tmp_path / "state.db")
    (tmp_path / "copy.db").write_text("precious")
    code = main(["backup", "-c", str(config), str(tmp_path / "copy.db")])

    assert (1, "precious") == (code, (tmp_path / "copy.db").read_text())
    assert "is there already" in capsys.readouterr().err


def test_a_failed_copy_leaves_nothing(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a part of it nor its draft."""
    (tmp_path / "state.db").write_bytes(b"no database at all, for more than a hundred bytes " * 20)
    code = main(["backup", "-c", str(config), str(tmp_path / "copy.db")])

    assert (1, ["runflowd.yaml", "state.db"]) == (code, sorted(path.name for path in tmp_path.iterdir()))
    assert "is damaged" in capsys.readouterr().err


def test_a_copy_that_was_killed_leaves_no_half_of_one(tmp_path: Path, config: Path) -> None:
    """Whole under its name or not there, and the next one is made as if nothing had been (scenario 75)."""
    create_if_missing(tmp_path / "state.db")
    command = [sys.executable, "-m", "runflowd", "backup", "-c", str(config), str(tmp_path / "copy.db")]
    ended = subprocess.run(command, env={**os.environ, "RUNFLOWD_FAILPOINT": "backup.drafted"}, check=False)
    left = (tmp_path / "copy.db").exists()
    code = main(["backup", "-c", str(config), str(tmp_path / "copy.db")])

    assert (-signal.SIGKILL, False, 0, []) == (ended.returncode, left, code, pauses(tmp_path / "copy.db"))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was to be done."""
    create_if_missing(tmp_path / "state.db")
    code = main(["backup", "-c", str(config), str(tmp_path / "away" / "copy.db")])

    assert 1 == code
    assert (
        f"copied there (No such file or directory). Make the folder {tmp_path}/away first." in capsys.readouterr().err
    )


def test_without_a_state_file_there_is_nothing_to_copy(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And none is made."""
    code = main(["backup", "-c", str(config), str(tmp_path / "copy.db")])

    assert (1, ["runflowd.yaml"]) == (code, [path.name for path in tmp_path.iterdir()])
    assert "there is no state file yet" in capsys.readouterr().err


def test_dated_copies_are_kept_up_to_a_number(tmp_path: Path, config: Path) -> None:
    """The oldest go once the new one is there; what somebody else put into the folder stays."""
    create_if_missing(tmp_path / "state.db")
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("state-20200101T000000Z.db", "state-20210101T000000Z.db", "state.db", "state-20200101T000000Z.db.gz"):
        (folder / name).write_text("kept by somebody")
    code = main(["backup", "-c", str(config), "--into", str(folder), "--keep", "2"])
    left = sorted(each.name for each in folder.iterdir())
    made = [name for name in left if name > "state-2022"]

    assert (0, 1) == (code, len([name for name in made if name != "state.db"]))
    assert {"state-20210101T000000Z.db", "state.db", "state-20200101T000000Z.db.gz"} < set(left)
    assert "state-20200101T000000Z.db" not in left


@pytest.mark.parametrize("arguments", [[], ["--keep", "2", "copy.db"], ["--into", ".", "copy.db"]])
def test_what_is_meant_must_be_clear(config: Path, arguments: list[str]) -> None:
    """One copy or a dated one; and nothing is removed where copies have names of their own."""
    assert 2 == main(["backup", "-c", str(config), *arguments])


def test_a_copy_that_fails_removes_none(tmp_path: Path, config: Path) -> None:
    """The old ones are all there is then."""
    (tmp_path / "state-20200101T000000Z.db").write_text("precious")
    code = main(["backup", "-c", str(config), "--into", str(tmp_path), "--keep", "1"])

    assert (1, True) == (code, (tmp_path / "state-20200101T000000Z.db").exists())
