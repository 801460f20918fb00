"""The doctor's looks at real folders, files, sockets and units, and what becomes of a look that hangs or fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import Desk, desk_in
from hostile_server import answer, hang_up, hostile_server

from runflowd.api.errors import Permanent, Transient
from runflowd.api.probing import Echo, post_nothing
from runflowd.config import load
from runflowd.core.model import Rule
from runflowd.doctor.access import Block, Way, way_to
from runflowd.doctor.findings import Finding, Level, good
from runflowd.doctor.folders import probe_written
from runflowd.doctor.inotify import Limit, tightest, tree_of
from runflowd.doctor.probing import Probe, findings_of
from runflowd.doctor.target import case_of
from runflowd.doctor.unit import environment_of, installed_unit, key_file, probe_unit
from runflowd.errors import StoreError
from runflowd.files import Missing, try_writing
from runflowd.store import Damaged, open_store
from runflowd.store.schema import migrations
from runflowd.store.state_file import examine

if TYPE_CHECKING:
    from collections.abc import Iterator


def fine(name: str) -> Probe:
    """A look that finds all well."""
    return Probe(name, "it", lambda: [good(name, "it", "is well")], "nothing")


def raising(error: Exception) -> Probe:
    """A look that fails."""

    def see() -> list[Finding]:
        raise error

    return Probe("odd", "it", see, "mount it")


def test_a_look_that_hangs_is_given_up_and_the_others_go_on() -> None:
    """A share whose server is gone must not hang the doctor."""
    over = threading.Event()

    def hang() -> list[Finding]:
        over.wait()
        return []

    hung = Probe("share", "/mnt", hang, "is its server up?", seconds=0.01)

    found = list(findings_of([fine("a"), hung, fine("b")]))
    over.set()

    assert ["a", "share", "b"] == [each.check for each in found]
    assert (Level.PROBLEM, "is its server up?") == (found[1].level, found[1].remedy)


HANGING = """
import threading
from runflowd.doctor.probing import Probe, findings_of
hung = Probe("share", "/mnt", threading.Event().wait, "is its server up?", seconds=0.01)
print([found.level.value for found in findings_of([hung])])
"""


def test_a_look_that_hangs_does_not_keep_the_program_from_ending() -> None:
    """The thread that waits for the share dies with it."""
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=True)

    assert "['problem']\n" == done.stdout


@pytest.mark.parametrize(
    ("error", "level", "named"),
    [
        (OSError(116, "Stale file handle"), Level.PROBLEM, "Stale file handle"),
        (StoreError("the file is away"), Level.PROBLEM, "the file is away"),
        (KeyError("rf_live_0123456789abcdef"), Level.WARNING, "KeyError"),
    ],
)
def test_a_look_that_fails_is_a_finding(error: Exception, level: Level, named: str) -> None:
    """Whatever it was; and no key is in it."""
    (found,) = findings_of([raising(error)])

    assert (level, True) == (found.level, named in found.message)
    assert "0123456789abcdef" not in found.message


def test_an_address_with_a_login_is_reported_without_it() -> None:
    """Addresses of the configuration are in findings, whatever somebody wrote into them."""
    address = "https://me:secret@hooks.example/x?token=abc"
    (found,) = findings_of([Probe("callbacks", "x", lambda: [good("callbacks", address, f"{address} is")], "")])

    assert ("https://hooks.example/x?...", "https://hooks.example/x?... is") == (found.subject, found.message)


def test_more_looks_than_run_at_once_are_reported_in_order() -> None:
    """A rule has several folders, and there are many rules."""
    names = [str(number) for number in range(20)]

    assert names == [each.check for each in findings_of([fine(name) for name in names])]


def test_the_way_to_a_folder_ends_where_it_is_blocked(tmp_path: Path) -> None:
    """Missing, or a file where a folder should be."""
    (tmp_path / "file").touch()
    (tmp_path / "in").mkdir()

    assert [
        Way(),
        Way(Block.MISSING, f"{tmp_path}/in/a"),
        Way(Block.NO_FOLDER, f"{tmp_path}/file"),
    ] == [way_to(f"{tmp_path}/{name}") for name in ("in", "in/a/b", "file/a")]


def test_writing_is_tried_with_a_real_file_that_goes_again(tmp_path: Path) -> None:
    """The folder is as it was."""
    assert try_writing(str(tmp_path)) is False
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["file", "gone"])
def test_a_folder_that_takes_no_file_says_why(tmp_path: Path, path: str) -> None:
    """In the terms of a user's file."""
    (tmp_path / "file").touch()

    with pytest.raises(Missing):
        try_writing(str(tmp_path / path))


