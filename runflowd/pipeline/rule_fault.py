"""What the one at fault for a refused input is told: where it stands, which value, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runflowd.core.error_places import MODEL
from runflowd.core.printable import printable, scrubbed
from runflowd.core.rules import OVERRIDE_NAME
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.error_places import Blame
    from runflowd.core.model import Json, Rule

GOES_ON = "nothing was bought, and all its files go on by themselves then"

_SHOWN = 80
"""Characters of a refused value that are shown."""

_SECRET_NAMES = ("key", "token", "secret", "password", "credential", "auth")


class RuleAtFault(RunflowdError):
    """The service refuses what a rule says; nothing was bought, and its files wait."""

    def __init__(self, sentence: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(sentence)


def fault_of_rule(rule: Rule, places: Mapping[tuple[str | int, ...], str], blame: Blame, told: str) -> RuleAtFault:
    """The rule, whose keys stand at `places`, says something that the service does not take, and it names it."""
    key = ("model",) if blame.key == (MODEL,) and MODEL not in rule.input else ("input", *blame.key)
    place = place_of(places, key)
    named = f"`{_shown(rule, key)}`{f' ({place})' if place else ''}"
    sentence = f"rule {rule.name}: the service refuses {named}: {blame.message or told}. Nothing was bought"
    return RuleAtFault(printable(scrubbed(sentence)), f"Correct it in {place or f'rule {rule.name}'}; {GOES_ON}")


def fault_of_folder(rule: Rule, path: str, blame: Blame, told: str) -> str:
    """Why the file at `path` waits for another value in its `_runflow.yaml`."""
    place = "/".join(filter(None, (rule.watch, path.rpartition("/")[0], OVERRIDE_NAME)))
    key = ".".join(map(str, blame.key))
    reason = f"{place}, or one above it: {key}: the service refuses this value: {blame.message or told}"
    return printable(scrubbed(reason))


def place_of(places: Mapping[tuple[str | int, ...], str], key: tuple[str | int, ...]) -> str:
    """`file:line` of a key of a rule, or of the nearest one above it; "" where that is not known."""
    return next((places[key[:n]] for n in range(len(key), -1, -1) if key[:n] in places), "")


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
    if any(word in name.lower() for word in _SECRET_NAMES):
        return f"{name}: ***"
    text = json.dumps(value, ensure_ascii=False)
    return f"{name}: {text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'}"
