"""`runflowd user`: who may do what on the page."""

from __future__ import annotations

import fcntl
import grp
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runflowd.commands.draft import Draft
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import print_lines, say
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.plain_table import table
from runflowd.config import load
from runflowd.core.printable import printable
from runflowd.core.suggestion import closest
from runflowd.web import passwords
from runflowd.web.users_file import NAME_PATTERN, RIGHTS, User, read_users, written

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "runflowd"
"""The group of the service, which has to read the file (systemd/runflowd.sysusers.conf)."""

may_option = click.option(
    "--may", type=click.Choice(list(RIGHTS)), required=True, help="What they may do; each includes those before it."
)


@click.group()
def command() -> None:
    """Look after the users of the page: who may see, review, or spend. A change counts at once."""


@command.command()
@config_option
@click.argument("name")
@may_option
@click.option("--no-password", is_flag=True, help="Only the proxy in `web.proxy` says who they are.")
def add(place: Path | None, name: str, may: str, *, no_password: bool) -> None:
    """Add the user NAME.

    The password is asked for at the terminal, or is the first line of the input; it has at least 12 characters.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise CommandError(
            f"{printable(name)!r} is no name of a user. Use up to 64 letters, digits and any of . _ @ + -, "
            "with a letter or a digit first.",
            Exit.USAGE,
        )
    path = _users_file(place)
    if name in _known(path):
        raise CommandError(
            f"{name} is there already. `runflowd user change {name} --may see` gives another right, "
            f"`runflowd user passwd {name}` another password."
        )
    kept = "" if no_password else passwords.hashed(_password())
    with _edited(path) as users:
        users[name] = User(name, RIGHTS[may], kept)
    say(f"{name} may {may}. {path} holds the users.")


@command.command()
@config_option
@click.argument("name")
@may_option
def change(place: Path | None, name: str, may: str) -> None:
    """Give the user NAME another right. Their sessions end."""
    with _edited(_users_file(place)) as users:
        before = _user(users, name)
        users[before.name] = User(before.name, RIGHTS[may], before.password)
    say(f"{name} may {may} now.")


@command.command()
@config_option
@click.argument("name")
def passwd(place: Path | None, name: str) -> None:
    """Give the user NAME another password. Their sessions end."""
    path = _users_file(place)
    _user(_known(path), name)
    kept = passwords.hashed(_password())
    with _edited(path) as users:
        users[name] = User(name, _user(users, name).right, kept)
    say(f"{name} has another password now.")


@command.command()
@config_option
@click.argument("name")
def remove(place: Path | None, name: str) -> None:
    """Remove the user NAME. Their sessions end."""
    with _edited(_users_file(place)) as users:
        del users[_user(users, name).name]
    say(f"{name} is removed.")


@command.command("list")
@config_option
@json_option
def list_users(place: Path | None, *, as_json: bool) -> None:
    """List the users and what they may do."""
    users = _known(_users_file(place)).values()
    if as_json:
        echo_json([{"name": each.name, "may": each.right.word, "password": bool(each.password)} for each in users])
        return
    rows = [[each.name, each.right.word, "password" if each.password else "the proxy"] for each in users]
    print_lines(table(["user", "may", "known by"], rows) if rows else ["No users."])


def _users_file(place: Path | None) -> Path:
    path = load(find_config(place)).access.users_file
    if not path:
        raise CommandError(
            "the configuration names no file of users. Add `web: {users_file: /etc/runflowd/users}`, then try again.",
            Exit.CONFIGURATION,
        )
    return Path(path)


def _known(path: Path) -> dict[str, User]:
    """The users there are; none before the first. Raises `UsersUnusable`."""
    return read_users(str(path)) if path.exists() else {}


def _user(users: dict[str, User], name: str) -> User:
    if name not in users:
        near = closest(name, users)
        meant = f"; did you mean {near!r}?" if near else "."
        raise CommandError(
            f"there is no user {printable(name)!r}{meant} `runflowd user list` shows who there is.", Exit.USAGE
        )
    return users[name]


@contextmanager
def _edited(path: Path) -> Iterator[dict[str, User]]:
    """The users, to be changed: written in one step, one such command at a time."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        users = _known(path)
        yield users
        with Draft.beside(path) as draft:
            draft.write(written(users.values()))
            _let_the_service_read(path, draft.descriptor)
            draft.replace(path)
    finally:
        os.close(folder)


def _let_the_service_read(path: Path, descriptor: int) -> None:
    """Keep the mode of the file; a new one that root makes is for the group of the service, where there is one."""
    with suppress(FileNotFoundError):
        os.fchmod(descriptor, path.stat().st_mode & 0o640)
        return
    with suppress(KeyError, PermissionError):
        os.fchown(descriptor, -1, grp.getgrnam(GROUP).gr_gid)
        os.fchmod(descriptor, 0o640)


def _password() -> str:
    """A new password, never from the command line, where others could see it."""
    if sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not passwords.LEAST <= len(given) <= passwords.MOST:
        raise CommandError(
            f"a password has {passwords.LEAST} to {passwords.MOST} characters. Nothing was changed.", Exit.USAGE
        )
    return str(given)
