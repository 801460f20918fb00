"""The kinds of value that a configuration field can hold, each with its check and its JSON Schema.

A check raises PydanticCustomError with a sentence that follows the field's path: "is no duration;
write a number and a unit ...". Values are never quoted in it where they could be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from runflowd.config.yaml.lookalikes import in_text
from runflowd.config.yaml.messages import on_one_line
from runflowd.core.naming import naming_problem
from runflowd.core.patterns import pattern
from runflowd.core.printable import named
from runflowd.core.suggestion import closest
from runflowd.core.units import DURATION_PATTERN, SIZE_PATTERN, duration_text, seconds, size_in_bytes, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RULE_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MODEL_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"


def refuse(sentence: str) -> PydanticCustomError:
    """The error by which a check says no; `sentence` follows the field's path in the report."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit, written as text and held in the base unit, within bounds."""

    least: float
    most: float
    parse: Callable[[str], float]
    show: Callable[[Any], str]
    pattern: str
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": self.pattern}

    def _check(self, value: Any) -> float:
        if not isinstance(value, str):
            raise refuse(f"needs a number and a unit, such as {self.example}")
        try:
            number = self.parse(value)
        except ValueError as error:
            raise refuse(str(error)) from None
        if not self.least <= number <= self.most:
            raise refuse(f"is out of range; it goes from {self.show(self.least)} to {self.show(self.most)}")

        return number


def duration(least: float, most: float) -> Quantity:
    """A duration in seconds, written such as `1h30m`."""
    return Quantity(least, most, seconds, duration_text, DURATION_PATTERN, "5s")


def size(least: int, most: int) -> Quantity:
    """A size in bytes, written such as `20MiB`."""
    return Quantity(least, most, size_in_bytes, size_text, SIZE_PATTERN, "20MiB")


@dataclass(frozen=True, eq=False)
class OrWord:
    """Lets a section be one of a few words too, such as `service: local`.

    `words` maps each word to its long form, which is checked like any section, or to a final value.
    """

    section: type[BaseModel]
    words: Mapping[Any, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._expand, handler.generate_schema(self.section))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, handler(schema)]}

    def _expand(self, value: Any, check: Callable[[Any], Any]) -> Any:
        if isinstance(value, dict):
            return check(value)
        for word, meaning in self.words.items():
            if value == word and type(value) is type(word):
                return check(meaning) if isinstance(meaning, dict) else meaning

        near = closest(str(value), map(str, self.words))
        choices = ", ".join(str(word).lower() for word in self.words)
        hint = f"did you mean {near}?" if near else f"write for example {self._example()}"
        raise refuse(f"is neither {choices} nor a section with keys of its own; {hint}")

    def _example(self) -> str:
        name, field = next(iter(self.section.model_fields.items()))
        return on_one_line({name: field.examples[0]}) if field.examples else str(next(iter(self.words)))


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """Lets a list of words be a single word too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}

    def _listed(self, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all, written as `all` or such as `10%`, and held in whole percent."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(all|[1-9][0-9]?%|100%)$"}

    def _check(self, value: Any) -> int:
        if value == "all":
            return 100
        found = re.fullmatch(r"([0-9]{1,3})%", value) if isinstance(value, str) else None
        if found is None or not 1 <= int(found[1]) <= 100:
            raise refuse("is no share; write all, or whole percents from 1% to 100%")
        return int(found[1])


def _check_text(value: str) -> str:
    if not value.strip() or value != value.strip() or "\0" in value:
        raise refuse("is empty or has spaces around it")

    return value


def check_folder(value: str) -> str:
    """A path of this machine; nothing in it is filled in but a `~` at its beginning."""
    _check_text(value)
    if re.match(r"\\\\|//\w", value):
        raise refuse("is a share as Windows names it; mount it here, and write the folder it is mounted on")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", value):
        raise refuse("is an address and no folder; mount what is there, and write the folder it is mounted on")
    if re.match(r"[A-Za-z]:([\\/]|$)", value):
        raise refuse("is a path of Windows; write where it lies on this machine")
    if re.search(r"\$\{\w+\}|^\$\w+(/|$)|^%\w+%", value):
        raise refuse("holds a variable, and none is filled in here; write the whole path, or ~ for the home folder")

    return value


def _check_secret_file(value: str) -> str:
    """Whoever pastes the key itself must read of it before it is looked for as a file, and shown."""
    pasted = re.fullmatch(r"[\w+=-]{20,}", value) and len(re.findall(r"\d", value)) > 3
    if pasted or re.match(r"eyJ[\w-]+\.[\w-]+\.", value):  # the beginning of a JSON Web Token (RFC 7519)
        raise refuse("looks like the key itself; put that into a file, and write the file's whole path here")

    if "://" in value:
        raise refuse("is the address itself; put that into a file, and write the file's whole path here")

    return check_folder(value)


def _check_pattern(value: str) -> str:
    try:
        pattern(value)
    except ValueError as error:
        raise refuse(str(error)) from None

    return value


def _check_naming(value: str) -> str:
    if problem := naming_problem(value):
        raise refuse(problem)

    return value


def _check_model(value: str) -> str:
    if not re.fullmatch(MODEL_PATTERN[1:-1], value):
        raise refuse("is no model name; write owner/model, such as runflow/background-replace")

    return value


def _check_rule_name(value: str) -> str:
    if not re.fullmatch(RULE_NAME_PATTERN[1:-1], value):
        if slip := in_text(value):
            raise refuse(f"is no rule name; {named(slip.character)} in it {slip.remedy}")
        raise refuse("is no rule name; use up to 64 letters, digits, dots, dashes and underscores")

    return value


Percentage = Annotated[int, Share()]
Text = Annotated[str, AfterValidator(_check_text)]
Folder = Annotated[str, AfterValidator(check_folder)]
SecretFile = Annotated[str, AfterValidator(_check_secret_file)]
PatternText = Annotated[str, AfterValidator(_check_pattern)]
Naming = Annotated[str, AfterValidator(_check_naming)]
Model = Annotated[str, AfterValidator(_check_model), WithJsonSchema({"type": "string", "pattern": MODEL_PATTERN})]
RuleName = Annotated[
    str, AfterValidator(_check_rule_name), WithJsonSchema({"type": "string", "pattern": RULE_NAME_PATTERN})
]
