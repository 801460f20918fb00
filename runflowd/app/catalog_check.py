"""A configuration held against the service it names: does each rule's model exist, and does its input fit?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from runflowd.api.catalog import declared_inputs
from runflowd.api.errors import Permanent
from runflowd.app.service_factory import open_remote
from runflowd.config import ValidationIssue
from runflowd.core.declared import kind_misfit, misfits, undeclared_size
from runflowd.core.links import REFERENCE
from runflowd.core.model import InputLinks
from runflowd.core.suggestion import closest
from runflowd.errors import StoreError
from runflowd.store.connection import stored_value
from runflowd.store.links import references_key
from runflowd.store.opening import is_there, reading
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from runflowd.api.client import Runflow
    from runflowd.api.values import ModelDetail
    from runflowd.config import Config
    from runflowd.core.model import Rule

AT_ONCE = 4
"""Models asked for at the same time."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What in the rules the service would refuse, what could not be judged, and what else is worth knowing."""

    mistakes: list[ValidationIssue]
    worries: list[str]
    notes: list[str]


async def compare(config: Config) -> Comparison:
    """The rules of a configuration beside what the service declares.

    Raises `ApiError` when the service cannot be asked, `CredentialError` without a key. With `service:
    local` a service of its own is started for the moment, so that a running daemon's is left alone.
    """
    with tempfile.TemporaryDirectory(prefix="runflowd-check-") as folder:
        if config.service.local is not None:
            apart = replace(config.service.local, folder=folder, listen=None)
            config = replace(config, service=replace(config.service, local=apart))
        async with open_remote(config) as remote:
            return await compare_with(config, remote.api)


async def compare_with(config: Config, api: Runflow) -> Comparison:
    """The same, asked of a service that is open already."""
    models = await _fetch(api, {rule.model for rule in config.rules})
    known = [one.id for one in await api.models()] if None in models.values() else []
    mistakes: list[ValidationIssue] = []
    worries: list[str] = []
    for rule in config.rules:
        model = models[rule.model]
        if model is None:
            mistakes.append(ValidationIssue(("rules", rule.name, "model"), _unknown(rule.model, known)))
        elif not model.inputs:
            worries.append(f"rule {rule.name}: the service does not say what {rule.model} takes; nothing was compared")
        else:
            mistakes += _mistakes(rule, model)
            worries += filter(None, [undeclared_size(rule, declared_inputs(model))])
    taken = await anyio.to_thread.run_sync(_taken, config)
    notes = [sentence for rule in config.rules if (sentence := _links(rule, taken.get(rule.model), models[rule.model]))]
    return Comparison(mistakes, worries, notes)


def _taken(config: Config) -> dict[str, str]:
    """Whether models took `runflow://` so far, "yes" or "no", as the state file has it. Blocking."""
    place, service = state_place(config), config.service.name
    try:
        if not is_there(place):
            return {}
        with reading(place) as connection:
            found = {rule.model: stored_value(connection, service, references_key(rule.model)) for rule in config.rules}
    except StoreError:  # of another schema, or damaged: `doctor` says so
        return {}
    return {model: answer for model, answer in found.items() if answer}


def _links(rule: Rule, taken: str | None, model: ModelDetail | None) -> str:
    """What is known of naming uploads without a link; "" where that is of no interest."""
    declared = model is not None and any(REFERENCE in one.description for one in model.inputs)
    takes = taken == "yes" or (taken is None and declared)
    if rule.links is InputLinks.SIGNED:
        return (
            f"rule {rule.name}: `input_links: asset` would do as well; the service takes {REFERENCE}." if takes else ""
        )
    if takes:
        return f"rule {rule.name}: uploads are named by {REFERENCE}, which the service takes."
    if taken == "no":
        return f"rule {rule.name}: the service refused {REFERENCE} for {rule.model}, so signed links are sent."
    return f"rule {rule.name}: the first purchase tells whether the service takes {REFERENCE}; if not, links are sent."


async def _fetch(api: Runflow, names: set[str]) -> dict[str, ModelDetail | None]:
    """Each model by its name, None where the service has none."""
    found: dict[str, ModelDetail | None] = {}
    room = anyio.CapacityLimiter(AT_ONCE)

    async def one(name: str) -> None:
        async with room:
            try:
                found[name] = await api.model(name)
            except Permanent:
                found[name] = None

    async with anyio.create_task_group() as group:
        for name in sorted(names):
            group.start_soon(one, name)
    return found


def _unknown(name: str, known: list[str]) -> str:
    owner = name.partition("/")[0]
    whole = [each if "/" in each else f"{owner}/{each}" for each in known]  # some catalogues leave the owner out
    near = closest(name, whole, cutoff=0.5)
    return "the service has no such model" + (f"; did you mean {near}?" if near else ", or this key may not use it")


def _mistakes(rule: Rule, model: ModelDetail) -> list[ValidationIssue]:
    declared = declared_inputs(model)
    found = misfits(rule.input, declared, rule.overridable)
    issues = [
        ValidationIssue(("rules", rule.name, "input", *one.path), one.message, at_key=one.at_key) for one in found
    ]
    other = kind_misfit(rule, declared)
    return issues + ([ValidationIssue(("rules", rule.name, *other.path), other.message)] if other else [])
