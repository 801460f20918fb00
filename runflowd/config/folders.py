"""Whether the folders of rules get along: who may watch, fill and empty the same one, and who must not.

Folders are compared with symbolic links resolved, because the kernel will resolve them too, and by device and inode,
because of bind mounts. Rules that share one must also spell it alike: later on they are recognised by the text.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from runflowd.config.aliases import Aliases, upwards
from runflowd.config.issue import ValidationIssue
from runflowd.core.chains import is_within, loops
from runflowd.core.database import is_address
from runflowd.core.review import HELD_FOLDER, REJECTED_FOLDER
from runflowd.system.deadline import LOOK_TIMEOUT, NoAnswer, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runflowd.config.yaml.events import Path


def absolute(text: str, base: str) -> str:
    """A folder as written, made absolute against the configuration's own folder; `~` is the home folder."""
    return os.path.normpath(os.path.join(base, os.path.expanduser(text)))  # noqa: PTH111, PTH118  # text, not Path: bytes survive


def check_folders(
    rules: Mapping[str, dict[str, Any]], defaults: Mapping[str, Any], *, state: Any, base: str
) -> Iterator[ValidationIssue]:
    """Every mistake in how the folders of rules, and the state file, lie to one another."""
    places = list(_places(rules, defaults, base))
    yield from _clashes(places)
    yield from _loops(places)
    yield from _disposals(places, rules, defaults, base)
    if _is_path(state):
        inside = _real(state, base)
        for place in places:
            if place.role == "watch" and is_within(inside, place.real):
                yield ValidationIssue(("state",), f"lies in the watched folder of {place.rule}; put it elsewhere")


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that the document names, as written and with links resolved, and what the rule does there."""

    rule: str
    role: str
    path: Path
    text: str
    real: str


def _places(rules: Mapping[str, dict[str, Any]], defaults: Mapping[str, Any], base: str) -> Iterator[_Place]:
    for name, rule in rules.items():
        for role in ("watch", "output", "receipts"):
            folder = rule.get(role)
            if _is_path(folder):
                yield _place(name, role, ("rules", name, role), folder, base)
        own = rule.get("after") is not None
        after = _after(rule, defaults)
        move = after.get("move") if isinstance(after, dict) else None
        if _is_path(move):
            path: Path = ("rules", name, "after", "move") if own else ("defaults", "after", "move")
            yield _place(name, "after.move", path, move, base)
    if _is_path(defaults.get("receipts")):
        yield _place("", "receipts", ("defaults", "receipts"), defaults["receipts"], base)


def _after(rule: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    return rule["after"] if rule.get("after") is not None else defaults.get("after")


def _place(rule: str, role: str, path: Path, text: str, base: str) -> _Place:
    return _Place(rule, role, path, absolute(text, base), _real(text, base))


def _is_path(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value and not is_address(value)


def _real(text: str, base: str) -> str:
    """The folder with links resolved; as it is written where a share does not answer."""
    path = absolute(text, base)
    try:
        return within(LOOK_TIMEOUT, path, lambda: os.path.realpath(path))
    except NoAnswer:
        return path


_AGAIN = "results would be taken for new files and bought again; put them elsewhere"
_AS_NEW = "receipts would be taken for new files; put them elsewhere"
_REASONS = {
    ("watch", "watch"): "what lies in both would be bought twice; watch the same folder, and tell them by `include`",
    ("output", "watch"): _AGAIN,
    ("watch", "output"): _AGAIN,
    ("output", "output"): "results could overwrite each other; give each rule a folder of its own",
    ("receipts", "watch"): _AS_NEW,
    ("watch", "receipts"): _AS_NEW,
    ("after.move", "watch"): "moved sources would be taken for new files; move them elsewhere",
    ("watch", "after.move"): "moved sources would be taken for new files; move them elsewhere",
    ("after.move", "output"): "moved sources could overwrite results; move them elsewhere",
}


def _clashes(places: list[_Place]) -> Iterator[ValidationIssue]:
    """Every pair of folders that must not hold one another but do."""
    by_folder: dict[str, list[_Place]] = {}
    for place in places:
        by_folder.setdefault(place.real, []).append(place)
    order = {id(place): number for number, place in enumerate(places)}

    aliases = Aliases(by_folder)
    for inner in places:
        held = [(folder, "", folder == inner.real) for folder in upwards(inner.real)]
        for folder, way, same in (*held, *aliases.holding(inner.real)):
            for outer in by_folder.get(folder, ()):
                if inner is outer or (same and order[id(inner)] < order[id(outer)] and inner.role == outer.role):
                    continue
                yield from _clash(inner, outer, same=same, way=way)


def _clash(inner: _Place, outer: _Place, *, same: bool, way: str) -> Iterator[ValidationIssue]:
    reason = _REASONS.get((inner.role, outer.role))
    mirrored = same and inner.role == "watch" and outer.role != "watch" and inner.rule == outer.rule
    if reason is None or mirrored:
        return
    if inner.rule != outer.rule and _may_be_shared(inner, outer, same=same):
        if is_within(inner.text, outer.text):
            yield from _unjudged(inner, outer)
            return
        reason = f"spell it as that one does, {outer.text}, so that both are known to mean the same"
    whose = f"{outer.role} of this rule" if inner.rule == outer.rule else f"{outer.role} of rule {outer.rule}"
    relation = "is the same folder as" if same else "lies inside"
    by = f" by another path, {way}" if way else ""
    yield ValidationIssue(inner.path, f"{relation} {whose}{by}; {reason}", other=outer.path)


def _unjudged(inner: _Place, outer: _Place) -> Iterator[ValidationIssue]:
    """A watched folder where another rule puts what nobody accepted; disks may take `Rejected` for `rejected`."""
    first = inner.real[len(outer.real) :].strip("/").partition("/")[0].lower()
    if (inner.role, outer.role) == ("watch", "output") and first in {HELD_FOLDER, REJECTED_FOLDER}:
        message = (
            f"lies where rule {outer.rule} puts the results that nobody accepted, {outer.text}/{first}, and those feed "
            "no rule; watch its `output`, or another folder in that"
        )
        yield ValidationIssue(inner.path, message, other=outer.path)


def _may_be_shared(inner: _Place, outer: _Place, *, same: bool) -> bool:
    """Two rules may watch one folder, and one may watch what the other fills, or a part of it."""
    match inner.role, outer.role:
        case "watch", "output":
            return True
        case ("watch", "watch") | ("output", "watch"):
            return same
        case _:
            return False


def _loops(places: list[_Place]) -> Iterator[ValidationIssue]:
    watched = [place for place in places if place.role == "watch"]
    edges = {
        place.rule: [each.rule for each in watched if each.rule != place.rule and is_within(each.real, place.real)]
        for place in places
        if place.role == "output"
    }
    for loop in loops(edges):
        way = " -> ".join(loop)
        message = f"closes a loop, {way}: each result would be bought again, for ever; put one of the outputs elsewhere"
        yield ValidationIssue(("rules", loop[0], "watch"), message)


def _disposals(
    places: list[_Place], rules: Mapping[str, dict[str, Any]], defaults: Mapping[str, Any], base: str
) -> Iterator[ValidationIssue]:
    """Rules over one folder that would do different things to its files when they are done."""
    first: dict[str, str] = {}
    for place in places:
        if place.role != "watch":
            continue
        other = first.setdefault(place.real, place.rule)
        if _disposal(rules[place.rule], defaults, base) != _disposal(rules[other], defaults, base):
            own = rules[place.rule].get("after") is not None
            path: Path = ("rules", place.rule, "after") if own else place.path
            message = (
                f"has another `after` than rule {other} over the same folder; a file goes once, when all its rules are "
                "done with it: write the same for both"
            )
            yield ValidationIssue(path, message, at_key=own, other=("rules", other, "watch"))


def _disposal(rule: Mapping[str, Any], defaults: Mapping[str, Any], base: str) -> str:
    after = _after(rule, defaults)
    move = after.get("move") if isinstance(after, dict) else None

    return f"move {_real(move, base)}" if _is_path(move) else str(after or "keep")
