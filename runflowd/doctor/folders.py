"""The folders of the rules: may they be read and written, on what file systems are they, and is there room."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.model import AfterKind, WatchMode
from runflowd.core.units import duration_text, size_text
from runflowd.doctor.access import PERMISSIONS, Block, check_way, way_to
from runflowd.doctor.findings import Finding, good, note, problem, warning
from runflowd.files import FileError, NoSpace, ReadOnly
from runflowd.pipeline.intake.watched_rule import NETWORK_RESCAN
from runflowd.system.mounts import file_system_of, shared_with_others

if TYPE_CHECKING:
    from runflowd.core.model import Rule

SYSTEMS = "file systems"
DISK = "disk"

FOLDING = frozenset({"vfat", "msdos", "exfat"})
"""Types of memory cards and the like: no owners, no case, few characters in names."""


def probe_watched(rule: Rule, user: str) -> list[Finding]:
    """A watched folder."""
    subject = f"{rule.name}: watch"
    if closed := check_way(subject, rule.watch, way_to(rule.watch), user):
        return [closed]
    readable = os.access(rule.watch, os.R_OK | os.X_OK, effective_ids=True)
    writable = os.access(rule.watch, os.W_OK | os.X_OK, effective_ids=True)
    found = [check_watched(rule, user, readable=readable, writable=writable)]
    found += [each for name, file in rule.files.items() if (each := _reference(rule, name, file, user))]
    kind = file_system_of(rule.watch)
    return [*found, *check_watched_system(rule, kind, silent=shared_with_others(kind))]


def check_watched(rule: Rule, user: str, *, readable: bool, writable: bool) -> Finding:
    """What this user may do in a watched folder, against what the rule needs."""
    subject, quoted = f"{rule.name}: watch", shlex.quote(rule.watch)
    if not readable:
        remedy = f"chmod o+rx {quoted}, or setfacl -m u:{user}:rx {quoted}"
        return problem(PERMISSIONS, subject, f"{rule.watch} cannot be read by {user}; no file in it is seen", remedy)
    if rule.after.kind is not AfterKind.KEEP and not writable:
        wish = "moved away" if rule.after.kind is AfterKind.MOVE else "deleted"
        message = f"{rule.watch} cannot be written to by {user}, so sources are not {wish} (`after`)"
        remedy = f"setfacl -m u:{user}:rwx {quoted}, or write `after: keep`"
        return problem(PERMISSIONS, subject, message, remedy)
    return good(PERMISSIONS, subject, f"{rule.watch} can be read")


def _reference(rule: Rule, name: str, file: str, user: str) -> Finding | None:
    if os.access(file, os.R_OK, effective_ids=True):
        return None
    message = f"{file} is not there or cannot be read by {user}; files of this rule wait for it"
    return problem(PERMISSIONS, f"{rule.name}: files.{name}", message, "put it there, or let that user read it")


def check_watched_system(rule: Rule, kind: str, *, silent: bool) -> list[Finding]:
    """What the type of a file system means for noticing changes; `silent` ones make no events for others' changes."""
    subject = f"{rule.name}: watch"
    if silent and rule.mode is WatchMode.EVENTS:
        message = (
            f"{rule.watch} is on {kind}, where changes by other machines make no events: with `mode: events` they are "
            f"seen every {duration_text(rule.rescan)} only"
        )
        return [warning(SYSTEMS, subject, message, "write `mode: auto`, or leave that setting out")]
    if silent or rule.mode is WatchMode.RESCAN:
        every = min(rule.rescan, NETWORK_RESCAN)
        return [note(SYSTEMS, subject, f"{rule.watch} ({kind or 'unknown'}) is rescanned every {duration_text(every)}")]
    return [good(SYSTEMS, subject, f"{rule.watch} is on {kind or 'an unknown type'}: changes are noticed at once")]


def probe_written(subject: str, path: str, floor: int, user: str) -> list[Finding]:
    """A folder that results or sources go to; it is made by the daemon if only its parent is there."""
    way = way_to(path)
    if way.block is not Block.MISSING and (closed := check_way(subject, path, way, user)):
        return [closed]
    there = path if way.block is Block.NOTHING else str(Path(way.at).parent)
    kind = file_system_of(there)
    try:
        folding = files.try_writing(there)
    except FileError as error:
        return [check_written(subject, path, there, error, user), *check_written_system(subject, path, kind)]
    return [
        check_written(subject, path, there, None, user),
        *check_written_system(subject, path, kind, folding=folding),
        check_space(subject, there, files.free_space(there), floor),
    ]


def check_written(subject: str, path: str, there: str, error: FileError | None, user: str) -> Finding:
    """What came of trying to make a file in `there`: the folder itself, or the one in which it is to be made."""
    if error is None:
        sure = "can be written to (a file was made and removed)" if there == path else "is not there yet, can be made"
        return good(PERMISSIONS, subject, f"{path} {sure}")
    meaning = "what is bought cannot be stored there until it can"
    if isinstance(error, NoSpace):
        return problem(DISK, subject, f"{path} takes no more ({error.reason}); {meaning}", error.advice)
    act = "cannot be written to" if there == path else f"cannot be made in {there}"
    remedy = f"let {user} write there: setfacl -m u:{user}:rwx {shlex.quote(there)}"
    if isinstance(error, ReadOnly):
        remedy = error.advice
    return problem(PERMISSIONS, subject, f"{path} {act} by {user}: {error.reason}; {meaning}", remedy)


def check_written_system(subject: str, path: str, kind: str, *, folding: bool = False) -> list[Finding]:
    """What the type of a file system means for names; `folding` where `A` and `a` were seen to be one."""
    if not folding and kind not in FOLDING:
        return []
    message = f"{path} ({kind}) takes names that differ in case alone for one; the later result gets a name of its own"
    if kind in FOLDING:
        message += f". {kind} knows no owners or permissions, and not all characters in names"
    return [note(SYSTEMS, subject, message)]


def check_space(subject: str, path: str, free: int, floor: int) -> Finding:
    """Bytes free on the disk of a folder, against those that runflowd leaves alone (`limits.free_space`)."""
    text = f"{size_text(free)} free at {path}"
    if free < floor:
        message = f"{text}, less than `limits.free_space` ({size_text(floor)}): nothing is bought until there is more"
        return problem(DISK, subject, message, "make room, or lower `limits.free_space`")
    if free < 2 * floor:
        message = f"{text}; below {size_text(floor)} (`limits.free_space`) nothing is bought any more"
        return warning(DISK, subject, message, "make room before that")
    return good(DISK, subject, text)
