"""Where things are kept when the configuration does not say."""

from __future__ import annotations

import os
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.database import Database, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.config import Config, Essentials


Place: TypeAlias = Path | Database
"""Where the state is: in a file on this machine, or in a database that several machines reach."""


def state_place(config: Config | Essentials, environment: Mapping[str, str] | None = None) -> Place:
    """Where the state is: the configuration's word, or a file in the folder of this machine's state."""
    return place_named(config.state) if config.state else machine_state(environment) / "state.db"


def place_named(text: str) -> Place:
    """What a text means: the address of a database, or a file."""
    return Database(text) if is_address(text) else Path(text)


def state_folder(config: Config | Essentials, environment: Mapping[str, str] | None = None) -> Path:
    """The folder of what goes with the state and stays on this machine: that of the state file, if there is one."""
    place = state_place(config, environment)
    return place.parent if isinstance(place, Path) else machine_state(environment)


def machine_state(environment: Mapping[str, str] | None = None) -> Path:
    """The folder that systemd made for state, else the user's."""
    environment = os.environ if environment is None else environment
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.partition(":")[0])
    return user_state(environment)


def user_state(environment: Mapping[str, str] | None = None) -> Path:
    """The user's folder for state that survives a restart (XDG base directories)."""
    environment = os.environ if environment is None else environment
    home = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/"), ".local", "state")
    return Path(home, "runflowd")


SYSTEM_SOCKET = Path("/run/runflowd/control.sock")
"""Where the daemon of the system unit listens: systemd gives it `RuntimeDirectory=runflowd`."""


def control_socket(source: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Where the daemon of a configuration listens for commands.

    In the folder that systemd made for it, else in the user's folder for such things, else beside the
    user's state; there under a name of its own, so that two daemons never meet.
    """
    environment = os.environ if environment is None else environment
    if folder := environment.get("RUNTIME_DIRECTORY"):
        return Path(folder.partition(":")[0], "control.sock")
    return _users_sockets(source, environment)[0]


def control_sockets(source: Path, environment: Mapping[str, str] | None = None) -> list[Path]:
    """Every place where the daemon of a configuration may listen, known without reading that: likeliest first."""
    environment = os.environ if environment is None else environment
    places = [control_socket(source, environment), *_users_sockets(source, environment)]
    if folder := environment.get("XDG_RUNTIME_DIR"):
        places.append(Path(folder, "runflowd", "control.sock"))
    return list(dict.fromkeys([*places, SYSTEM_SOCKET]))


def configuration_name(source: Path) -> str:
    """A name for files that belong to one configuration and stand beside those of others."""
    place = os.path.abspath(source)  # noqa: PTH100  pathlib's would follow links, and a link may be swapped
    return f"{os.path.basename(place)[:80]}-{crc32(os.fsencode(place)):08x}"  # noqa: PTH119  of text


def _users_sockets(source: Path, environment: Mapping[str, str]) -> list[Path]:
    name = f"{configuration_name(source)}.sock"
    runtime = environment.get("XDG_RUNTIME_DIR")
    return [*([Path(runtime, "runflowd", name)] if runtime else []), user_state(environment) / name]


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """What can be made again: systemd's folder for that, or the user's (XDG base directories)."""
    environment = os.environ if environment is None else environment
    if folder := environment.get("CACHE_DIRECTORY"):
        return Path(folder.partition(":")[0])
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/"), ".cache")
    return Path(home, "runflowd")
