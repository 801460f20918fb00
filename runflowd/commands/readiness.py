"""Whether this machine has what `service: local` needs, and the command that gets what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.local.weights import WeightsError, locate

if TYPE_CHECKING:
    from runflowd.config import Config

LIBRARIES = ("numpy", "PIL", "onnxruntime")

UNREAD = "runflow/pass-through"
"""The one local model that does not look at the picture."""

UNCUT = "runflow/upscale"
"""The one that needs the libraries and no network."""


def missing(weights: Path | None = None, *, network: bool = True) -> list[str]:
    """Sentences on what the local models lack here; empty when they can run."""
    lacking = [name for name in LIBRARIES if find_spec(name) is None]
    found = []
    if lacking:
        names = ", ".join("pillow" if name == "PIL" else name for name in lacking)
        found.append(f"The local image models need {names}. Install with: pip install 'runflowd[local]'")
    if network:
        try:
            locate(weights)
        except WeightsError as error:
            found.append(str(error))
    return found


def missing_for(config: Config) -> list[str]:
    """The same for one configuration: nothing is missing that none of its rules uses."""
    local = config.service.local
    models = {rule.model for rule in config.rules} - {UNREAD}
    if local is None or not models:
        return []
    return missing(Path(local.weights) if local.weights else None, network=bool(models - {UNCUT}))


def ensure(config: Config) -> None:
    """Raise CommandError when the local models that the rules name cannot run: every file would fail."""
    if lacking := missing_for(config):
        raise CommandError(" ".join(lacking), Exit.CONFIGURATION)
