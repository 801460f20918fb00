"""What kind of file system a path lies on, and what the kernel's inotify still gives.

Network and FUSE file systems never report what other machines change, so folders there are rescanned
instead (proc_pid_mountinfo(5), inotify(7)).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.model import WatchMode

if TYPE_CHECKING:
    from runflowd.core.model import Rule

_MOUNTS = "/proc/self/mountinfo"
_LIMITS = "/proc/sys/fs/inotify"
_ESCAPE = re.compile(r"\\([0-7]{3})")
_IN_DELETE_SELF = 0x400
_IN_CLOEXEC = 0o2000000

_SILENT_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "afs", "ncpfs", "coda"),
        *("glusterfs", "lustre", "beegfs", "gpfs", "ocfs2", "gfs2", "orangefs", "davfs"),
        *("vboxsf", "vmhgfs", "prl_fs", "drvfs", "fuse"),
    }
)
"""Types whose changes may be made by another machine or process that this kernel never hears of."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system: where, and of which type."""

    point: str
    type: str


@dataclass(frozen=True, slots=True)
class InotifyLimits:
    """The kernel's limits per user; None where unreadable, as under `ProcSubset=pid`."""

    watches: int | None
    instances: int | None
    queued_events: int | None


def mounts(source: str = _MOUNTS) -> tuple[Mount, ...]:
    """All mounts, later ones covering earlier ones; empty if the list cannot be read."""
    try:
        text = os.fsdecode(Path(source).read_bytes())
    except OSError:
        return ()
    return tuple(mount for line in text.splitlines() if (mount := _parsed(line)) is not None)


def file_system_of(path: str, among: tuple[Mount, ...] | None = None) -> str:
    """The type of the file system that `path` (or its nearest existing parent) lies on, "" if unknown."""
    return _over(os.path.realpath(path), mounts() if among is None else among).type


def share_of(path: str) -> str:
    """Where the share is mounted that a path lies on as it is written, "" if on none. Touches nothing of it."""
    found = _over(os.path.normpath(path), mounts())
    return found.point if shared_with_others(found.type) else ""


def _over(path: str, among: tuple[Mount, ...]) -> Mount:
    found = Mount("", "")
    for mount in among:
        covers = path == mount.point or path.startswith(f"{mount.point.rstrip('/')}/")
        if covers and len(mount.point) >= len(found.point):
            found = mount
    return found


def mounts_below(path: str, among: tuple[Mount, ...] | None = None) -> tuple[str, ...]:
    """Where file systems are mounted below `path`, relative to it."""
    inside = f"{os.path.realpath(path).rstrip('/')}/"
    points = (mount.point for mount in (mounts() if among is None else among))
    return tuple(dict.fromkeys(point.removeprefix(inside) for point in points if point.startswith(inside)))


def shared_with_others(kind: str) -> bool:
    """Whether files on a file system of this type may be changed, or locked, beside what this kernel knows."""
    return kind in _SILENT_TYPES or kind.startswith("fuse.")


def needs_rescan(path: str, among: tuple[Mount, ...] | None = None) -> bool:
    """Whether changes at `path` can happen without an event, so that it must be rescanned every few seconds."""
    return shared_with_others(file_system_of(path, among))


def follows_events(rule: Rule) -> bool:
    """Whether the kernel's events are to tell of changes in a rule's watched folder, beside the rescan."""
    return rule.mode is WatchMode.EVENTS or (rule.mode is WatchMode.AUTO and not needs_rescan(rule.watch))


def inotify_limits(folder: str = _LIMITS) -> InotifyLimits:
    """The limits as far as they can be read."""
    return InotifyLimits(
        watches=_number(f"{folder}/max_user_watches"),
        instances=_number(f"{folder}/max_user_instances"),
        queued_events=_number(f"{folder}/max_queued_events"),
    )


def watches_used_up() -> bool | None:
    """Whether the kernel refuses this user one more watch; None if that cannot be tried.

    Tried with one watch of a throw-away inotify instance, since no file tells how many are in use
    and the watching library keeps the refusal to itself.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(_IN_CLOEXEC)
    if descriptor < 0:
        return None
    try:
        if libc.inotify_add_watch(descriptor, b"/", _IN_DELETE_SELF) >= 0:
            return False
        return True if ctypes.get_errno() == errno.ENOSPC else None
    finally:
        os.close(descriptor)


def _parsed(line: str) -> Mount | None:
    left, separator, right = line.partition(" - ")
    fields = left.split(" ")
    if not separator or len(fields) < 6:
        return None
    return Mount(_ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4]), right.split(" ")[0])


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
