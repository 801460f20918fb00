r"""Which files a rule takes: include and exclude patterns, and the droppings nobody wants bought.

The last match wins; what lies in an excluded folder stays excluded, as in git. A dropping is brought in by a
pattern that spells it out and by no other: `*.dng` or `\#snapshot/**` in `include`, `!*.tmp` in `exclude`.
What a wildcard finds in a snapshot is what it finds beside it, older, and would be bought a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runflowd.core.droppings import DROPPINGS, NEARLY_OVERRIDE_NAMES, OVERRIDE_NAME
from runflowd.core.media.input_type import promising_suffixes
from runflowd.core.naming import FAILURE_SUFFIX, TEMPORARY_PREFIX
from runflowd.core.patterns import Pattern, Patterns, pattern
from runflowd.core.review import REVIEW_NOTE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runflowd.core.media.kinds import MediaKind

RESERVED = (*NEARLY_OVERRIDE_NAMES, OVERRIDE_NAME, f"{TEMPORARY_PREFIX}*", f"*{FAILURE_SUFFIX}", REVIEW_NOTE)
"""Runflowd's own files: ignored whatever the rule says."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """What is known of a folder: nothing in it is taken; include patterns that cover it; droppings on its path."""

    excluded: bool = False
    included: bool = False
    droppings: tuple[Pattern, ...] = ()
    pruned: bool = False


class Matcher:
    """Answers whether a relative path is an input by these patterns and kinds of file, and if not, why not."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str], accept: Collection[MediaKind]) -> None:
        self._includes = [pattern(line) for line in include]
        self._excludes = [pattern(line) for line in exclude]
        self._include = Patterns(self._includes)
        self._exclude = Patterns(self._excludes)
        self._suffixes = promising_suffixes(accept)
        self._folders: dict[str, _Folder] = {}

    def matches(self, path: str) -> bool:
        """Whether the file at this relative path belongs to the rule."""
        path = path.lower()
        folder, _, name = path.rpartition("/")
        around = self._folder(folder)
        if around.excluded or _RESERVED.owns(path, name) or self._exclude.owns(path, name):
            return False
        if around.droppings or _DROPPED.owns(path, name):
            return self._spelt_out(path, (*around.droppings, *self._dropped(path, name)))

        return self._include.owns(path, name) or around.included

    def prunes(self, folder: str) -> bool:
        """Whether a scan need not look into this relative folder at all."""
        return self._folder(folder.lower()).pruned

    def promises(self, path: str) -> bool:
        """Whether the name of a file says that it is of a kind that is taken, or a pattern spells out its suffix.

        Whoever drops one wants it taken, and hears of it if it is none. Of the others nobody has asked for a result:
        what proves to be of another kind among them is left out.
        """
        path = path.lower()
        name = path.rpartition("/")[2]
        stem, _, suffix = name.rpartition(".")
        if not stem:
            return any(name in each.parts for each in self._includes)

        return suffix in self._suffixes or any(
            each.positive and each.parts and each.parts[-1].endswith(f".{suffix}") and each.owns(path, name)
            for each in self._includes
        )

    def dropping(self, path: str) -> str:
        """The default pattern by which a file, or with a slash at its end a folder, is left out; "" if by none."""
        lowered = path.lower()
        name = lowered.rstrip("/").rpartition("/")[2]
        if _RESERVED.owns(lowered, name) or self._exclude.owns(lowered, name):
            return ""
        found = self._dropped(lowered, name)

        return found[-1].line if found else ""

    def why_not(self, path: str) -> str | None:
        """The reason why `matches` says no, in words, or None if it says yes."""
        if self.matches(path):
            return None

        for place, (entry, name) in enumerate(_entries(path.lower())):
            if reserved := _RESERVED.deciding(entry, name):
                return _reserved_reason(reserved, path.split("/")[place])
            if found := self._exclude.deciding(entry, name):
                return f"excluded by {found.line}"
            if dropped := self._dropped(entry, name):
                return f"ignored by default: {dropped[-1].line}, {DROPPINGS[dropped[-1].line]}"

        return "no include pattern matches"

    def _folder(self, folder: str) -> _Folder:
        known = self._folders.get(folder)
        if known is not None:
            return known
        known, path = _Folder(), ""
        for name in folder.split("/") if folder else ():
            path = f"{path}/{name}" if path else name
            above, known = known, self._folders.get(path)
            if known is None:
                known = self._beneath(above, f"{path}/", name)
                _remember(self._folders, path, known)

        return known

    def _beneath(self, above: _Folder, path: str, name: str) -> _Folder:
        if above.pruned or _RESERVED.owns(path, name) or self._exclude.owns(path, name):
            return _Folder(excluded=True, pruned=True)
        droppings = (*above.droppings, *self._dropped(path, name))
        pruned = bool(droppings) and not any(
            each.positive and all(map(each.names, droppings)) for each in self._includes
        )

        return _Folder(pruned, above.included or self._include.owns(path, name), droppings, pruned)

    def _dropped(self, path: str, name: str) -> tuple[Pattern, ...]:
        """The droppings that an entry is one of; less those that `exclude` spells out behind a `!`."""
        if not _DROPPED.owns(path, name):
            return ()
        back = [each for each in self._excludes if not each.positive and each.owns(path, name)]

        return tuple(each for each in _DROPPED.all_of(path, name) if not any(one.names(each) for one in back))

    def _spelt_out(self, path: str, droppings: tuple[Pattern, ...]) -> bool:
        """Whether a pattern covers a path and spells out every dropping on it."""
        entries = list(_entries(path))
        for each in reversed(self._includes):
            if any(each.owns(entry, name) for entry, name in entries):
                if not each.positive:
                    return False
                if all(map(each.names, droppings)):
                    return True

        return False


_RESERVED = Patterns([pattern(line) for line in RESERVED])
# A leading # needs its escape to be a pattern, but people are shown the plain form.
_DROPPED = Patterns([replace(pattern(re.sub("^#", r"\#", line)), line=line) for line in DROPPINGS])
_MANY_FOLDERS = 20_000


def _reserved_reason(reserved: Pattern, name: str) -> str:
    """Why a file of this name is left out; patterns know no case, so the name is shown as it is written."""
    if name != OVERRIDE_NAME and reserved.line in {OVERRIDE_NAME, *NEARLY_OVERRIDE_NAMES}:
        return f"settings under another name than {OVERRIDE_NAME}, which are not read ({name})"
    return f"runflowd's own file ({reserved.line})"


def _remember(folders: dict[str, _Folder], path: str, found: _Folder) -> None:
    """Keep an answer; a tree of unusual breadth starts afresh rather than grow the memory for ever."""
    if len(folders) > _MANY_FOLDERS:
        folders.clear()
    folders[path] = found


def _entries(path: str) -> Iterator[tuple[str, str]]:
    """Each folder on the way to a path, then the path itself, as (path, name)."""
    parts = path.split("/")
    for depth, name in enumerate(parts[:-1], start=1):
        yield "/".join(parts[:depth]) + "/", name
    yield path, parts[-1]