def test_an_output_folder_that_is_not_there_is_tried_for_at_its_parent(tmp_path: Path) -> None:
    """The daemon makes it later; nothing is made now."""
    found = probe_written("one: output", str(tmp_path / "a" / "b"), 0, "somebody")

    assert {("permissions", Level.OK), ("disk", Level.OK)} == {(each.check, each.level) for each in found}
    assert [] == list(tmp_path.iterdir())


def test_directories_are_counted_with_the_root(tmp_path: Path) -> None:
    """Each of them needs a watch."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()

    assert 4 == tree_of(Rule("one", str(tmp_path), "/out", "a/b", {})).directories


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"fs/a": "100\n", "user/b": "64\n"}, Limit("user.b", 64)),
        ({"fs/a": "100\n"}, Limit("fs.a", 100)),
        ({}, Limit("fs.a", None)),
        ({"fs/a": "many"}, Limit("fs.a", None)),
    ],
)
def test_the_tightest_limit_counts(tmp_path: Path, files: dict[str, str], expected: Limit) -> None:
    """A container has one of its own; `/proc/sys` may be hidden."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert expected == tightest(("fs.a", "user.b"), str(tmp_path))


@pytest.mark.anyio
async def test_a_state_file_is_read_whole_and_left_alone(tmp_path: Path) -> None:
    """While a daemon has it open, too."""
    path = tmp_path / "state.db"
    async with open_store(path):
        sound = examine(path)

    assert (len(migrations()), len(migrations())) == (sound.schema, sound.known)


def test_a_damaged_state_file_is_reported(tmp_path: Path) -> None:
    """And one that is not there (scenario 62)."""
    path = tmp_path / "state.db"
    with pytest.raises(StoreError, match="no state file yet"):
        examine(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE t AS SELECT randomblob(100000) AS x")
    path.write_bytes(path.read_bytes()[:8192] + bytes(8192))

    with pytest.raises(Damaged):
        examine(path)


@pytest.mark.anyio
async def test_an_address_is_called_without_key_and_body() -> None:
    """What answers is told by status, and by whether it wants a login."""
    bare, login = answer(status=401), answer(status=401, www_authenticate="Basic")
    async with hostile_server(bare, login) as server:
        echoes = [await post_nothing(f"{server.url}/callbacks/runflow") for _ in range(2)]

    assert [Echo(401), Echo(401, login=True)] == echoes
    assert [("POST", b"")] * 2 == [(seen.method, seen.body) for seen in server.seen]
    assert "authorization" not in server.seen[0].headers


@pytest.mark.anyio
async def test_an_address_where_nobody_answers_is_an_error() -> None:
    """So is one that makes no sense."""
    async with hostile_server(hang_up) as server:
        with pytest.raises(Transient):
            await post_nothing(server.url)
    with pytest.raises(Permanent):
        await post_nothing("http://x:port/")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder to call commands in."""
    yield from desk_in(tmp_path)


def test_the_unit_counts_for_the_configuration_that_its_daemon_reads(desk: Desk) -> None:
    """As `runflowd systemd install` places it, with a drop-in; other configurations are no business of it."""
    root = desk.folder / "root"
    assert 0 == desk.call("systemd", "install", "--root", str(root), "--program", "/bin/true").code
    extra = root / "etc/systemd/system/runflowd.service.d"
    extra.mkdir()
    (extra / "folders.conf").write_text("[Service]\nReadWritePaths=-/data\n")
    (root / "etc/runflowd").mkdir()

    own = installed_unit(root / "etc/runflowd", root)

    assert own is not None
    assert ("-/srv/runflow", "-/data") == own.settings["ReadWritePaths"]
    assert "/etc/runflowd/credentials/api-key" == key_file(own)
    assert "/var/lib/runflowd" == environment_of(own, {})["STATE_DIRECTORY"]
    assert {} == environment_of(own, {"STATE_DIRECTORY": "/x", "CREDENTIALS_DIRECTORY": "/y"})
    assert own == installed_unit(root / "etc/runflowd/runflowd.yaml", root)
    assert installed_unit(desk.config, root) is None
    assert installed_unit(root / "etc/runflowd", desk.folder) is None


def test_under_its_unit_a_daemon_has_the_state_and_the_sandbox_of_that(desk: Desk) -> None:
    """The doctor's own environment says nothing of either."""
    root = desk.folder / "root"
    assert 0 == desk.call("systemd", "install", "--root", str(root), "--program", "/bin/true").code
    source = root / "etc/runflowd/runflowd.yaml"
    source.parent.mkdir()
    source.write_text("service: local\nrules: {one: {watch: /srv/runflow/in, output: /data/out, model: a/b}}\n")

    case = case_of(load(source), source, offline=True, root=root)

    assert Path("/var/lib/runflowd/state.db") == case.state
    assert [("/data/out", Level.PROBLEM)] == [(each.subject, each.level) for each in probe_unit(case)]
