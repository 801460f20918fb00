"""What a stable file is, told by its bytes: a whole image, half of one, or nothing that is sent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.media.image_type import SNIFF_BYTES, NotAnImage, Partial, check, describe, sniff
from runflowd.core.rules import BAD_OVERRIDE
from runflowd.errors import ConfigError
from runflowd.pipeline.intake.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.core.model import Json, Rule, Stat
    from runflowd.core.stability import StillChanging

OTHER_MEDIA = "OTHER_MEDIA"
"""The code of a file that is no image and was never said to be one: left out, without a note in its folder."""


@dataclass(frozen=True, slots=True)
class Good:
    """A whole image, hashed, and what its folder overrides in the rule's input."""

    stat: Stat
    content: str
    mime: str
    overrides: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """It is stable, but cannot be taken yet. `state` and `code` are what it becomes if that lasts."""

    reason: str
    state: ItemState = ItemState.FAILED
    code: str = "INCOMPLETE"


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken: for good (`FAILED`, or `SKIPPED` on purpose), or until something changes (`WAITING`)."""

    stat: Stat
    state: ItemState
    code: str
    reason: str


_NOTHING: Mapping[str, tuple[str, str]] = MappingProxyType({})

Finding: TypeAlias = Good | Unfinished | Refused | None


def look_at(
    root: str, paths: list[str], on_progress: Callable[[], None] = files.ignore_progress
) -> dict[str, Stat | None]:
    """A fresh look at each file, each reported to `on_progress`; unreadable ones are left out. Blocking."""
    seen: dict[str, Stat | None] = {}
    for path in paths:
        with suppress(files.FileTrouble):
            seen[path] = files.stat(root, path)
        on_progress()
    return seen


def read_all(
    rule: Rule,
    stable: dict[str, Stat],
    limit: int,
    promises: Callable[[str], bool],
    known: Mapping[str, tuple[str, str]] = _NOTHING,
    on_progress: Callable[[], None] = files.ignore_progress,
) -> list[tuple[str, Finding]]:
    """What each file is, each piece of it reported to `on_progress`. Blocking.

    `promises` says which were announced as images.
    `known` are the content and type of files that were read before and are as they were then.
    """
    overrides = Overrides(rule)
    found: list[tuple[str, Finding]] = []
    for path, stat in stable.items():
        other = None if path in known or promises(path) else _other_media(rule.watch, path, stat)
        found.append((path, other or _read(rule.watch, path, stat, limit, overrides, known.get(path), on_progress)))
        on_progress()
    return found


def unstable(verdict: StillChanging, stat: Stat, *, promised: bool) -> Refused:
    if stat.size == 0 and promised:
        return Refused(stat, ItemState.FAILED, "EMPTY", "the file is empty (0 bytes)")
    if stat.size == 0:
        return Refused(stat, ItemState.SKIPPED, OTHER_MEDIA, "the file is empty (0 bytes)")
    return Refused(stat, ItemState.WAITING, "STILL_CHANGING", f"{verdict.reason} for {verdict.waited:.0f} s")


def _other_media(root: str, path: str, stat: Stat) -> Refused | None:
    """What a file of any name is, if its first bytes announce no image. Blocking."""
    try:
        with files.image_source(root, path) as source:
            head = source.read(0, SNIFF_BYTES)
    except files.FileTrouble:
        return None  # found again, and told, where it is read
    if sniff(head) is not None:
        return None
    return Refused(stat, ItemState.SKIPPED, OTHER_MEDIA, f"{describe(head)}; the rule's model takes images")


def _read(
    root: str,
    path: str,
    stat: Stat,
    limit: int,
    overrides: Overrides,
    known: tuple[str, str] | None,
    on_progress: Callable[[], None],
) -> Finding:
    """What a stable file is, told by its bytes. Blocking."""
    if stat.size > limit:
        reason = f"the file has {stat.size:,} bytes; the service takes at most {limit:,}"
        return Refused(stat, ItemState.FAILED, "TOO_LARGE", reason)
    try:
        return _read_whole(root, path, stat, overrides, known, on_progress)
    except ConfigError as mistake:
        return Refused(stat, ItemState.WAITING, BAD_OVERRIDE, str(mistake))
    except (files.Changed, files.Missing):
        return None  # the tracker hands it out again
    except files.Busy as error:
        return Unfinished(str(error), ItemState.WAITING, "BUSY")
    except files.FileTrouble as error:
        return Refused(stat, ItemState.WAITING, "UNREADABLE", str(error))


def _read_whole(
    root: str,
    path: str,
    stat: Stat,
    overrides: Overrides,
    known: tuple[str, str] | None,
    on_progress: Callable[[], None],
) -> Finding:
    if known:
        return Good(stat, *known, _overridden(path, overrides))
    with files.image_source(root, path) as source:
        found = check(source)
    if isinstance(found, Partial):
        return Unfinished(found.reason)
    if isinstance(found, NotAnImage):
        return Refused(stat, ItemState.FAILED, "NOT_AN_IMAGE", found.reason)
    settings = _overridden(path, overrides)
    return Good(stat, files.hash_file(root, path, stat, on_progress=on_progress), found.type.mime, settings)


def _overridden(path: str, overrides: Overrides) -> dict[str, Json]:
    return overrides.for_folder(path.rpartition("/")[0])
