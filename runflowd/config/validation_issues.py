"""What pydantic found wrong, said the way the rest of runflowd speaks: place, fault, remedy.

No message quotes a value, since a value can be a key that somebody put in the wrong place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.config.document_tree import section_at
from runflowd.config.issue import ValidationIssue
from runflowd.config.unknown_key import UnknownKeys
from runflowd.config.yaml.messages import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from runflowd.config.yaml.events import Path


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
    """Each fault of a validation, in the order in which pydantic met them; a misspelt key is not missing as well."""
    details = error.errors(include_url=False)
    missing = set(_paths_of(details, "missing"))
    unknown = UnknownKeys(missing)
    said = {path: unknown.message(path) for path in _paths_of(details, "extra_forbidden")}
    for detail in details:
        path = tuple(detail["loc"])
        if detail["type"] == "missing" and path in unknown.meant:
            continue
        if path[-1:] == ("[key]",):
            yield ValidationIssue(path[:-1], detail["msg"], at_key=True)
        else:
            yield ValidationIssue(path, _message(detail, path, said), at_key=detail["type"] in _ABOUT_KEYS)


def _paths_of(details: Iterable[ErrorDetails], kind: str) -> list[Path]:
    return [tuple(detail["loc"]) for detail in details if detail["type"] == kind]


def _message(detail: ErrorDetails, path: Path, unknown: dict[Path, str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown[path]
    if kind == "missing":
        return f"is missing; {_example(path)}"
    if kind in {"enum", "literal_error"}:
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind == "string_pattern_mismatch" or (kind == "string_type" and path[-1] == "listen"):
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


def _example(path: Path) -> str:
    section = section_at(path[:-1])
    field = section.model_fields.get(str(path[-1])) if section else None
    if path == ("service",):
        return "write service: local to work on this machine, or name the key of the hosted one in api_key_file"
    if path == ("rules",):
        return _NO_RULES
    itself = section_at(path)
    if field is None and itself is not None:
        return f"it needs {', '.join(name for name, each in itself.model_fields.items() if each.is_required())}"
    if field is None or not field.examples:
        return "add it"

    return f"write for example {path[-1]}: {on_one_line(field.examples[0])}"
