"""Whom a refusal blames: a field of the body, the rule, the settings of a folder, or one file.

The service names what it refuses by a place in the body, in any of a dozen spellings, or in prose. A key
of `input` whose value is the same for every file is the rule's; one whose value a file makes is that file's;
one that was set in a `_runflow.yaml` is that folder's. A key that is missing, unknown, or of the wrong kind
is nobody's but the rule's, whatever its value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.core.error_places import Blame, Path, blames_of
from runflowd.core.template import placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from runflowd.core.model import Json
    from runflowd.core.refusal import Shape
    from runflowd.core.template import Template

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has to change something: `fields` of the body, the rule, folders or files (by their place in the batch)."""

    fields: frozenset[str] = frozenset()
    rule: Blame | None = None
    folders: dict[int, Blame] = field(default_factory=dict)
    files: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SentItem:
    """What judging needs of an item: its file's path, and its input with addresses still symbolic.

    `own` are the keys of that input which a person set for this file alone: their values are that file's.
    """

    path: str
    input: Mapping[str, Json]
    own: AbstractSet[str] = frozenset()


def judge(
    problems: Sequence[tuple[Path, str]],
    message: str,
    *,
    shape: Shape,
    template: Template,
    items: Sequence[SentItem],
) -> Verdict:
    """Given what the service says about a body and the rule's `input`, return whom it blames."""
    names = frozenset({*template.written, *(key for item in items for key in item.input)})
    blames = [blame for loc, words in problems or [((), message)] for blame in blames_of(loc, words, shape, names)]
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


def _whom(blame: Blame, template: Template, items: Sequence[SentItem]) -> dict[int, str]:
    """Whose fault a problem is, by the place of each item that it concerns; empty when that is open."""
    if blame.item is not None:
        known = 0 <= blame.item < len(items)  # the server's index is not trusted
        return {blame.item: _fault(blame, template, items[blame.item])} if known else {}
    if not blame.key:
        return {}
    found = {index: _fault(blame, template, item) for index, item in enumerate(items)}
    # Nobody says which item: that is no matter when it is the same for all of them.
    return found if len(found) == 1 or set(found.values()) in ({_Fault.RULE}, {_Fault.FOLDER}) else {}


def _fault(blame: Blame, template: Template, item: SentItem) -> str:
    if not blame.key:
        return _Fault.FILE
    top = str(blame.key[0])
    if top in item.own:
        return _Fault.FILE
    if item.input.get(top) != template.resolve(item.path).get(top):
        return _Fault.FOLDER
    text = blame.message.replace(str(blame.key[-1]), "field")
    if _OF_THE_KEY.search(text) or _OF_THE_KIND.search(text):
        return _Fault.RULE
    return _Fault.FILE if _made_by_file(_value_at(template.written, blame.key)) else _Fault.RULE


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
