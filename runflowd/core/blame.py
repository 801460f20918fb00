"""Whom a refusal blames: a field of the body, the rule, the settings of a folder, or one file.

The service names what it refuses by a place in the body, in any of a dozen spellings, or in prose. A key
of `input` whose value is the same for every file is the rule's; one whose value a file makes is that file's;
one that was set in a `_runflow.yaml` is that folder's. A key that is missing, unknown, or of the wrong kind
is nobody's but the rule's, whatever its value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.refusal import CLIENT_REF, OPTIONAL_FIELDS, Shape
from runflowd.core.template import FileFacts, placeholders, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from runflowd.core.model import Json

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

_OF_THE_KEY = re.compile(
    r"\bfield['\"`]?:? (?:is )?(?:a )?(?:required|missing)|^(?:is )?(?:required|missing)\b|^missing (?:required )?field"
    r"|\b(?:extra|additional|unexpected|unknown|unrecogni[sz]ed|undeclared|no such) "
    r"(?:fields?|inputs?|keys?|propert(?:y|ies)|parameters?|arguments?|options?|attributes?)(?! [a-z]*(?:format|type))"
    r"|^field (?:is )?(?:not permitted|not allowed|unknown|unexpected)|^(?:extra|unknown|unexpected|not permitted)$"
    r"|field['\"`]? was unexpected|has no such",
    re.IGNORECASE,
)
"""Words about a key itself, whose name is put as `field`: no value would make them go away."""

_OF_THE_KIND = re.compile(
    r"(?:should|must) be (?:an? )?(?:valid )?(?:string|text|list|array|integer|int|number|float|bool|boolean|object"
    r"|dict|dictionary|mapping)\b|not of type|wrong type",
    re.IGNORECASE,
)
"""Words about the kind of a value, which no file has a part in."""

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has to change something: `fields` of the body, the rule, folders or files (by their place in the batch)."""

    fields: frozenset[str] = frozenset()
    rule: Blame | None = None
    folders: dict[int, Blame] = field(default_factory=dict)
    files: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SentItem:
    """What judging needs of an item: its file's path, and its input with addresses still symbolic."""

    path: str
    input: Mapping[str, Json]


def judge(
    problems: Sequence[tuple[Path, str]],
    message: str,
    *,
    shape: Shape,
    template: Mapping[str, Json],
    items: Sequence[SentItem],
) -> Verdict:
    """Given what the service says about a body and the rule's `input` template, return whom it blames."""
    names = frozenset({*template, *(key for item in items for key in item.input)})
    blames = [blame for loc, told in problems or [((), message)] for blame in _blames(loc, told, shape, names)]
    fields = frozenset(blame.field for blame in blames if blame.field)
    rule: Blame | None = None
    folders: dict[int, Blame] = {}
    files: set[int] = set()
    for blame in blames:
        whom = _whom(blame, template, items)
        rule = rule or (blame if _Fault.RULE in whom.values() else None)
        folders |= {index: blame for index, fault in whom.items() if fault is _Fault.FOLDER}
        files |= {index for index, fault in whom.items() if fault is _Fault.FILE}
    return Verdict(fields, rule, _neighbours(folders, items), frozenset(files))


class _Fault:
    RULE, FOLDER, FILE = "rule", "folder", "file"


def _whom(blame: Blame, template: Mapping[str, Json], items: Sequence[SentItem]) -> dict[int, str]:
    """Whose fault a problem is, by the place of each item that it concerns; empty when that is open."""
    if blame.item is not None:
        known = 0 <= blame.item < len(items)  # the server's index is not trusted
        return {blame.item: _fault(blame, template, items[blame.item])} if known else {}
    if not blame.key:
        return {}
    found = {index: _fault(blame, template, item) for index, item in enumerate(items)}
    # Nobody says which item: that is no matter when it is the same for all of them.
    return found if len(found) == 1 or set(found.values()) in ({_Fault.RULE}, {_Fault.FOLDER}) else {}


def _fault(blame: Blame, template: Mapping[str, Json], item: SentItem) -> str:
    if not blame.key:
        return _Fault.FILE
    top = str(blame.key[0])
    alone = resolve({top: template[top]}, FileFacts(item.path)) if top in template else {}
    assert isinstance(alone, dict), "a mapping resolves to a mapping"
    if item.input.get(top) != alone.get(top):
        return _Fault.FOLDER
    told = blame.message.replace(str(blame.key[-1]), "field")
    if _OF_THE_KEY.search(told) or _OF_THE_KIND.search(told):
        return _Fault.RULE
    return _Fault.FILE if _made_by_file(_value_at(template, blame.key)) else _Fault.RULE


def _neighbours(folders: dict[int, Blame], items: Sequence[SentItem]) -> dict[int, Blame]:
    """With an item whose folder is at fault go those that share the very value."""
    shared = dict(folders)
    for blamed, blame in folders.items():
        top = str(blame.key[0])
        value = items[blamed].input.get(top)
        shared |= {i: blame for i, item in enumerate(items) if i not in shared and item.input.get(top) == value}
    return shared


def _value_at(template: Json, key: Path) -> Json:
    """The value that a place in an input leads to, or the last one on the way that has no inside; None if missing."""
    for part in key:
        if isinstance(template, dict):
            template = template.get(str(part))
        elif isinstance(template, list) and isinstance(part, int) and part < len(template):
            template = template[part]
        else:
            break
    return template


def _made_by_file(value: Json) -> bool:
    """Whether a value differs from file to file; reference files are the same for all."""
    names = placeholders(value)
    return any(name.startswith(("file.", "zip.")) and not name.startswith("zip.files.") for name in names)


def _blames(loc: Path, message: str, shape: Shape, names: AbstractSet[str]) -> Iterator[Blame]:
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
    told = () if key else next(iter(_keys_in(message, names)), ())
    yield Blame(item=item, key=key or told, message=message)


def _in_prose(message: str, shape: Shape, names: AbstractSet[str]) -> Iterator[Blame]:
    text = message[:_MOST_PROSE]
    if _NO_MODEL.search(text):
        yield Blame(item=_only(shape), key=(MODEL,), message=text)
    for name in sorted(OPTIONAL_FIELDS):
        if re.search(rf"(?<!\w){name}(?!\w)", text) and (name != "metadata" or _is_told_of("metadata", text)):
            yield Blame(field=name, message=text)
    for key in _keys_in(text, names):
        if key[0] not in OPTIONAL_FIELDS:
            yield Blame(item=_only(shape), key=key, message=text)


def _is_told_of(name: str, text: str) -> bool:
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
