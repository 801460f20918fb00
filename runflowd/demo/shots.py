"""One result beside the file it was made from, with the words that go under it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.template import FILE_TEXT, FILE_URL, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.demo.follow import Result
    from runflowd.demo.workspace import Drop


@dataclass(frozen=True, slots=True)
class Shot:
    """A file and its result. `asked` is the prompt, or else the other inputs in words."""

    before: Path
    after: Path
    rule: str
    file: str
    model: str
    asked: str


def shots(config: Config, drops: Iterable[Drop], found: Iterable[Result]) -> list[Shot]:
    """Every drop that has a result, in the order of the drops."""
    done = {(each.entry.rule, each.entry.path): each for each in found if each.entry.state is ItemState.DONE}
    made = []
    for drop in drops:
        result, rule = done.get((drop.rule, drop.path)), config.rule(drop.rule)
        if result is None or rule is None or not result.outputs:
            continue
        before = Path(rule.watch, drop.path)
        made.append(Shot(before, Path(result.outputs[0]), rule.name, drop.path, rule.model, asked(rule, drop.path)))
    return made


def asked(rule: Rule, path: str) -> str:
    """What the rule asks of the model for this file, leaving out the file itself."""
    resolved = rule.template.resolve(path)
    sent = {key for key, value in rule.input.items() if placeholders(value) & {FILE_URL, FILE_TEXT}}
    wanted = {key: value for key, value in resolved.items() if key not in sent}
    if "prompt" in wanted:
        return f"\u201c{wanted['prompt']}\u201d"
    return ", ".join(str(value) for value in wanted.values())
