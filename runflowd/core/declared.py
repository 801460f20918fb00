"""A rule's `input` held against what its model declares, before anything is bought.

What a placeholder will become is text that nobody knows yet, so only that it is text is judged. What the
declaration leaves open, such as the inside of a `json` input or a kind nobody has heard of, is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.media.kinds import in_words, kind_of_input
from runflowd.core.suggestion import closest
from runflowd.core.template import keys_that_send_the_file
from runflowd.core.units import size_in_bytes, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runflowd.core.model import Json, Rule

Path: TypeAlias = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}")
_SIZE = re.compile(r"\b(?:up to|at most|no more than|maximum|max\.?) (\d{1,6}(?:\.\d)?) ?([kKMG]B|[KMG]iB)\b")
"""How the pages of models word a limit: "JPEG, PNG or WebP up to 30 MB"."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One input of a model. `kind` is the service's word; `minimum` and `maximum` are inclusive.

    `choices` are compared as text, since the service writes `2` and `"2"` for one and the same.
    """

    name: str
    kind: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing wrong with an input: `path` leads to it from `input`, `at_key` says that its name is wrong."""

    path: Path
    message: str
    at_key: bool = False


def misfits(given: Mapping[str, Json], declared: Sequence[Declared], elsewhere: Sequence[str] = ()) -> list[Misfit]:
    """Every way in which a rule's input breaks its model's declaration, missing inputs last.

    `elsewhere` names the inputs that a file in a watched folder may give instead of the rule.
    """
    known = {one.name: one for one in declared}
    present = {name for name, value in given.items() if value is not None}
    missing = [one for one in declared if one.required and one.name not in present and one.name not in elsewhere]
    found = [Misfit((name,), _unknown(name, list(known), missing), at_key=True) for name in given if name not in known]
    for name, value in given.items():
        if name in known and value is not None:
            found += _wrong(known[name], value, (name,))
    return found + [Misfit((one.name,), f"is missing; the model needs it ({_kind(one)})") for one in missing]


def kind_misfit(rule: Rule, declared: Sequence[Declared]) -> Misfit | None:
    """What a rule takes that the inputs do not which its files go in as; the path is of the rule."""
    for one in declared:
        if one.name not in keys_that_send_the_file(rule.input):
            continue
        kind = kind_of_input(one.name, one.kind)
        if kind is not None and (others := [each for each in rule.accept if each is not kind]):
            taken = f"the model's {one.name} takes {in_words([kind])}, not {in_words(others)}"
            return Misfit(("accept",), f"{taken}; write accept: {kind}")
    return None


def undeclared_size(rule: Rule, declared: Sequence[Declared]) -> str:
    """What a model's own words say of the size of a file, where the rule lets larger ones through; "" if nothing."""
    for one in declared:
        found = _SIZE.search(one.description) if one.name in keys_that_send_the_file(rule.input) else None
        if found is None:
            continue
        most = size_in_bytes(f"{found[1]}{found[2]}")
        if rule.max_file_size is None or rule.max_file_size > most:
            key = f"`max_file_size: {size_text(most).replace(' ', '')}`"
            return (
                f"rule {rule.name}: {one.name} of {rule.model} takes files of {found[0]}; larger ones would be sent "
                f"and then refused. With {key} in the rule they fail before."
            )
    return ""


def _unknown(name: str, known: list[str], missing: Sequence[Declared]) -> str:
    """An input that is missing beside the unknown one is the likeliest meaning of it."""
    if meant := closest(name, known, likeliest={one.name for one in missing}):
        return f"the model has no such input; did you mean {meant}?"
    return f"the model has no such input; it takes {', '.join(known)}"


def _kind(one: Declared) -> str:
    return f"one of {', '.join(one.choices)}" if one.choices else _WORDS.get(family(one.kind), one.kind or "any value")


def _wrong(one: Declared, value: Json, path: Path) -> Iterator[Misfit]:
    kind = family(one.kind)
    fits = _FITS.get(kind)
    if fits is not None and not fits(value):
        yield Misfit(path, _type_sentence(kind, value))
    elif kind == "image_list":
        yield from (Misfit((*path, n), "must be text") for n, each in enumerate(value) if not isinstance(each, str))
    elif one.choices and not isinstance(value, dict | list) and not _is_open(value) and _text(value) not in one.choices:
        yield Misfit(path, f"must be one of {', '.join(one.choices)}")
    elif _is_number(value) and one.minimum is not None and value < one.minimum:
        yield Misfit(path, f"must be at least {one.minimum:g}")
    elif _is_number(value) and one.maximum is not None and value > one.maximum:
        yield Misfit(path, f"must be at most {one.maximum:g}")


def _type_sentence(family: str, value: Json) -> str:
    wanted = _WORDS[family]
    if family in {"string", "image"} and _is_plain(value):
        return f"must be {wanted}; put it in quotes"
    if family == "image_list" and isinstance(value, str):
        return f"must be {wanted}, such as [{value}]"
    if family in {"integer", "number", "boolean"} and isinstance(value, str):
        return f"must be {wanted}, not text" if _PLACEHOLDER.search(value) else f"must be {wanted}; without quotes"
    return f"must be {wanted}"


def _is_open(value: Json) -> bool:
    return isinstance(value, str) and _PLACEHOLDER.search(value) is not None


def _is_plain(value: Json) -> bool:
    return isinstance(value, bool | int | float)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FITS: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "image": lambda value: isinstance(value, str),
    "image_list": lambda value: isinstance(value, list),
    "integer": _is_whole,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
}
_WORDS = {
    "string": "text",
    "image": "an image's address, such as ${file.url}",
    "image_list": "a list of images' addresses",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "json": "any value",
}
_FAMILIES = {"str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean"}
"""Other words for the kinds; the catalog was seen to use string, image, image_list, json, integers, booleans."""


def family(kind: str) -> str:
    """The word for a kind of input among those that are judged, the kind itself for any other."""
    plain = kind.lower()
    return _FAMILIES.get(plain, plain)
