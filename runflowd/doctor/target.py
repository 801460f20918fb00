"""Whom the doctor examines: one configuration, where it is used, and as whom."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runflowd.doctor.unit import Unit, environment_of, installed_unit
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.config import Config
    from runflowd.system.paths import Place


@dataclass(frozen=True, slots=True)
class Target:
    """`environment` is what the daemon of this configuration finds in its own: under its unit, what that sets."""

    config: Config
    source: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    unit: Unit | None = None
    offline: bool = False

    @property
    def state(self) -> Place:
        """The state file, or the database."""
        return state_place(self.config, self.environment)


def case_of(config: Config, source: Path, *, offline: bool, root: Path = Path("/")) -> Target:
    """The case of a configuration on this machine; `root` is where the machine's files begin."""
    unit = installed_unit(source, root)
    return Target(config, source, {**os.environ, **(environment_of(unit, os.environ) if unit else {})}, unit, offline)
