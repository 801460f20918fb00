"""Checking what a run is given against what its model declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runflowd.local.http.errors import problem
from runflowd.local.jobs.references import Picture, Unresolved, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.local.context import Service
    from runflowd.local.models.contract import InputSpec, Model


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a string"),
    "image": (lambda value: isinstance(value, str), "a string: an asset's URL or reference, or a data URI"),
    "file": (lambda value: isinstance(value, str), "a string: an asset's URL or reference, or a data URI"),
    "image_list": (_is_strings, "a list of strings"),
    "integer": (_is_integer, "an integer"),
    "number": (_is_number, "a number"),
    "boolean": (lambda value: isinstance(value, bool), "a boolean"),
    "json": (lambda _: True, "any JSON"),
}


def check(model: Model, given: dict[str, Any], loc: tuple[str | int, ...]) -> list[dict[str, Any]]:
    """Every way in which the values break the model's declaration. Undeclared inputs are no mistake."""
    problems = []
    for spec in model.inputs:
        value = given.get(spec.name)
        if value is None:
            if spec.required:
                problems.append(problem((*loc, spec.name), "Field required", "missing"))
            continue
        wrong = _wrong(spec, value)
        if wrong:
            problems.append(problem((*loc, spec.name), wrong))
    return problems


def _wrong(spec: InputSpec, value: Any) -> str:
    fits, wanted = TYPES[spec.type]
    if not fits(value):
        return f"Input should be {wanted}"
    if spec.choices and str(value) not in spec.choices:
        return f"Input should be one of {', '.join(spec.choices)}"
    if spec.minimum is not None and value < spec.minimum:
        return f"Input should be at least {spec.minimum:g}"
    if spec.maximum is not None and value > spec.maximum:
        return f"Input should be at most {spec.maximum:g}"
    return ""


def unknown(model: Model, given: dict[str, Any]) -> list[str]:
    """Names of inputs that the model does not declare, which it therefore ignores."""
    return sorted(given.keys() - {spec.name for spec in model.inputs})


async def pictures(
    service: Service, model: Model, given: dict[str, Any], loc: tuple[str | int, ...]
) -> tuple[dict[str, Picture], list[dict[str, Any]]]:
    """The images behind the values, by input name (`name[i]` in lists), and the references that lead nowhere."""
    found: dict[str, Picture] = {}
    problems = []
    for spec in model.inputs:
        for name, reference in _references(spec, given.get(spec.name)):
            try:
                found[name] = await resolve(service, reference)
            except Unresolved as error:
                problems.append(problem((*loc, spec.name), str(error)))
    return found, problems


def _references(spec: InputSpec, value: Any) -> list[tuple[str, str]]:
    if spec.type in {"image", "file"} and isinstance(value, str):
        return [(spec.name, value)]
    if spec.type == "image_list" and isinstance(value, list):
        return [(f"{spec.name}[{index}]", entry) for index, entry in enumerate(value)]
    return []
