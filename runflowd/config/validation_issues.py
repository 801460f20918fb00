"""What pydantic found wrong, said the way the rest of runflowd speaks: place, fault, remedy.

No message quotes a value, since a value can be a key that somebody put in the wrong place.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from runflowd.config.document import Document
from runflowd.config.issue import ValidationIssue
from runflowd.config.yaml.messages import on_one_line
from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from runflowd.config.yaml.events import Path


_INLINE_SECRETS = {
    "api_key": "a key has no place in this file; put it into a file of its own and name that in api_key_file",
    "secret": "a secret has no place in this file; put it into a file of its own and name that in secret_file",
}

_REPLACED = {("limits", "unasked"): "unknown key; `approve: {above_files: 1000}` of a rule or of defaults says it now"}
"""Keys of earlier versions whose place another one took under another section."""

_ABOUT_KEYS = {"extra_forbidden", "missing"}
_FOLDERS = {"watch", "output"}
_ONE_FOLDER = "a rule has one folder, so write a rule for each"
_NO_RULES = "write rules: {} for none"

_SENTENCES = {
    "too_short": "must not be empty; leave the key out for the default",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, such as [a, b]",
}
_NO_SECTION = {"dict_type", "model_type", "model_attributes_type"}


def mistakes(error: ValidationError) -> Iterator[ValidationIssue]:
    """Each fault of a validation, in the order in which pydantic met them."""
    details = error.errors(include_url=False)
    missing = {tuple(detail["loc"]) for detail in details if detail["type"] == "missing"}
    listed: set[Path] = set()
    for detail in details:
        path = tuple(detail["loc"])
        if path[-1:] == ("[key]",):
            yield ValidationIssue(path[:-1], detail["msg"], at_key=True)
        else:
            yield ValidationIssue(path, _message(detail, path, missing, listed), at_key=detail["type"] in _ABOUT_KEYS)


def _message(detail: ErrorDetails, path: Path, missing: set[Path], listed: set[Path]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, missing, listed)
    if kind == "missing":
        return f"is missing; {_example(path)}"
    if kind in {"enum", "literal_error"}:
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return _example(path)
    if kind in _SENTENCES and not isinstance(detail["input"], list):
        return _SENTENCES[kind].format(**context)

    return _misshapen(kind, path) or detail["msg"]


def _misshapen(kind: str, path: Path) -> str:
    """What to write instead of a list, or of a single value where a section belongs; "" of anything else."""
    if kind == "dict_type" and path == ("rules",):
        return f"must hold rules by name; {_NO_RULES}"

    if kind in _NO_SECTION:
        return f"must be a section with keys of its own; {_example(path)}"
    if kind == "string_type":
        return f"takes one text and no list; {_ONE_FOLDER if path[-1] in _FOLDERS else 'write one of them'}"

    return _SENTENCES.get(kind, "")


def _unknown_key(path: Path, missing: set[Path], listed: set[Path]) -> str:
    """A key that is missing beside the unknown one is the likeliest meaning of it.

    Which keys a section has is said once; `listed` holds the sections of which it was said.
    """
    name = str(path[-1])
    if name in _INLINE_SECRETS:
        return _INLINE_SECRETS[name]
    if path in _REPLACED:
        return _REPLACED[path]

    section = _section(path[:-1])
    known = _known(section) if section else []
    if meant := closest(name, known, likeliest=[each for each in known if (*path[:-1], each) in missing]):
        return f"unknown key; did you mean {meant}?"
    if within := next((key for key in known if _holds(_section((*path[:-1], key)), name)), None):
        return f"unknown key; it belongs into {within}"
    if name.isdigit():
        return "unknown key; a comma separates keys here, so write an amount with a point, such as 50.00"

    return _no_such_key(path[:-1], known, listed)


def _no_such_key(section: Path, known: list[str], listed: set[Path]) -> str:
    """What there is instead, unless that was said of this section before."""
    if not known or section in listed:
        return "unknown key"
    listed.add(section)
    inputs = "; what the model gets belongs into input" if section[:1] == ("rules",) and "input" in known else ""

    return f"unknown key; there are {', '.join(known)}{inputs}"


def _known(section: type[BaseModel]) -> list[str]:
    """The keys of a section, its own before those that it shares with `defaults`."""
    own = [name for name in section.__annotations__ if name in section.model_fields]
    return own + [name for name in section.model_fields if name not in own]


def _holds(section: type[BaseModel] | None, name: str) -> bool:
    return section is not None and name in section.model_fields


def _example(path: Path) -> str:
    section = _section(path[:-1])
    field = section.model_fields.get(str(path[-1])) if section else None
    if path == ("service",):
        return "write service: local to work on this machine, or name the key of the hosted one in api_key_file"
    if path == ("rules",):
        return _NO_RULES
    itself = _section(path)
    if field is None and itself is not None:
        return f"it needs {', '.join(name for name, each in itself.model_fields.items() if each.is_required())}"
    if field is None or not field.examples:
        return "add it"

    return f"write for example {path[-1]}: {on_one_line(field.examples[0])}"


def _section(path: Path) -> type[BaseModel] | None:
    """The model of the section at a path of the document."""
    here: Any = Document
    for part in path:
        if _is_model(here):
            field = here.model_fields.get(str(part))
            here = _bare(field.annotation) if field else None
        else:
            # A mapping by name or a list: whatever the name, the kind of what it holds comes last.
            here = _bare(get_args(here)[-1]) if get_args(here) else None

    return here if _is_model(here) else None


def _bare(annotation: Any) -> Any:
    """The part of `Model | None` or `Annotated[Model | Word, ...]` that has an inside: its model or mapping."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [_bare(each) for each in get_args(annotation)]
        return next((each for each in inner if _is_model(each) or get_args(each)), None)

    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
