"""The troubles a watcher can be in, in words: what happened, what it means, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runflowd.files import walk
from runflowd.system.mounts import inotify_limits


class ProblemKind(StrEnum):
    """The kinds of trouble a watcher can be in."""

    DIED = "died"
    ROOT_GONE = "root-gone"
    ROOT_REPLACED = "root-replaced"
    WATCH_LIMIT = "watch-limit"
    INSTANCE_LIMIT = "instance-limit"
    OVERFLOW = "overflow"
    UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True)
class WatchProblem:
    """Something that keeps events from coming; rescanning goes on regardless.

    `message` says what happened and what to do. `path` is the root concerned, "" for all.
    """

    kind: ProblemKind
    path: str
    message: str


def limit_message(roots: frozenset[str]) -> str:
    """What it means that there are no more watches. Counts every folder beneath the roots, which takes a while."""
    needed = sum(1 for root in roots for _ in walk(root))
    limit = inotify_limits().watches
    allowed = f"the limit is {limit} for all programs of this user" if limit else "the limit is not readable here"
    wanted = max(524_288, 2 * needed, 2 * (limit or 0))
    return (
        f"the kernel grants no more inotify watches: the watched folders hold {needed} directories, {allowed}. "
        f"Folders without a watch are found by the rescan only. Remedy: sysctl fs.inotify.max_user_watches={wanted}"
        " (to keep it, put that setting into a file in /etc/sysctl.d)"
    )


def instances_message() -> str:
    """What it means that there is no inotify instance to be had."""
    limit = inotify_limits().instances
    return (
        "the kernel grants no inotify instance (or no file descriptor is left); all folders are rescanned instead. "
        f"Remedy: sysctl fs.inotify.max_user_instances={2 * (limit or 512)}"
    )


def overflow_message() -> str:
    """What it means that the kernel threw events away."""
    limit = inotify_limits().queued_events
    return (
        "more changed at once than the kernel's queue holds and events were lost; everything is rescanned. "
        f"If this happens often: sysctl fs.inotify.max_queued_events={4 * (limit or 16_384)}"
    )
