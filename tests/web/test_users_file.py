"""The file of users and the commands that write it."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from runflowd.cli import main
from runflowd.web.rights import Right
from runflowd.web.users_file import User, UsersFile, UsersUnusable, read_users, written

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("argon2", reason="users need the extra `users`")

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


def file_of(folder: Path, text: str = "", mode: int = 0o640) -> Path:
    """A file of users."""
    path = folder / "users"
    path.write_bytes(text.encode() or written([User("anna", Right.SPEND, HASH)]))
    path.chmod(mode)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Name, right, and the hash or that there is none."""
    users = [User("anna", Right.SPEND, HASH), User("ben@example.com", Right.SEE, "")]
    path = file_of(tmp_path, written(users).decode())

    assert {each.name: each for each in users} == read_users(str(path))


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o620, 0o641, 0o666])
def test_a_file_that_others_may_read_or_write_lets_nobody_in(tmp_path: Path, mode: int) -> None:
    """Who writes it is anybody; who reads it can try passwords as fast as their machine allows."""
    path = file_of(tmp_path, mode=mode)
    with pytest.raises(UsersUnusable, match=f"is open to others.*; run chmod 640 {path}") as refused:
        read_users(str(path))
    path.chmod(0o640)  # the remedy

    assert HASH not in str(refused.value)
    assert read_users(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_lets_nobody_in(tmp_path: Path) -> None:
    """It could be theirs to write."""
    path = file_of(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(UsersUnusable, match="belongs to somebody else; run chown root"):
        read_users(str(path))


@pytest.mark.parametrize(
    "line",
    [
        "anna:spend",
        "anna:spend:secret",
        "anna:rule:-",
        "anna:anybody:-",
        "an na:see:-",
        "anna\x1b[2J:see:-",
        "ann\u0430:see:-",
        ":see:-",
        f"anna:see:{HASH}\x07",
        f"anna:see:{HASH}\nanna:spend:{HASH}",
        "anna:see:-:more",
    ],
)
def test_a_damaged_line_lets_nobody_in(tmp_path: Path, line: str) -> None:
    """Half a file of users would be a guess; the message has the line's number and nothing of its text."""
    with pytest.raises(UsersUnusable, match=r"is damaged: line [12] ") as refused:
        read_users(str(file_of(tmp_path, f"{line}\n")))

    assert str(refused.value).isprintable()
    assert "argon2id" not in str(refused.value)


def test_a_pipe_or_a_folder_in_its_place_is_told_and_not_waited_for(tmp_path: Path) -> None:
    """A FIFO would hold up every request."""
    pipe = tmp_path / "users"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(UsersUnusable, match="is no file"):
        read_users(str(pipe))


def test_a_file_that_is_not_there_says_which_command_makes_it(tmp_path: Path) -> None:
    """Instead of letting everybody in, or nobody without a word."""
    with pytest.raises(UsersUnusable, match="`runflowd user add NAME --may spend` makes it"):
        read_users(str(tmp_path / "users"))


def test_an_edit_counts_at_once(tmp_path: Path) -> None:
    """Also one that only opens the file to others, and its mending."""
    path = file_of(tmp_path)
    users = UsersFile(str(path))
    before = set(users.users())
    path.write_bytes(written([User("ben", Right.SEE, HASH)]))
    after = set(users.users())
    path.chmod(0o644)
    with pytest.raises(UsersUnusable):
        users.users()
    path.chmod(0o640)

    assert ({"anna"}, {"ben"}, {"ben"}) == (before, after, set(users.users()))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with users."""
    path = tmp_path / "runflowd.yaml"
    path.write_text(f"service: local\nrules: {{}}\nweb: {{users_file: '{tmp_path}/users'}}\n")
    return path


def user(config: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = "") -> int:
    """Run `runflowd user` with a password on its standard input."""
    read, write = os.pipe()
    os.write(write, f"{password}\n".encode())
    os.close(write)
    with os.fdopen(read) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        return main(["user", *arguments, "-c", str(config)])


def test_users_are_added_changed_listed_and_removed(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The password comes from the input, is shown nowhere, and stays when only the right changes."""
    path = config.with_name("users")
    added = user(config, monkeypatch, "add", "anna", "--may", "review", password="correct horse battery")
    kept = read_users(str(path))["anna"].password
    changed = user(config, monkeypatch, "change", "anna", "--may", "spend")
    proxied = user(config, monkeypatch, "add", "ben@example.com", "--may", "see", "--no-password")
    capsys.readouterr()
    listed = user(config, monkeypatch, "list", "--json")
    shown = capsys.readouterr()
    removed = user(config, monkeypatch, "remove", "ben@example.com")

    assert [0] * 5 == [added, changed, proxied, listed, removed]
    assert [
        {"name": "anna", "may": "spend", "password": True},
        {"name": "ben@example.com", "may": "see", "password": False},
    ] == json.loads(shown.out)
    assert {"anna": User("anna", Right.SPEND, kept)} == read_users(str(path))
    assert stat.S_IMODE(path.stat().st_mode) in {0o600, 0o640}
    assert "correct horse" not in path.read_text() + shown.out + shown.err


def test_another_password_is_another_hash(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the mode that somebody gave to the file stays."""
    path = config.with_name("users")
    path.write_bytes(written([User("anna", Right.SEE, HASH)]))
    path.chmod(0o640)
    code = user(config, monkeypatch, "passwd", "anna", password="correct horse battery")

    assert (0, 0o640) == (code, stat.S_IMODE(path.stat().st_mode))
    assert HASH != read_users(str(path))["anna"].password


@pytest.mark.parametrize(
    ("arguments", "password", "code", "said"),
    [
        (["add", "an\x1bna", "--may", "see"], "correct horse battery", 2, "is no name of a user"),
        (["add", "anna:spend", "--may", "see"], "correct horse battery", 2, "is no name of a user"),
        (["add", "ben", "--may", "see"], "short", 2, "a password has 12 to 512 characters"),
        (["add", "ben", "--may", "own"], "correct horse battery", 2, "'see', 'review', 'spend'"),
        (["add", "anna", "--may", "see"], "correct horse battery", 1, "anna is there already"),
        (["passwd", "ana"], "correct horse battery", 2, "did you mean 'anna'?"),
        (["remove", "ana"], "", 2, "did you mean 'anna'?"),
        (["change", "nobody", "--may", "see"], "", 2, "`runflowd user list` shows who there is"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    password: str,
    code: int,
    said: str,
) -> None:
    """And says why."""
    path = file_of(config.parent)
    before = path.read_bytes()

    assert code == user(config, monkeypatch, *arguments, password=password)
    assert said in capsys.readouterr().err
    assert before == path.read_bytes()


def test_without_a_file_of_users_the_command_says_what_to_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the configuration."""
    path = tmp_path / "runflowd.yaml"
    path.write_text("service: local\nrules: {}\n")

    assert 78 == user(path, monkeypatch, "list")
    assert "web: {users_file: /etc/runflowd/users}" in capsys.readouterr().err
