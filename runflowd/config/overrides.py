"""`_runflow.yaml`: what the people who only see the share may set for the files of a folder.

Such a file can be written by anyone who can drop an image, so it is small, it may set only the
input keys that the rule lists in `overridable`, and only to values of the kind the rule itself uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.config.yaml.events import dotted
from runflowd.config.yaml.source import load_text
from runflowd.core.suggestion import closest
from runflowd.core.template import template_problems
from runflowd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.config.yaml.events import Path
    from runflowd.config.yaml.source import Source
    from runflowd.core.model import Json, Rule

MAX_OVERRIDE_BYTES = 64 * 1024


def load_override(text: str, file: str, rule: Rule) -> dict[str, Json]:
    """Given the text of a `_runflow.yaml`, return the input keys it sets; raise ConfigError with every problem.

    An empty file sets nothing. The values are templates like those of the rule's own `input`.
    """
    if len(text) > MAX_OVERRIDE_BYTES:
        raise ConfigError((Problem(file, 0, 0, "", f"is larger than {MAX_OVERRIDE_BYTES} bytes"),))

    source = load_text(text, file)
    problems = tuple(_problems(source, rule))
    if problems:
        raise ConfigError(problems)

    return dict(source.data or {})


def _problems(source: Source, rule: Rule) -> Iterator[Problem]:
    if source.data is None:
        return
    if not isinstance(source.data, dict):
        yield _at(source, (), "must hold keys with values, such as prompt: grey marble")
        return
    for key, value in source.data.items():
        if key not in rule.overridable:
            yield _at(source, (key,), _not_allowed(key, rule), key=True)
        elif key in rule.input and _kind(value) != _kind(rule.input[key]):
            yield _at(source, (key,), f"must be {_kind(rule.input[key])}, as in the rule; it is {_kind(value)}")
    for path, message in template_problems(source.data, tuple(rule.files)):
        yield _at(source, path, message)


def _not_allowed(key: str, rule: Rule) -> str:
    if not rule.overridable:
        return f"cannot be set here: rule {rule.name} lists nothing in overridable"
    near = closest(key, rule.overridable)
    hint = f"; did you mean {near}?" if near else ""

    return f"cannot be set here: rule {rule.name} allows {', '.join(rule.overridable)}{hint}"


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"

    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"

    return "a mapping" if isinstance(value, dict) else "empty"


def _at(source: Source, path: Path, message: str, *, key: bool = False) -> Problem:
    line, column = (source.key_position if key else source.position)(path)

    return Problem(source.file, line, column, dotted(path), message)
