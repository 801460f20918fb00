"""The file of users: one line each, `name:right:hash`. Read anew whenever it has changed."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.printable import printable
from runflowd.system.file_mark import file_mark
from runflowd.web.passwords import is_hash
from runflowd.web.rights import Right
from runflowd.web.trouble import WebTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""Names are plain ASCII, so that none looks like another; an address of a mailbox is one."""

RIGHTS = {right.word: right for right in Right if right > Right.ANYBODY}
"""What a user may be given, by the word for it."""

_NONE = "-"
_MOST_BYTES = 2**20
_HEADING = "# Who may do what on the page of runflowd. Written by runflowd user; a change counts at once.\n"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in. Without a `password` (a hash) only a proxy can say that it is they."""

    name: str
    right: Right
    password: str = field(repr=False)


class UsersUnusable(WebTrouble):
    """The file of users cannot be read, is open to others, or is damaged. Nobody is let in by it then."""

    code = "USERS_UNUSABLE"
    place = "web.users_file"
    exit_code = 75

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        super().__init__(f"web.users_file: {printable(path)} {reason}; {remedy}")


class UsersFile:
    """The users of one file, as it is now."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: object = None
        self._users: Mapping[str, User] = {}

    def users(self) -> Mapping[str, User]:
        """By name. Raises `UsersUnusable`. Blocking, though only a look at the file when it has not changed."""
        mark = file_mark(self.path)
        if mark is None or mark != self._seen:
            self._seen = None
            self._users = read_users(self.path)
            self._seen = mark
        return self._users


def read_users(path: str) -> dict[str, User]:
    """The users in a file, by name. Raises `UsersUnusable`; of several faults the first is told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for a writer
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        _ensure_own(path, os.fstat(descriptor))
        content = os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
    found: dict[str, User] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            user = _parsed(line)
            if user is None or user.name in found:
                fault = "names a user again" if user else "is not name:right:hash"
                raise UsersUnusable(path, f"is damaged: line {number} {fault}", "mend or remove that line")
            found[user.name] = user
    return found


def written(users: Iterable[User]) -> bytes:
    """The content of a file with these users."""
    lines = (f"{user.name}:{user.right.word}:{user.password or _NONE}\n" for user in users)
    return (_HEADING + "".join(lines)).encode()


def _parsed(line: str) -> User | None:
    match line.split(":"):
        case [name, word, kept] if NAME_PATTERN.fullmatch(name) and word in RIGHTS:
            if kept == _NONE:
                return User(name, RIGHTS[word], "")
            return User(name, RIGHTS[word], kept) if is_hash(kept) else None
    return None


def _ensure_own(path: str, status: os.stat_result) -> None:
    """Whoever may write the file is let in as anybody; whoever may read it has hashes to try passwords on."""
    if not stat.S_ISREG(status.st_mode):
        raise UsersUnusable(path, "is no file", "name another one")
    if status.st_uid not in {0, os.geteuid()}:
        raise UsersUnusable(path, "belongs to somebody else", f"run chown root {printable(path)}")
    if status.st_mode & 0o027:
        raise UsersUnusable(path, "is open to others than its owner and its group", f"run chmod 640 {printable(path)}")


def _unreadable(path: str, error: OSError) -> UsersUnusable:
    if isinstance(error, FileNotFoundError):
        return UsersUnusable(path, "is not there", "`runflowd user add NAME --may spend` makes it")
    remedy = f"let the group of the service read it: chgrp runflowd {printable(path)} && chmod 640 {printable(path)}"
    return UsersUnusable(path, f"cannot be read: {error.strerror}", remedy)
