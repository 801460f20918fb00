"""One pass over the events of a YAML text: plain data, and the line and column of everything in it.

The stream is PyYAML's, its constructors are never asked, so nothing in a text can make an object. Sizes are capped
because some of these files can be written by anyone who sees the share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from runflowd.config.yaml.lookalikes import in_key, in_value
from runflowd.config.yaml.messages import explained
from runflowd.core.scalars import NotANumberError, plain_value
from runflowd.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.config.yaml.lookalikes import Lookalike
    from runflowd.core.model import Json

MAX_NODES = 100_000
"""Most values in one text, each alias counted as often as it is used."""

MAX_DEPTH = 40

Path: TypeAlias = tuple[str | int, ...]
Position: TypeAlias = tuple[int, int]

# libyaml is some 15 times quicker; where PyYAML was built without it, the Python parser does.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING_TAGS = (None, "!", "tag:yaml.org,2002:str")


class _StopReadingError(Exception):
    """The text cannot be read further; the problem is recorded."""


@dataclass(slots=True)
class _Anchored:
    """What an anchor names: its value and how many values that is. Unfinished while being read."""

    value: Json = None
    nodes: int = 0
    finished: bool = False


class Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self.values: dict[Path, Position] = {}
        self.keys: dict[Path, Position] = {}
        self._text = text
        self._file = file
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._events: Iterator[Any] = iter(())

    def document(self) -> Json:
        """The data of the only document, None if there is none or it cannot be read."""
        try:
            self._events = yaml.parse(self._text, Loader=LOADER)
            return self._only_document()
        except _StopReadingError:
            return None
        except yaml.MarkedYAMLError as error:
            self._syntax_problem(error)
            return None

    def _only_document(self) -> Json:
        documents: list[Json] = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if documents:
                    self._problem(event, (), "starts a second document; keep one document per file")
                    break
                documents.append(self._value(next(self._events), ()))

        return documents[0] if documents else None

    def _value(self, event: Any, path: Path) -> Json:
        self.values[path] = _start(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)

        anchored = _Anchored()
        if event.anchor:
            self._anchors[event.anchor] = anchored
        before = self._nodes
        self._count(event, path, 1)
        anchored.value = self._collection_or_scalar(event, path)
        anchored.nodes = self._nodes - before
        anchored.finished = True

        return anchored.value

    def _collection_or_scalar(self, event: Any, path: Path) -> Json:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if event.tag is not None:
            self._problem(event, path, f"has the tag {event.tag}; tags are not used here, remove it")
        if len(path) >= MAX_DEPTH:
            self._problem(event, path, f"is nested more than {MAX_DEPTH} levels deep")
            raise _StopReadingError

        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _sequence(self, path: Path) -> list[Json]:
        items: list[Json] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))

        return items

    def _mapping(self, path: Path) -> dict[str, Json]:
        own: dict[str, Json] = {}
        merged: dict[str, Json] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._problem(
                    event, path, "has a key that is not plain text; put text with ${...} or {{...}} in quotes"
                )
                raise _StopReadingError
            at = (*path, event.value)
            if _SURROGATE.search(event.value):
                self._problem(event, path, "has a key with half a character; write it out")
            if event.value == "<<" and event.implicit[0]:
                merged = {**merged, **self._merge(event, path)}
                continue
            if event.value in own:
                self._problem(event, at, f"is given twice, first on line {self.keys[at][0]}; keep one of them")
            self._look_over(event, at, in_key)
            self.keys.setdefault(at, _start(event))
            own[event.value] = self._value(next(self._events), at)

        return {**merged, **own}

    def _merge(self, key: Any, path: Path) -> dict[str, Json]:
        value = self._value(next(self._events), (*path, "<<"))
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self._problem(key, (*path, "<<"), "merges mappings only, such as <<: *defaults")
            return {}

        merged: dict[str, Json] = {}
        for part in reversed(parts):
            merged.update(part)
        for name in merged:
            self.keys.setdefault((*path, name), _start(key))

        return merged

    def _alias(self, event: Any, path: Path) -> Json:
        anchored = self._anchors.get(event.anchor)
        if anchored is None or not anchored.finished:
            reason = "contains itself" if anchored else "is not defined above; put text that starts with * in quotes"
            self._problem(event, path, f"the alias *{event.anchor} {reason}")
            return None
        self._count(event, path, anchored.nodes)

        return anchored.value

    def _scalar(self, event: Any, path: Path) -> Json:
        if event.tag not in _STRING_TAGS:
            self._problem(event, path, f"has the tag {event.tag}; tags are not used here, put the text in quotes")
        if _SURROGATE.search(event.value):
            self._problem(event, path, "holds half a character; write it out, or as \\U and eight digits")
        if not event.implicit[0] or event.tag:
            return event.value
        self._look_over(event, path, in_value)
        try:
            return plain_value(event.value)
        except NotANumberError as error:
            self._problem(event, path, str(error))
            return None

    def _look_over(self, event: Any, path: Path, finder: Callable[[str], Lookalike | None]) -> None:
        """Refuse plain text for a character that was taken for a space or a quote."""
        if event.implicit[0] and (found := finder(event.value)):
            line, column = _start(event)
            column += found.index
            self.problems.append(Problem(self._file, line, column, dotted(path), found.message(column)))

    def _count(self, event: Any, path: Path, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._problem(event, path, f"takes the file over {MAX_NODES} values, aliases counted as often as used")
            raise _StopReadingError

    def _problem(self, event: Any, path: Path, message: str) -> None:
        line, column = _start(event)
        self.problems.append(Problem(self._file, line, column, dotted(path), message))

    def _syntax_problem(self, error: yaml.MarkedYAMLError) -> None:
        line, column, message = explained(error, self._text)
        self.problems.append(Problem(self._file, line, column, "", message))


def dotted(path: Path) -> str:
    """A path as people write it: `rules.studio.include[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part

    return text


def _start(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1
