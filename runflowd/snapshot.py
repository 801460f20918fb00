"""A rule as text and back: what a batch keeps, so that an edit never changes work already sealed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from runflowd.core.model import After, AfterKind, BatchLimits, Existing, OnDelete, Rule, WatchMode

_SEQUENCES = ("include", "exclude", "overridable")


def to_text(rule: Rule) -> str:
    """The rule as canonical JSON: equal rules give equal text."""
    return json.dumps(dataclasses.asdict(rule), sort_keys=True, ensure_ascii=True)


def from_text(text: str) -> Rule:
    """The rule that `to_text` wrote, by this version or an older one: unknown fields are dropped."""
    known = {field.name for field in dataclasses.fields(Rule)}
    values: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in known}
    for name in _SEQUENCES:
        values[name] = tuple(values.get(name, ()))
    values["on_delete"] = OnDelete(values["on_delete"])
    values["existing"] = Existing(values["existing"])
    values["mode"] = WatchMode(values["mode"])
    values["after"] = After(AfterKind(values["after"]["kind"]), values["after"]["folder"])
    values["batch"] = BatchLimits(**values["batch"])
    return Rule(**values)
