"""What is on record of who the watched folder of a rule is, and the disks that are mounted below it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.identity import Identity
from runflowd.core.printable import printable
from runflowd.store.connection import stored_value
from runflowd.store.items import path_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.connection import Connection

SAMPLE = 64
"""Files whose presence is evidence; stat calls, made only where a mark does not settle it."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders by their path below the root, "" for itself: those recognised, and those that are `strange`.

    A strange one is as it was met; None when it is no mounted disk any more.
    """

    folders: dict[str, Identity] = field(default_factory=dict)
    strange: dict[str, Identity | None] = field(default_factory=dict)

    def is_strange(self, folder: str) -> bool:
        """Whether a folder is a strange one or lies below one."""
        return any(not top or folder == top or folder.startswith(f"{top}/") for top in self.strange)


@dataclass(frozen=True, slots=True)
class Sample:
    """Files that should lie below a folder: path, size (None: of no account, since it is to be read again) and time.

    `worked`: the rule ever knew any.
    """

    worked: bool
    files: tuple[tuple[str, int | None, int], ...]


def roots_key(rule: str) -> str:
    """Under which key the folders of a rule are stored."""
    return f"root:{rule}"


def roots_of(connection: Connection, rule: str) -> Roots:
    """What is on record for a rule; nothing before its first look."""
    value = stored_value(connection, "", roots_key(rule))
    return _parsed(value) if value else Roots()


def mark_of_watched(connection: Connection, rule: str) -> str | None:
    """The mark of the watched folder of a rule; "" for one that bears none, None before the first look."""
    known = roots_of(connection, rule).folders.get("")
    return known.mark if known is not None else None


def output_mark_key(folder: str) -> str:
    """Under which key the mark of a folder that results go to is stored."""
    return f"mark:{printable(folder)}"


def mark_of_output(connection: Connection, folder: str) -> str | None:
    """The mark of a folder that results go to; None before it has one."""
    return stored_value(connection, "", output_mark_key(folder))


def save_output_mark(connection: Connection, folder: str, mark: str) -> None:
    """Put on record by which mark a folder is known to all hosts."""
    connection.run("save_value", service="", key=output_mark_key(folder), value=mark)


def output_identity_key(folder: str) -> str:
    """Under which key it is stored who a folder that results go to is on this machine."""
    return f"output:{printable(folder)}"


def output_identity(connection: Connection, folder: str) -> Identity | None:
    """Who a folder that results go to was when it was last met; None before that."""
    value = stored_value(connection, "", output_identity_key(folder))
    return Identity(**json.loads(value)) if value else None


def save_output_identity(connection: Connection, folder: str, identity: Identity) -> None:
    """Put on record who a folder that results go to is."""
    connection.run("save_value", service="", key=output_identity_key(folder), value=json.dumps(asdict(identity)))


def forget_outputs(connection: Connection, folders: Iterable[str]) -> bool:
    """Let folders that results go to be known anew, as a person said; whether any was known."""
    keys = [key for folder in folders for key in (output_mark_key(folder), output_identity_key(folder))]
    dropped = [connection.run("drop_value", service="", key=key) for key in keys]
    return any(dropped)


def save_roots(connection: Connection, rule: str, roots: Roots) -> None:
    """Put on record what stands there."""
    connection.run("save_value", service="", key=roots_key(rule), value=json.dumps(asdict(roots)))


def accept_folders(connection: Connection, rule: str, now: float) -> bool:
    """Take what is strange for what belongs there, as a person said; False when nothing is.

    What was bought for the files known there does not depend on them any more, unless they are found again.
    """
    roots = roots_of(connection, rule)
    if not roots.strange:
        return False
    kept = {path: known for path, known in roots.folders.items() if not roots.is_strange(path)}
    taken = {path: met for path, met in roots.strange.items() if met is not None}
    save_roots(connection, rule, Roots({**kept, **taken}))
    for path in roots.strange:
        connection.run("leave_behind", rule=rule, now=now, **_below(path))
    return True


def roots_of_others(connection: Connection, rule: str) -> list[Identity]:
    """The watched folders of the other rules."""
    rows = [row for row in connection.all("values_of_roots") if row["key"] != roots_key(rule)]
    found = (_parsed(row["value"]).folders.get("") for row in rows)
    return [identity for identity in found if identity is not None]


def sample_of(connection: Connection, rule: str, folder: str) -> Sample:
    """The latest files that should lie below a folder.

    As long as none is known of a folder that was accepted, those of the one before tell the two apart from a third.
    """
    wanted = {"rule": rule, "limit": SAMPLE, **_below(folder)}
    rows = connection.all("sample_of_folder", left_behind=False, **wanted)
    rows = rows or connection.all("sample_of_folder", left_behind=True, **wanted)
    files = tuple((path_of(row), row["size"], row["mtime_ns"]) for row in rows)
    return Sample(bool(files) or connection.one("has_worked", rule=rule) is not None, files)


def _below(folder: str) -> dict[str, bytes]:
    """A folder, and the bounds of all that lie below it."""
    path = os.fsencode(folder)
    return {"dir": path, "below": path + b"/", "beyond": path + b"0"}  # 0 comes after /


def _parsed(value: str) -> Roots:
    found = json.loads(value)
    strange = {path: Identity(**met) if met else None for path, met in found["strange"].items()}
    return Roots({path: Identity(**known) for path, known in found["folders"].items()}, strange)
