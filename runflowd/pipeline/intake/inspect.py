"""What a stable file is, recognised by its bytes: whole and of a kind that its rule takes, half of that, or neither."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

from runflowd import files
from runflowd.core.droppings import BAD_OVERRIDE
from runflowd.core.lifecycle import ItemState
from runflowd.core.media.dimensions import pixels
from runflowd.core.media.image_type import SNIFF_BYTES, Partial
from runflowd.core.media.input_type import (
    DOUBT_STILLNESS,
    Acceptable,
    Check,
    Doubtful,
    NotAccepted,
    announced,
    check,
    kinds_under,
    media_kind,
    words,
)
from runflowd.core.media.kinds import MediaKind, in_words
from runflowd.core.model import MAX_UPLOAD_BYTES
from runflowd.core.template import sends_the_file
from runflowd.errors import ConfigError
from runflowd.pipeline.intake.findings import Doubted, Good, Refused, Unfinished
from runflowd.pipeline.intake.overrides import Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runflowd.core.model import Rule, Stat
    from runflowd.core.stability import StillChanging
    from runflowd.pipeline.intake.findings import Finding

OTHER_MEDIA = "OTHER_MEDIA"
"""The code of a file of a kind that its rule does not take and whose name did not promise one: left out, without a note
in its folder."""


UNFINISHED_BESIDE = (".aria2", ".part", ".crdownload")
"""What downloaders keep beside a file of full size that they write out of order: as long as it is there, nothing in the
file tells whether it is whole."""


_NOTHING: Mapping[str, tuple[str, str]] = MappingProxyType({})
_STILL: Mapping[str, float] = MappingProxyType({})


def look_at(
    root: str, paths: list[str], on_progress: Callable[[], None] = files.ignore_progress
) -> dict[str, Stat | None]:
    """A fresh look at each file, each reported to `on_progress`; unreadable ones are left out. Blocking."""
    seen: dict[str, Stat | None] = {}
    for folder, group in groupby(paths, lambda path: path.rpartition("/")[0]):
        below = list(group)
        try:
            with files.enter(root, folder) as here:
                for path in below:
                    with suppress(files.FileError):
                        seen[path] = here.stat(path.rpartition("/")[2])
                    on_progress()
        except (files.Missing, files.Escapes):
            seen |= dict.fromkeys(below)
        except files.FileError:
            continue
    return seen


def read_all(
    rule: Rule,
    stable: dict[str, Stat],
    limit: int,
    known: Mapping[str, tuple[str, str]] = _NOTHING,
    on_progress: Callable[[], None] = files.ignore_progress,
    still: Mapping[str, float] = _STILL,
) -> list[tuple[str, Finding]]:
    """What each file is, each piece of it reported to `on_progress`. Blocking.

    `known` are the content and type of files that were read before and are as they were then.
    `still` is for how many seconds each has not changed; those that it does not name have been stable for ever.
    """
    overrides = Overrides(rule)
    found: list[tuple[str, Finding]] = []
    for path, stat in stable.items():
        before = known.get(path)
        before = before if before and media_kind(before[1]) in rule.accept else None
        other = None if before or rule.matcher.promises(path) else _other_media(rule, path, stat)
        age = still.get(path, math.inf)
        found.append((path, other or _read(rule, path, stat, limit, overrides, before, on_progress, age)))
        on_progress()
    return found


def unstable(verdict: StillChanging, stat: Stat, *, promised: bool) -> Refused:
    if stat.size == 0 and promised:
        return Refused(stat, ItemState.FAILED, "EMPTY", "the file is empty (0 bytes)")
    if stat.size == 0:
        return Refused(stat, ItemState.SKIPPED, OTHER_MEDIA, "the file is empty (0 bytes)")
    return Refused(stat, ItemState.WAITING, "STILL_CHANGING", f"{verdict.reason} for {verdict.waited:.0f} s")


def _other_media(rule: Rule, path: str, stat: Stat) -> Refused | None:
    """What a file of any name is, if its first bytes announce nothing that the rule takes. Blocking."""
    try:
        with files.open_source(rule.watch, path) as source:
            head = source.read(0, SNIFF_BYTES)
    except files.FileError:
        return None  # found again, and reported, where it is read
    if media_kind(announced(head)) in rule.accept:
        return None
    reason = f"{words(head)}; the rule's model takes {in_words(rule.accept)}"
    return Refused(stat, ItemState.SKIPPED, OTHER_MEDIA, reason)


def _read(
    rule: Rule,
    path: str,
    stat: Stat,
    limit: int,
    overrides: Overrides,
    known: tuple[str, str] | None,
    on_progress: Callable[[], None],
    still: float,
) -> Finding:
    """What a stable file is, recognised by its bytes. Blocking."""
    if too_large := _too_large(rule, stat.size, limit):
        return Refused(stat, ItemState.FAILED, "TOO_LARGE", too_large)
    return guarded(stat, partial(_read_whole, rule, path, stat, overrides, known, on_progress, still))


def guarded(stat: Stat, read: Callable[[], Finding]) -> Finding:
    """What `read` finds, or what it means that the file, or what its folder overrides, cannot be read."""
    try:
        return read()
    except ConfigError as mistake:
        return Refused(stat, ItemState.WAITING, BAD_OVERRIDE, str(mistake))
    except (files.Changed, files.Missing):
        return None  # the tracker hands it out again
    except files.Busy as error:
        return Unfinished(str(error), ItemState.WAITING, "BUSY")
    except files.FileError as error:
        return Refused(stat, ItemState.WAITING, "UNREADABLE", str(error))


def _too_large(rule: Rule, size: int, limit: int) -> str:
    """Why a file of so many bytes is not sent; "" if it is, or if nothing but its name is."""
    if not sends_the_file(rule.template.placeholders):
        return ""
    if rule.max_file_size is not None and size > rule.max_file_size:
        return f"the file has {size:,} bytes; its rule's model takes at most {rule.max_file_size:,} (max_file_size)"
    if size <= limit:
        return ""
    whose = "the service takes" if limit == MAX_UPLOAD_BYTES else "limits.upload_size lets pass"
    return f"the file has {size:,} bytes; {whose} at most {limit:,}"


def _read_whole(
    rule: Rule,
    path: str,
    stat: Stat,
    overrides: Overrides,
    known: tuple[str, str] | None,
    on_progress: Callable[[], None],
    still: float,
) -> Finding:
    folder, _, name = path.rpartition("/")
    with files.enter(rule.watch, folder) as here:
        for suffix in UNFINISHED_BESIDE:
            if here.stat(f"{name}{suffix}") is not None:
                reason = f"{path}{suffix} lies beside it, so it is still being downloaded"
                return Unfinished(reason, ItemState.WAITING, "STILL_CHANGING")
        with here.source(name) as source:
            if known:
                return Good(stat, *known, overrides.for_folder(folder), pixels(source))
            found = check(source, kinds_under(path, rule.accept))
            if isinstance(found, Acceptable) and _is_due(found, still):
                settings = overrides.for_folder(folder)
                return Good(stat, source.sha256(stat, on_progress), found.mime, settings, pixels(source))
    return _not_yet(rule, stat, found)


def _not_yet(rule: Rule, stat: Stat, found: Check) -> Finding:
    """A file that cannot be taken now, or not at all."""
    match found:
        case Doubtful(mime, reason, needed):
            return Doubted(reason, stillness=DOUBT_STILLNESS, stat=stat, mime=mime, needed=needed)
        case Partial(reason):
            return Unfinished(reason)
        case NotAccepted(reason):
            code = "NOT_AN_IMAGE" if rule.accept == (MediaKind.IMAGE,) else "NOT_ACCEPTED"
            return Refused(stat, ItemState.FAILED, code, reason)
        case Acceptable(mime, needed):
            reason = f"its bytes cannot tell whether more will come, so it must not change for {needed:.0f} s"
            what = (reason, ItemState.WAITING, "STILL_CHANGING", needed)
            if _is_open(found):
                return Doubted(*what, stat=stat, mime=mime, needed=needed, usual=True)
            return Unfinished(*what)


def _is_due(found: Acceptable, still: float) -> bool:
    """Whether a file that did not change for `still` seconds can be taken without asking a decoder."""
    return still >= found.stillness and not (_is_open(found) and math.isfinite(still))


def _is_open(found: Acceptable) -> bool:
    """Whether it is a recording whose bytes do not say where it ends: half of one often does not decode."""
    return found.stillness > 0 and media_kind(found.mime) in {MediaKind.AUDIO, MediaKind.VIDEO}


def hashed(rule: Rule, path: str, stat: Stat, mime: str, overrides: Overrides, on_progress: Callable[[], None]) -> Good:
    """A file that is whole. Blocking. Raises `ConfigError` for what its folder overrides, `FileError`."""
    settings = overrides.for_folder(path.rpartition("/")[0])
    with files.open_source(rule.watch, path) as source:
        return Good(stat, source.sha256(stat, on_progress), mime, settings, pixels(source))
