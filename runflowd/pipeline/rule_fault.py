"""What the report to the one at fault for a refused input says: where it stands, which value, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runflowd.core.blame import SentItem
from runflowd.core.droppings import OVERRIDE_NAME
from runflowd.core.error_places import MODEL
from runflowd.core.printable import names_a_secret, printable, scrubbed, shortened
from runflowd.core.suggestion import closest
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.error_places import Blame
    from runflowd.core.model import Json, Rule
    from runflowd.store.items import Item

GOES_ON = "nothing was bought, and all its files go on by themselves then"

IN_LOG = "all of it is in the log, under `service.refused`"

_SHOWN = 80
"""Characters of a refused value that are shown."""

_TOLD = 300
"""Characters of the service's words that are shown."""


def sent_item(item: Item) -> SentItem:
    """What judging a refusal needs of an item."""
    own = item.own.of_content(item.content_hash)
    return SentItem(item.path, item.input if isinstance(item.input, dict) else {}, frozenset(own.values))


class RuleAtFault(RunflowdError):
    """The service refuses what a rule says; nothing was bought, and its files wait.

    `answer` is all that the service said, for the log, where the sentence has a part of it.
    """

    def __init__(self, sentence: str, remedy: str, answer: str = "") -> None:
        self.remedy = remedy
        self.answer = answer
        super().__init__(sentence)


def fault_of_rule(rule: Rule, places: Mapping[tuple[str | int, ...], str], blame: Blame, message: str) -> RuleAtFault:
    """The rule, whose keys stand at `places`, says something that the service does not take, and it names it."""
    key = ("model",) if blame.key == (MODEL,) and MODEL not in rule.input else ("input", *blame.key)
    place = place_of(places, key)
    words = blame.message or message
    said = shortened(words, _TOLD)
    more = "" if said == words else f" ({IN_LOG})"
    meant = _meant_by(rule, key)
    if meant:
        place = place_of(places, meant) or place
        more += f". `{meant[-1]}`{_at(place)} stands in the rule and may be meant"
    named = f"`{_shown(rule, key)}`{_at(place_of(places, key))}"
    sentence = f"rule {rule.name}: the service refuses {named}: {said.removesuffix('.')}{more}"
    remedy = f"Correct it in {place or f'rule {rule.name}'}; {GOES_ON}"
    return RuleAtFault(printable(scrubbed(sentence)), remedy, "" if said == words else words)


def fault_of_reference(rule: Rule, symbol: str, message: str) -> RuleAtFault:
    """A file that a rule names under `files`, as `symbol` in its input, cannot be uploaded: the service refuses it."""
    name = symbol.removeprefix("files.").removesuffix(".url")
    sentence = f"rule {rule.name}: the service refuses the file named as {name} under `files`, {rule.files[name]}"
    return RuleAtFault(
        printable(scrubbed(f"{sentence}: {shortened(message, _TOLD)}")),
        f"Put a file that the service takes there, or name another; {GOES_ON}",
    )


def fault_of_folder(rule: Rule, path: str, blame: Blame, message: str) -> str:
    """Why the file at `path` waits for another value in its `_runflow.yaml`."""
    place = "/".join(filter(None, (rule.watch, path.rpartition("/")[0], OVERRIDE_NAME)))
    key = ".".join(map(str, blame.key))
    reason = f"{place}, or one above it: {key}: the service refuses this value: {blame.message or message}"
    return printable(scrubbed(reason))


def place_of(places: Mapping[tuple[str | int, ...], str], key: tuple[str | int, ...]) -> str:
    """`file:line` of a key of a rule, or of the nearest one above it; "" where that is not known."""
    return next((places[key[:n]] for n in range(len(key), -1, -1) if key[:n] in places), "")


def _at(place: str) -> str:
    return f" ({place})" if place else ""


def _meant_by(rule: Rule, key: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The key that stands in a rule in the place of a missing one, if one looks like it; else empty."""
    beside: Json = {"input": rule.input}
    for part in key[:-1]:
        beside = beside.get(str(part)) if isinstance(beside, dict) else None
    if not isinstance(beside, dict) or key[-1] in beside:
        return ()
    near = closest(str(key[-1]), beside)
    return (*key[:-1], near) if near else ()


def _shown(rule: Rule, key: tuple[str | int, ...]) -> str:
    """A key of a rule with its value, unless that is a secret or not there."""
    name = ".".join(map(str, key))
    value: Json = {"model": rule.model, "input": rule.input}
    for part in key:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return name
    if names_a_secret(name):
        return f"{name}: ***"
    text = json.dumps(value, ensure_ascii=False)
    return f"{name}: {text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'}"
