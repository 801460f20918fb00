"""The state file: is it sound, does this program know its schema, and is it on a disk that it can rely on."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from runflowd.core.units import size_text
from runflowd.doctor.access import way_to
from runflowd.doctor.findings import Finding, good, note, problem, warning
from runflowd.doctor.folders import SYSTEMS, probe_written
from runflowd.errors import StoreError
from runflowd.store import Damaged, open_reader
from runflowd.store.moved import Moved, Unfinished
from runflowd.store.reports import incidents
from runflowd.store.state_file import Integrity, examine
from runflowd.system.mounts import file_system_of, shared_with_others

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runflowd.store.reports import Incident

STATE = "state"


def probe_state_folder(path: Path, floor: int, user: str) -> list[Finding]:
    """The folder of the state file: written to at every step, so it must take files and have room."""
    folder = str(path.parent)
    kind = file_system_of(folder)
    found = [check_state_system(path, kind, network=shared_with_others(kind))]
    found += probe_written("state", folder, floor, user)
    closed = path.exists() and not os.access(path, os.W_OK, effective_ids=True)
    return [*found, *([check_unwritable(path, user)] if closed else [])]


def check_unwritable(path: Path, user: str) -> Finding:
    """A state file that this user cannot write to."""
    remedy = f"if the daemon is to run as {user}: chown {user} {path}*"
    return problem(STATE, str(path), f"cannot be written to by {user}", remedy)


def check_state_system(path: Path, kind: str, *, network: bool) -> Finding:
    """What the type of a file system means for a database (scenario 68)."""
    if network:
        message = f"is on {kind}: locks and shared memory do not hold there, so the record of purchases can be damaged"
        return problem(SYSTEMS, str(path), message, "stop the daemon, move the file to a local disk, and set `state:`")
    return good(SYSTEMS, str(path), f"is on {kind or 'a disk of unknown type'}")


def probe_state(path: Path) -> list[Finding]:
    """Read the whole file. Blocks as long as that takes."""
    if not path.exists():
        return [check_absent(path, str(way_to(str(path.parent)).at))]
    try:
        sound = examine(path)
        return [check_soundness(path, sound), *_open_incidents(path, sound)]
    except StoreError as error:
        return [check_error(path, error)]


def check_absent(path: Path, missing: str) -> Finding:
    """No state file yet; `missing` is the part of the way to it that is not there either, or empty."""
    more = f", and neither is {missing}" if missing else ""
    return note(STATE, str(path), f"is not there yet{more}: the first `runflowd run` or `sync` makes it")


def check_error(path: Path, error: StoreError) -> Finding:
    """A file that cannot be relied on; it is never replaced by itself."""
    match error:
        case Damaged():
            remedy = "stop the daemon, keep the file aside, and put back the newest copy made by `runflowd backup FILE`"
        case Moved() | Unfinished():
            remedy = "write the place that works into `state:`"
        case _:
            remedy = "let this user read the file and write to its folder"
    return problem(STATE, str(path), str(error).removeprefix(f"{path}: "), remedy)


def check_soundness(path: Path, sound: Integrity) -> Finding:
    """A file that is whole."""
    text = f"is whole ({size_text(sound.size)}, schema {sound.schema})"
    if sound.schema > sound.known:
        message = f"{text}, written by a newer runflowd: this one knows schemas up to {sound.known} and does not start"
        return problem(STATE, str(path), message, "install that version again, or restore the copy made before")
    if sound.schema < sound.known:
        remedy = f"start this version's daemon: it brings the file to schema {sound.known} and keeps a copy"
        return warning(STATE, str(path), f"{text}, of an older runflowd: commands cannot read it", remedy)
    return good(STATE, str(path), text)


def _open_incidents(path: Path, sound: Integrity) -> list[Finding]:
    if sound.schema != sound.known:
        return []
    reader = open_reader(path)
    with closing(reader.raw):
        return check_incidents(incidents(reader))


def check_incidents(found: Sequence[Incident]) -> list[Finding]:
    """What the daemon itself has found wrong and has not seen end."""
    text = [warning("incidents", f"{each.scope} {each.code}", each.message, each.remedy) for each in found]
    return text or [good("incidents", "daemon", "none is open")]
