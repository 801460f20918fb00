"""The kernel's limits on watching, held against the directories that there are to watch (inotify(7))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.doctor.findings import Finding, good, note, warning
from runflowd.files import walk
from runflowd.system.deadline import LOOK_TIMEOUT, NoAnswer, within
from runflowd.system.mounts import follows_events, watches_used_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.model import Rule

INOTIFY = "inotify"

_WATCHES = ("fs.inotify.max_user_watches", "user.max_inotify_watches")
_INSTANCES = ("fs.inotify.max_user_instances", "user.max_inotify_instances")
"""The same limit has two names outside of containers, and two values inside them (namespaces(7))."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The setting that bounds, and its value; None where it cannot be read."""

    name: str
    most: int | None


@dataclass(frozen=True, slots=True)
class Tree:
    """What is below a watched folder: how many directories, itself included, and those that cannot be read."""

    rule: str
    directories: int
    closed: tuple[str, ...] = ()


def tightest(names: Sequence[str], folder: str = "/proc/sys") -> Limit:
    """The smallest of several limits that all count."""
    found = {name: _number(Path(folder, *name.split("."))) for name in names}
    known = {name: most for name, most in found.items() if most is not None}
    return Limit(min(known, key=known.__getitem__), min(known.values())) if known else Limit(names[0], None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def probe_watching(rules: Sequence[Rule]) -> list[Finding]:
    """Count the directories, read the limits, and try for one watch more. Blocks as long as the trees are large."""
    trees = [tree_of(rule) for rule in rules if _is_watched(rule)]
    found = [finding for tree in trees for finding in check_tree(tree)]
    needed = sum(tree.directories for tree in trees)
    used_up = watches_used_up()
    found.append(check_watches(needed, tightest(_WATCHES), used_up=used_up))
    return [*found, check_instances(tightest(_INSTANCES), refused=used_up is None)]


def _is_watched(rule: Rule) -> bool:
    """Whether events are to tell of changes in a folder; of one that does not answer another look tells."""
    try:
        return within(LOOK_TIMEOUT, rule.watch, follows_events, rule)
    except NoAnswer:
        return False


def tree_of(rule: Rule) -> Tree:
    """Count the directories of a rule's watched folder."""
    count, closed = 0, []
    for listing in walk(rule.watch):
        count += 1
        if listing.error is not None and listing.relative:
            closed.append(f"{rule.watch}/{listing.relative}")
    return Tree(rule.name, count, tuple(closed))


def check_tree(tree: Tree) -> list[Finding]:
    """Directories that nobody sees into, the first of them by name."""
    if not tree.closed:
        return []
    first, more = tree.closed[0], len(tree.closed) - 1
    message = f"{first} cannot be read" + (f", nor can {more} more" if more else "") + "; files in it are not seen"
    return [warning("permissions", f"{tree.rule}: watch", message, "let the daemon's user read and pass it")]


def check_watches(needed: int, limit: Limit, *, used_up: bool | None) -> Finding:
    """Directories to watch against the watches that this user may have, all programs together."""
    text = f"the watched folders have {needed} {'directory' if needed == 1 else 'directories'}"
    wanted = max(524_288, 2 * needed)
    remedy = f"sysctl {limit.name}={wanted}; to keep it, put that setting into a file in /etc/sysctl.d"
    late = "folders without a watch are found by the rescan only, later"
    if limit.most is not None and needed > limit.most:
        return warning(INOTIFY, limit.name, f"{text}, and the limit is {limit.most}: {late}", remedy)
    if used_up:
        most = "" if limit.most is None else f" of {limit.most}"
        return warning(INOTIFY, limit.name, f"{text}, and the limit{most} is used up at this moment: {late}", remedy)
    if limit.most is None:
        return note(INOTIFY, limit.name, f"{text}; the limit cannot be read here, so whether it is enough is unknown")
    if 2 * needed > limit.most:
        message = f"{text}, more than half of the limit of {limit.most}, which other programs of the user share"
        return warning(INOTIFY, limit.name, message, remedy)
    return good(INOTIFY, limit.name, f"{text}, and the limit is {limit.most}")


def check_instances(limit: Limit, *, refused: bool) -> Finding:
    """The daemon needs one instance; `refused` says that the kernel would not give one just now."""
    if refused:
        message = "the kernel gives no inotify instance (the limit is used up): all folders would be rescanned instead"
        return warning(INOTIFY, limit.name, message, f"sysctl {limit.name}={2 * (limit.most or 512)}")
    if limit.most is None:
        return good(INOTIFY, limit.name, "an instance could be had; the limit cannot be read here")
    return good(INOTIFY, limit.name, f"an instance could be had; the limit is {limit.most}")
