"""From files to a Config: read, merge, check everything, and only then build."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from runflowd.config.build import build
from runflowd.config.document import Document
from runflowd.config.issue import ValidationIssue
from runflowd.config.merged_document import merge
from runflowd.config.rules_check import cross_check
from runflowd.config.source_files import config_folder
from runflowd.config.validation_issues import mistakes
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runflowd.config.merged_document import MergedDocument
    from runflowd.config.snapshot import Config
    from runflowd.core.model import Json
    from runflowd.errors import Problem


def load(path: str | os.PathLike[str]) -> Config:
    """Given a file, or a folder whose `*.yaml` files are merged in name order, return the Config.

    Raise ConfigError with every mistake of all files. A missing or empty file is a mistake; a folder
    that a rule names and that is missing is not, since it may be a mount that comes back.
    """
    return load_with_data(path)[0]


def load_with_data(path: str | os.PathLike[str]) -> tuple[Config, Mapping[str, Json]]:
    """As `load`, and the document as it is written."""
    place = str(path)
    merged = merge(place)
    document = _checked(merged, config_folder(place))
    if document is None or merged.problems:
        raise ConfigError(merged.ordered())

    source = os.path.abspath(place)  # noqa: PTH100  pathlib's would follow links, and a link may be swapped

    return build(document, merged, config_folder(place), source), merged.data


def locate(path: str | os.PathLike[str], found: Iterable[ValidationIssue]) -> tuple[Problem, ...]:
    """Given what `load` was given, return mistakes found later with their file, line and column, in file order."""
    merged = merge(str(path))
    merged.problems = [merged.problem(mistake) for mistake in found]

    return merged.ordered()


def _checked(merged: MergedDocument, base: str) -> Document | None:
    """The validated document; what is wrong is added to `merged.problems`."""
    unread = bool(merged.problems) and not merged.data
    if unread:
        return None

    document = None
    try:
        document = Document.model_validate(merged.data)
    except ValidationError as error:
        found = [mistake for mistake in mistakes(error) if not (merged.problems and _lost(mistake.path))]
        merged.problems += [merged.problem(mistake) for mistake in found]
    merged.problems += [merged.problem(mistake) for mistake in (*cross_check(merged.data, base), *_commands(merged))]

    return document


def _commands(merged: MergedDocument) -> Iterator[ValidationIssue]:
    """A program that the daemon runs must be named by nobody but the owner of the configuration."""
    notify = merged.data.get("notify")
    remedy = merged.open_to_others.get(merged.home("notify"), "")
    if remedy and isinstance(notify, dict) and notify.get("command") is not None:
        yield ValidationIssue(("notify", "command"), f"is not run: {remedy}", at_key=True)


def _lost(path: tuple[str | int, ...]) -> bool:
    """Whether a missing section may just stand in a file that could not be read."""
    return path in {("service",), ("rules",)}
