"""Which files a rule takes: include and exclude patterns, and the droppings nobody wants bought.

The last match wins, so `!*.tmp` in `exclude` brings a default dropping back; what lies in an excluded
folder stays excluded, as in git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runflowd.core.naming import FAILURE_SUFFIX, TEMPORARY_PREFIX
from runflowd.core.patterns import Pattern, Patterns, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runflowd.core.model import Rule

OVERRIDE_NAME = "_runflow.yaml"
"""A file of this name sets input keys for the folder it lies in; it is never an image to send."""

RESERVED = (OVERRIDE_NAME, f"{TEMPORARY_PREFIX}*", f"*{FAILURE_SUFFIX}")
"""Runflowd's own files: ignored whatever the rule says."""

DROPPINGS: Mapping[str, str] = {
    ".*": "hidden files and folders",
    "._*": "macOS resource forks",
    "*~": "editor backups",
    "#*#": "editor autosaves",
    "*.swp": "editor swap files",
    "*.part": "unfinished downloads and copies",
    "*.partial": "unfinished downloads and copies",
    "*.filepart": "unfinished WinSCP transfers",
    "*.crdownload": "unfinished Chrome downloads",
    "*.download": "unfinished Safari downloads",
    "*.tmp": "temporary files",
    "*.temp": "temporary files",
    "~$*": "Office lock files",
    "*.lock": "lock files",
    "@eaDir": "Synology thumbnails",
    "#recycle": "Synology recycle bin",
    "$RECYCLE.BIN": "Windows recycle bin",
    "System Volume Information": "Windows system folder",
    "lost+found": "file-system repair folder",
    "Thumbs.db": "Windows thumbnails",
    "ehthumbs.db": "Windows thumbnails",
    "desktop.ini": "Windows folder settings",
    ".stfolder": "Syncthing marker",
    ".stversions": "Syncthing old versions",
    ".sync": "Resilio marker",
    "*.sb-*": "macOS safe-save folders",
}
"""What is ignored unless a rule says `!pattern` in `exclude`, with the reason in words."""


class Matcher:
    """Answers for one rule whether a relative path is one of its inputs, and if not, why not."""

    def __init__(self, rule: Rule) -> None:
        self._reserved = Patterns([pattern(line) for line in RESERVED])
        self._exclude = Patterns([*_DROPPING_PATTERNS, *(pattern(line) for line in rule.exclude)])
        self._include = Patterns([pattern(line) for line in rule.include])
        self._excluded_folders: dict[str, bool] = {"": False}
        self._included_folders: dict[str, bool] = {"": False}

    def matches(self, path: str) -> bool:
        """Whether the file at this relative path belongs to the rule."""
        path = path.lower()
        folder, _, name = path.rpartition("/")
        if self._folder_excluded(folder) or self._reserved.owns(path, name) or self._exclude.owns(path, name):
            return False

        return self._include.owns(path, name) or self._folder_included(folder)

    def prunes(self, folder: str) -> bool:
        """Whether a scan need not look into this relative folder at all."""
        return self._folder_excluded(folder.lower())

    def why_not(self, path: str) -> str | None:
        """The reason why `matches` says no, in words, or None if it says yes."""
        if self.matches(path):
            return None

        for entry, name in _entries(path.lower()):
            if reserved := self._reserved.deciding(entry, name):
                return f"runflowd's own file ({reserved.line})"
            if found := self._exclude.deciding(entry, name):
                return _reason(found)

        return "no include pattern matches"

    def _folder_excluded(self, folder: str) -> bool:
        known = self._excluded_folders.get(folder)
        if known is None:
            parent, _, name = folder.rpartition("/")
            known = self._folder_excluded(parent) or self._reserved.owns(f"{folder}/", name)
            known = known or self._exclude.owns(f"{folder}/", name)
            _remember(self._excluded_folders, folder, answer=known)

        return known

    def _folder_included(self, folder: str) -> bool:
        known = self._included_folders.get(folder)
        if known is None:
            parent, _, name = folder.rpartition("/")
            known = self._include.owns(f"{folder}/", name) or self._folder_included(parent)
            _remember(self._included_folders, folder, answer=known)

        return known


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What a reload does to the rules, by name; `changed` rules exist before and after, but differ."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff_rules(old: Iterable[Rule], new: Iterable[Rule]) -> RuleChanges:
    """Compare two sets of rules by name, each part in the order of its own configuration."""
    before = {rule.name: rule for rule in old}
    after = {rule.name: rule for rule in new}

    return RuleChanges(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name, rule in after.items() if name in before and before[name] != rule),
    )


def owner(rules: Iterable[Rule], path: str) -> tuple[Rule, str] | None:
    """The rule whose watched folder holds this absolute path, and the path relative to that folder."""
    for rule in rules:
        prefix = rule.watch.rstrip("/") + "/"
        if path.startswith(prefix) and len(path) > len(prefix):
            return rule, path[len(prefix) :]

    return None


# A leading # needs its escape to be a pattern, but people are told the plain form.
_DROPPING_PATTERNS = tuple(replace(pattern(re.sub("^#", r"\#", line)), line=line) for line in DROPPINGS)
_MANY_FOLDERS = 20_000


def _remember(answers: dict[str, bool], folder: str, *, answer: bool) -> None:
    """Keep an answer; a tree of unusual breadth starts afresh rather than grow the memory for ever."""
    if len(answers) > _MANY_FOLDERS:
        answers.clear()
        answers[""] = False
    answers[folder] = answer


def _entries(path: str) -> Iterator[tuple[str, str]]:
    """Each folder on the way to a path, then the path itself, as (path, name)."""
    parts = path.split("/")
    for depth, name in enumerate(parts[:-1], start=1):
        yield "/".join(parts[:depth]) + "/", name
    yield path, parts[-1]


def _reason(found: Pattern) -> str:
    meaning = DROPPINGS.get(found.line)

    return f"ignored by default: {found.line}, {meaning}" if meaning else f"excluded by {found.line}"
