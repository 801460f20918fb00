"""What each problem of a refusal points at: a field of the body, an item and a place in its input.

The service names it by a place in the body, in any of a dozen spellings, or in prose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.refusal import CLIENT_REF, OPTIONAL_FIELDS, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

Path: TypeAlias = tuple[str | int, ...]

_WRAPPERS = frozenset({"body", "request", "payload", "$", "#"})
_ELSEWHERE = frozenset({"path", "query", "header", "headers", "cookie", "url"})
_LISTS = frozenset({"items", "input", "inputs"})
_ANY = "*"

MODEL = "model"
"""The key that stands for the model itself, which is named in the path of a request."""

_NO_MODEL = re.compile(
    r"model_(?:not_found|unknown)|unknown_model|(?:unknown|no such) model"
    r"|model\b.{0,80}(?:not found|does not exist|is unknown)",
    re.IGNORECASE,
)

_QUOTED = re.compile(
    r"(?:unknown|unexpected|extra|unrecogni[sz]ed|unsupported|missing|required|no such)(?: \w+)?:? ?"
    r"['\"`]([\w.-]{1,80})['\"`]"
    r"|['\"`]([\w.-]{1,80})['\"`] (?:is (?:required|missing|unknown|not allowed|not permitted)|was unexpected)"
    r"|(?:^|; )([\w.-]{1,80}): (?:field (?:is )?required|extra (?:inputs|fields) )",
    re.IGNORECASE,
)

_STRANGER = re.compile(
    r"\b(?:extra|additional|unexpected|unknown|unrecogni[sz]ed|unsupported|not (?:allowed|permitted|accepted))\b",
    re.IGNORECASE,
)

_MOST_PROSE = 2000


@dataclass(frozen=True, slots=True)
class Blame:
    """What one problem points at: an optional field of the body, or an item and the place in its input.

    `item` is None where the error does not say which, `key` empty where it names the item as a whole.
    """

    field: str = ""
    item: int | None = None
    key: Path = ()
    message: str = ""


def blames_of(loc: Path, message: str, shape: Shape, names: AbstractSet[str]) -> Iterator[Blame]:
    """What one problem of an error points at; in prose it may be several things."""
    parts = loc[1:] if loc and loc[0] in _WRAPPERS else loc
    if not parts:
        yield from _in_prose(message, shape, names)
        return
    head, *rest = parts
    if head in _ELSEWHERE:
        yield from [Blame(item=_only(shape), key=(MODEL,), message=message)] if head == "path" else ()
        return
    if head in OPTIONAL_FIELDS:
        yield Blame(field=str(head), message=message)
        if head in names:
            yield Blame(item=_only(shape), key=parts, message=message)
    elif head in _LISTS and (shape is not Shape.RUN or head == "input"):
        yield from _in_items(tuple(rest), message, shape, names)
    else:
        yield Blame(item=_only(shape), key=parts, message=message)


def _only(shape: Shape) -> int | None:
    """A run has one item, so it is known which."""
    return 0 if shape is Shape.RUN else None


def _in_items(rest: Path, message: str, shape: Shape, names: AbstractSet[str]) -> Iterator[Blame]:
    """What a place below the list of items points at; the list itself is no one's."""
    item = _only(shape)
    if shape is not Shape.RUN and rest and (isinstance(rest[0], int) or rest[0] == _ANY):
        item, rest = (rest[0] if isinstance(rest[0], int) else None), rest[1:]
    if shape is Shape.GUIDE and rest[:1] == ("input",):
        rest = rest[1:]
        yield from _of_item(item, rest, message, names)
    elif rest[:1] == (CLIENT_REF,) and (shape is Shape.GUIDE or CLIENT_REF not in names):
        yield Blame(field=CLIENT_REF, message=message)
    elif item is not None or rest:
        yield from _of_item(item, rest, message, names)


def _of_item(item: int | None, key: Path, message: str, names: AbstractSet[str]) -> Iterator[Blame]:
    named = () if key else next(iter(_keys_in(message, names)), ())
    yield Blame(item=item, key=key or named, message=message)


def _in_prose(message: str, shape: Shape, names: AbstractSet[str]) -> Iterator[Blame]:
    text = message[:_MOST_PROSE]
    if _NO_MODEL.search(text):
        yield Blame(item=_only(shape), key=(MODEL,), message=text)
    for name in sorted(OPTIONAL_FIELDS):
        if re.search(rf"(?<!\w){name}(?!\w)", text) and (name != "metadata" or _is_mentioned("metadata", text)):
            yield Blame(field=name, message=text)
    for key in _keys_in(text, names):
        if key[0] not in OPTIONAL_FIELDS:
            yield Blame(item=_only(shape), key=key, message=text)


def _is_mentioned(name: str, text: str) -> bool:
    """Whether a plain word is meant as the name of a field."""
    return bool(re.search(rf"['\"`.]{name}|{name}['\"`:]", text) or _STRANGER.search(text))


def _keys_in(message: str, names: AbstractSet[str]) -> Iterable[Path]:
    """Input keys that a sentence names: known ones that cannot be mistaken for words, and those it calls strangers."""
    text = message[:_MOST_PROSE]
    plain = (re.escape(name) for name in sorted(names))
    known = [name for name in plain if re.search(rf"['\"`]{name}['\"`]|^{name}:", text)]
    known += [name for name in names if "_" in name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    quoted = [found[1] or found[2] or found[3] for found in _QUOTED.finditer(text)]
    return [tuple(name.split(".")) for name in dict.fromkeys([*known, *quoted])]
