"""Whether this machine has what the models of `service: local` need, and the command that gets what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.core.suggestion import closest
from runflowd.local.models.catalog import catalog
from runflowd.local.models.processes import extras_with, install_names
from runflowd.local.weights import WeightsError, locate
from runflowd.system.installing import install_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.config import Config
    from runflowd.local.models.contract import Model


def missing(models: Iterable[str], weights: Path | None = None) -> list[str]:
    """Sentences on what these local models lack here, the remedy last in each; empty when they can run.

    Names that are no local model's need nothing: that there is no such model is for others to tell.
    """
    chosen = _known(models)
    found = []
    if lacking := _lacking(chosen):
        names = ", ".join(install_names(lacking))
        found.append(f"The local models need {names}. Install them with `{install_command(extras_with(lacking))}`.")
    if any(model.cuts_out for model in chosen):
        try:
            locate(weights)
        except WeightsError as error:
            found.append(str(error))
    return found


def lacks_libraries(models: Iterable[str]) -> list[str]:
    """What these local models import and is not installed here."""
    return _lacking(_known(models))


def _known(models: Iterable[str]) -> list[Model]:
    catalogue = catalog()
    return [catalogue[name] for name in models if name in catalogue]


def _lacking(models: Iterable[Model]) -> list[str]:
    return [name for name in sorted({name for model in models for name in model.needs}) if find_spec(name) is None]


def lacks_weights() -> bool:
    """Whether the network of the local models is not on this machine, or is another one."""
    try:
        locate()
    except WeightsError:
        return True
    return False


def missing_for(config: Config) -> list[str]:
    """The same for one configuration: nothing is missing that none of its rules uses."""
    local = config.service.local
    if local is None:
        return []
    return missing({rule.model for rule in config.rules}, Path(local.weights) if local.weights else None)


def unknown_models(config: Config) -> list[str]:
    """Sentences on models of the rules that this machine has not, whatever is installed; only for `service: local`."""
    if config.service.local is None:
        return []
    known = catalog()
    found = []
    for rule in config.rules:
        if rule.model not in known:
            near = closest(rule.model, known, cutoff=0.5)
            meant = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            found.append(f"rules.{rule.name}.model: there is no local model {rule.model}; {meant}")
    return found


def ensure(config: Config) -> None:
    """Raise CommandError when the local models that the rules name cannot run: every file would fail."""
    if lacking := missing_for(config):
        raise CommandError(" ".join(lacking), Exit.CONFIGURATION)
