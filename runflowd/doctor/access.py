"""May this user get at a folder? Walked from / down, so that the folder that closes the way is named."""

from __future__ import annotations

import os
import shlex
import stat as modes
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from runflowd.doctor.findings import Finding, note, problem

PERMISSIONS = "permissions"


class Block(Enum):
    """What is in the way."""

    NOTHING = auto()
    MISSING = auto()
    CLOSED = auto()
    NO_FOLDER = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """The way to a folder: where it ends, if it does, and why there."""

    block: Block = Block.NOTHING
    at: str = ""


def way_to(path: str) -> Way:
    """Follow a path as this user. Raises OSError for trouble that is no matter of permission."""
    passed = ""
    for here in [*reversed([str(each) for each in Path(path).parents]), path]:
        if passed and not os.access(passed, os.X_OK, effective_ids=True):
            return Way(Block.CLOSED, passed)
        try:
            found = os.stat(here)  # noqa: PTH116  one call, no object needed
        except FileNotFoundError:
            return Way(Block.MISSING, here)
        if not modes.S_ISDIR(found.st_mode):
            return Way(Block.NO_FOLDER, here)
        passed = here
    return Way()


def check_way(subject: str, path: str, way: Way, user: str) -> Finding | None:
    """What a blocked way means for a folder that must be there; None for a free one."""
    quoted = shlex.quote(way.at)
    match way.block:
        case Block.NOTHING:
            return None
        case Block.MISSING:
            more = "" if way.at == path else f" ({way.at} is missing already)"
            remedy = f"mount the disk it is on, or make it: mkdir -p {shlex.quote(path)}"
            return problem(PERMISSIONS, subject, f"{path} is not there{more}; files in it wait until it is", remedy)
        case Block.NO_FOLDER:
            remedy = "move that file away, or name another folder"
            return problem(PERMISSIONS, subject, f"{path} cannot be reached: {way.at} is a file, not a folder", remedy)
        case Block.CLOSED:
            remedy = f"let {user} pass: chmod o+x {quoted}, or setfacl -m u:{user}:x {quoted}"
            return problem(PERMISSIONS, subject, f"{path} cannot be reached: {way.at} is closed to {user}", remedy)


def check_person(own: int, daemon: int | None, name: str) -> list[Finding]:
    """Whether what this user may do says anything of what the daemon may; both are user ids."""
    if daemon is None or own == daemon:
        return []
    message = (
        f"permissions were looked at as user id {own}, the daemon is user {name}: what that one may do can differ. "
        f"`sudo -u {name} runflowd doctor` looks as the daemon"
    )
    return [note(PERMISSIONS, "user", message)]
