"""Settings of one file alone: inputs of its rule that a person set when they had that file made again.

They are written as the rule's own `input` is, placeholders and all, and go before the rule and `_runflow.yaml`. They
are for one content: another one at the same path is made as the rule says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.declared import family, misfits
from runflowd.core.printable import printable, scrubbed
from runflowd.core.scalars import NotANumberError, plain_value
from runflowd.core.suggestion import closest
from runflowd.core.template import symbols, template_problems
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runflowd.core.declared import Declared
    from runflowd.core.model import Json, Rule

Scalar: TypeAlias = str | int | float | bool

MAX_SETTING = 10_000
"""Characters of one setting."""

MAX_SETTINGS = 100
"""Settings of one file."""

_TOKEN = re.compile(r"((?:\$\$)+)(\{?)|\$\{[^{}]*\}")
_NO_TEXT = re.compile("[\\x00\ud800-\udfff]")
_FAMILIES = {"string": str, "integer": int, "number": float, "boolean": bool}
"""The kinds of inputs that a line of text can give, by the words of `core/declared.py`."""


class SettingsRefused(RunflowdError):
    """Settings that cannot be sent; the sentences say why, one a line."""


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """The inputs that were set for one file, by name, and the hash of the content that they are for."""

    values: Mapping[str, Json] = field(default_factory=dict)
    content_hash: str | None = None

    @property
    def words(self) -> str:
        """Which inputs were set, as the end of a sentence; "" for none."""
        return f", with {', '.join(map(printable, self.values))} of its own" if self.values else ""

    def of_content(self, content_hash: str | None) -> OwnSettings:
        """Those that hold for a content: all or none."""
        return self if content_hash == self.content_hash else NO_SETTINGS


NO_SETTINGS = OwnSettings()
"""A file is made as its rule says."""


def settings_from(text: str | None, content_hash: str | None) -> OwnSettings:
    """Settings as the state file has them: a JSON object, None for none, and the content that they are for."""
    return OwnSettings(json.loads(text), content_hash) if text else NO_SETTINGS


def changeable(symbolic: Mapping[str, Json]) -> dict[str, Scalar]:
    """The inputs of a file that a person may set, each as a template that gives its present value.

    These are texts and numbers that stand for no upload, whose letters a template can say, and that hold no secret.
    """
    found: dict[str, Scalar] = {}
    for name, value in symbolic.items():
        if isinstance(value, str):
            uploads = any(each.endswith(".url") or each.startswith("zip.") for each in symbols(value))
            if not uploads and scrubbed(value) == value and (template := as_template(value)) is not None:
                found[name] = template
        elif isinstance(value, bool | int | float):
            found[name] = value
    return found


def as_text(value: Scalar) -> str:
    """A setting as people write it: what `parse` reads."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)


def as_template(symbolic: str) -> str | None:
    """The text of a template that gives a symbolic one; None where none does: before a placeholder, `$` escapes it."""
    found, end = [], 0
    for match in _TOKEN.finditer(symbolic):
        dollars, brace = len(match[1] or "") // 2, match[2]
        if dollars and not brace and symbolic[match.end() :].startswith("${"):
            return None
        text = "$" * (dollars + bool(brace)) + brace if dollars else match[0]
        found += [symbolic[end : match.start()], text]
        end = match.end()
    return "".join([*found, symbolic[end:]])


def parse(
    given: Mapping[str, str], rule: Rule, usual: Mapping[str, Json], declared: Sequence[Declared]
) -> dict[str, Scalar]:
    """The settings that texts mean, for a file that its rule and folder alone would send with the input `usual`.

    A text becomes what the input is without it, else what the model declares. Without a declaration only inputs that
    the rule has can be set. Raises SettingsRefused with every mistake.
    """
    known = {one.name: one for one in declared}
    found: dict[str, Scalar] = {}
    wrong: list[str] = []
    for name, text in given.items():
        like = usual.get(name)
        one = known.get(name)
        wanted = (
            type(like) if isinstance(like, str | bool | int | float) else _FAMILIES.get(family(one.kind) if one else "")
        )
        if reason := _not_settable(name, usual, wanted, known):
            wrong.append(reason)
        elif (value := _value(text, wanted)) is None:
            wrong.append(f"{printable(name)} must be {'true or false' if wanted is bool else 'a number'}")
        else:
            found[name] = value
    wrong += problems(found, rule)
    whole = {**usual, **found}
    wrong += (
        [_said_of(name, one.message) for one in misfits(whole, declared) if (name := str(one.path[0])) in found]
        if known
        else []
    )
    if wrong:
        raise SettingsRefused("\n".join(dict.fromkeys(wrong)))
    return found


def _said_of(name: str, message: str) -> str:
    return f"{name} {message}" if message.startswith("must ") else f"{name}: {message}"


def problems(settings: Mapping[str, Json], rule: Rule) -> list[str]:
    """What is wrong with settings whatever the model is, a sentence each: too many, too long, a wrong placeholder."""
    found = [f"{len(settings)} settings are more than {MAX_SETTINGS}"] if len(settings) > MAX_SETTINGS else []
    for name, value in settings.items():
        if not isinstance(value, str | bool | int | float):
            found.append(f"{printable(name)} must be text, a number, true or false")
        elif isinstance(value, str) and len(value) > MAX_SETTING:
            found.append(f"{printable(name)} has {len(value):,} characters; {MAX_SETTING:,} are taken at most")
        elif isinstance(value, str) and _NO_TEXT.search(value):
            found.append(f"{printable(name)} has characters that are no text: {printable(value)[:80]}")
    return found + [f"{path[0]}: {message}" for path, message in template_problems(dict(settings), tuple(rule.files))]


def _not_settable(name: str, usual: Mapping[str, Json], wanted: type | None, known: Mapping[str, Declared]) -> str:
    """Why an input cannot be set by a text; "" where it can."""
    shown = printable(name)
    able = changeable(usual)
    if name in able or (name not in usual and wanted is not None):
        return ""
    if name in usual:
        return f"{shown} cannot be set for one file: it brings the file to the model, or is no single text or number"
    if name in known:
        return f"{shown} cannot be set for one file: it is no single text or number"
    names = sorted({*able, *(one.name for one in known.values() if family(one.kind) in _FAMILIES)})
    near = closest(name, names)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names) or 'none'}"
    return f"{shown} is no input {'of the model' if known else 'that the rule sets'}; {hint}"


def _value(text: str, wanted: type | None) -> Scalar | None:
    if wanted is str or wanted is None:
        return text
    try:
        value = plain_value(text.strip())
    except NotANumberError:
        return None
    if wanted is bool:
        return value if isinstance(value, bool) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
