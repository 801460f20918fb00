"""Where things are kept when the configuration does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.config import Config


def state_path(config: Config, environment: Mapping[str, str] | None = None) -> Path:
    """Where the state file is: the configuration's word, systemd's folder, or the user's."""
    environment = os.environ if environment is None else environment
    if config.state:
        return Path(config.state)
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.partition(":")[0], "state.db")
    return user_state(environment) / "state.db"


def user_state(environment: Mapping[str, str] | None = None) -> Path:
    """The user's folder for state that survives a restart (XDG base directories)."""
    environment = os.environ if environment is None else environment
    home = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/"), ".local", "state")
    return Path(home, "runflowd")
