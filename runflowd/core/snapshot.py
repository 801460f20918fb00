"""A rule as text and back: what a batch keeps, so that an edit never changes work already sealed."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from runflowd.core.media.kinds import MediaKind
from runflowd.core.model import (
    After,
    AfterKind,
    BatchLimits,
    Existing,
    InputLinks,
    OnDelete,
    Reference,
    Rule,
    Stat,
    WatchMode,
)
from runflowd.core.review import ReviewMode, ReviewPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCES = "references"
_SENT = ("model", "input", "files", "overridable", "select")
"""What of a rule makes the recipe of a file."""

_SEQUENCES = ("include", "exclude", "overridable")


def to_text(rule: Rule, references: Mapping[str, Reference] | None = None) -> str:
    """The rule, and what its reference files were, as canonical JSON: equal rules give equal text."""
    known = {name: dataclasses.asdict(reference) for name, reference in (references or {}).items()}
    return json.dumps({**dataclasses.asdict(rule), _REFERENCES: known}, sort_keys=True, ensure_ascii=True)


def with_output(text: str, output: str) -> str:
    """The same text with another output folder."""
    return json.dumps({**json.loads(text), "output": output}, sort_keys=True, ensure_ascii=True)


def references_from(text: str) -> dict[str, Reference]:
    """The reference files as they were when the text was made."""
    return {
        name: Reference(**{**values, "stat": Stat(*values["stat"])})
        for name, values in json.loads(text).get(_REFERENCES, {}).items()
    }


def sends_the_same(text: str, rule: Rule) -> bool:
    """Whether files are sent as the text says under the rule as it is now. Another folder has other files."""
    before, now = from_text(text), from_text(to_text(rule))
    return before.watch != now.watch or all(getattr(before, name) == getattr(now, name) for name in _SENT)


def from_text(text: str) -> Rule:
    """The rule that `to_text` wrote, by this version or an older one: unknown fields are dropped."""
    known = {field.name for field in dataclasses.fields(Rule)}
    values: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in known}
    for name in _SEQUENCES:
        values[name] = tuple(values.get(name, ()))
    values["accept"] = tuple(map(MediaKind, values.get("accept", (MediaKind.IMAGE,))))
    values["on_delete"] = OnDelete(values["on_delete"])
    values["existing"] = Existing(values["existing"])
    values["mode"] = WatchMode(values["mode"])
    values["links"] = InputLinks(values.get("links", InputLinks.SIGNED))
    values["after"] = After(AfterKind(values["after"]["kind"]), values["after"]["folder"])
    values["batch"] = BatchLimits(**values["batch"])
    review = values.get("review", {"mode": ReviewMode.OFF, "which": 100})
    values["review"] = ReviewPolicy(ReviewMode(review["mode"]), review["which"])
    return Rule(**values)
