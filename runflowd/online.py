"""A configuration held against the service it names: does each rule's model exist, and does its input fit?"""

from __future__ import annotations

import difflib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from runflowd.api.errors import Permanent
from runflowd.config import Mistake
from runflowd.core.declared import Declared, misfits
from runflowd.remote import open_remote

if TYPE_CHECKING:
    from runflowd.api.client import Runflow
    from runflowd.api.values import ModelDetail, ModelInput
    from runflowd.config import Config
    from runflowd.core.model import Rule

AT_ONCE = 4
"""Models asked for at the same time."""


async def compare(config: Config) -> tuple[list[Mistake], list[str]]:
    """What in the rules the service would refuse, and what could not be judged.

    Raises `ApiError` when the service cannot be asked, `CredentialError` without a key. With `service:
    local` a service of its own is started for the moment, so that a running daemon's is left alone.
    """
    with tempfile.TemporaryDirectory(prefix="runflowd-check-") as folder:
        if config.service.local is not None:
            apart = replace(config.service.local, folder=folder, listen=None)
            config = replace(config, service=replace(config.service, local=apart))
        async with open_remote(config, Path(folder, "state.db")) as remote:
            return await compare_with(config, remote.api)


async def compare_with(config: Config, api: Runflow) -> tuple[list[Mistake], list[str]]:
    """The same, asked of a service that is open already."""
    models = await _fetch(api, {rule.model for rule in config.rules})
    known = [one.id for one in await api.models()] if None in models.values() else []
    mistakes: list[Mistake] = []
    worries: list[str] = []
    for rule in config.rules:
        model = models[rule.model]
        if model is None:
            mistakes.append(Mistake(("rules", rule.name, "model"), _unknown(rule.model, known)))
        elif not model.inputs:
            worries.append(f"rule {rule.name}: the service does not say what {rule.model} takes; nothing was compared")
        else:
            mistakes += _mistakes(rule, model)
    return mistakes, worries


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
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return "the service has no such model" + (f"; did you mean {near[0]}?" if near else ", or this key may not use it")


def _mistakes(rule: Rule, model: ModelDetail) -> list[Mistake]:
    found = misfits(rule.input, [_declared(one) for one in model.inputs], rule.overridable)
    return [Mistake(("rules", rule.name, "input", *one.path), one.message, at_key=one.at_key) for one in found]


def _declared(one: ModelInput) -> Declared:
    return Declared(one.name, one.kind, one.required and one.default is None, one.minimum, one.maximum, one.choices)
