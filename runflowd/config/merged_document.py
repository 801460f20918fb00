"""One document from one file or from a folder of files, and the place of everything in it."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from runflowd.config.source_files import Checksum, config_folder, read_source, source_files
from runflowd.config.yaml.events import dotted
from runflowd.config.yaml.source import load_bytes
from runflowd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runflowd.config.issue import ValidationIssue
    from runflowd.config.yaml.events import Path
    from runflowd.config.yaml.source import Source
    from runflowd.core.model import Json

EXTENSION_PREFIX = "x-"
"""What the key of a section begins with that only holds anchors, as in Compose files; nothing reads it."""


@dataclass(slots=True)
class MergedDocument:
    """The parts of all files as one document. `homes` tells which file holds a section or a rule.

    `open_to_others` names the files that somebody beside their owner can write or replace, and how to mend that.
    """

    files: list[str] = field(default_factory=list)
    digest: str = ""
    data: dict[str, Json] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    homes: dict[Path, Source] = field(default_factory=dict)
    open_to_others: dict[str, str] = field(default_factory=dict)

    def home(self, section: str) -> str:
        """The file that holds a section, "" when none does."""
        source = self.homes.get((section,))

        return source.file if source else ""

    def problem(self, mistake: ValidationIssue) -> Problem:
        """A mistake with the file, line and column it belongs to."""
        source = self._source(mistake.path)
        line, column = (0, 0)
        if source:
            place = source.key_position if mistake.at_key else source.position
            line, column = place(mistake.path)
        message = mistake.message
        other = self._source(mistake.other) if mistake.other else None
        if other:
            message = f"{message} (the other is {other.file}:{other.position(mistake.other)[0]})"

        return Problem(source.file if source else self._first_file(), line, column, dotted(mistake.path), message)

    def ordered(self) -> tuple[Problem, ...]:
        """All problems, those of one file together and from top to bottom, each said once."""
        rank = {file: number for number, file in enumerate(self.files)}

        return tuple(
            sorted(dict.fromkeys(self.problems), key=lambda each: (rank.get(each.file, -1), each.line, each.column))
        )

    def _source(self, path: Path) -> Source | None:
        return self.homes.get(path[:2]) or self.homes.get(path[:1])

    def _first_file(self) -> str:
        return self.files[0] if self.files else ""


def merge(path: str) -> MergedDocument:
    """Read one file or every `*.yaml` of a folder in name order; problems are collected, not raised.

    Raise ConfigError only where there is nothing to read at all.
    """
    merged = MergedDocument(files=source_files(path))
    checksum = Checksum()
    for file in merged.files:
        try:
            content, mode = read_source(file)
            if remedy := _open_to_others(file, mode):
                merged.open_to_others[file] = remedy
            checksum.add(file, content)
            _add(merged, load_bytes(content, file))
        except ConfigError as error:
            merged.problems += error.problems
    merged.digest = checksum.digest
    merged.warnings += [warning for place in [*merged.files, config_folder(path)] for warning in _open_to_all(place)]
    if FilePath(path).is_dir():
        merged.warnings += [
            Problem(str(each), 0, 0, "", "is not read; configuration files end in .yaml")
            for each in sorted(FilePath(path).glob("*.yml"))
        ]

    return merged


_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def _is_open(mode: int, writers: int) -> bool:
    """Whether `writers` (bits of a mode) may write a file, or replace what is in a folder: not where it is sticky."""
    return bool(mode & writers) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)


def _open_to_others(file: str, mode: int) -> str:
    """How to mend a file that its group or everyone can write, or replace in its folder; empty when nobody can."""
    if _is_open(mode, _OTHERS):
        return f"others than its owner can write {file}; run chmod go-w {file}"
    folder = FilePath(file).resolve().parent
    if _is_open(folder.stat().st_mode, _OTHERS):
        return f"others than its owner can replace files in {folder}; run chmod go-w {folder}"

    return ""


def _open_to_all(place: str) -> list[Problem]:
    """A warning when everybody may change a file, or put another in its place: its rules spend money and move files."""
    try:
        mode = FilePath(place).stat().st_mode
    except OSError:
        return []
    if not _is_open(mode, stat.S_IWOTH):
        return []
    message = f"can be changed by everyone on this machine; run chmod o-w {place}"
    return [Problem(place, 0, 0, "", message)]


def _add(merged: MergedDocument, source: Source) -> None:
    if source.data is None:
        merged.problems.append(Problem(source.file, 0, 0, "", "is empty; write at least service and rules: {}"))
        return
    if not isinstance(source.data, dict):
        line, column = source.position(())
        message = "must hold sections such as service and rules, each with a colon"
        merged.problems.append(Problem(source.file, line, column, "", message))
        return

    for section, value in source.data.items():
        if section.startswith(EXTENSION_PREFIX):
            continue
        rules = merged.data.get(section)
        if section == "rules" and isinstance(value, dict) and (rules is None or isinstance(rules, dict)):
            merged.homes.setdefault(("rules",), source)
            merged.data["rules"] = {**(rules or {})}
            for name, rule in value.items():
                _place(merged, merged.data["rules"], ("rules", name), rule, source)
        else:
            _place(merged, merged.data, (section,), value, source)


def _place(merged: MergedDocument, into: dict[str, Json], path: Path, value: Json, source: Source) -> None:
    """Put one section or rule into the document, unless another file has given it before."""
    name = str(path[-1])
    if name not in into:
        into[name] = value
        merged.homes[path] = source
        return

    first = merged.homes[path]
    line, column = source.key_position(path)
    there = f"{first.file}:{first.key_position(path)[0]}"
    message = f"is given twice, first in {there}; keep one of them"
    merged.problems.append(Problem(source.file, line, column, dotted(path), message))
