"""What several commands take: which configuration, and whether to answer in JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "RUNFLOWD_CONFIG"
FILE_NAME = "runflowd.yaml"

config_option = click.option(
    "-c",
    "--config",
    "place",
    type=click.Path(path_type=Path),
    help=f"The configuration: a file, or a folder of *.yaml. Default: ${VARIABLE}, ./{FILE_NAME}, "
    "$CONFIGURATION_DIRECTORY, ~/.config/runflowd, /etc/runflowd.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")


def find_config(named: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """The configuration to use. One that is named is never passed over in silence.

    Raises CommandError when none is named and none of the usual places has one.
    """
    environment = os.environ if environment is None else environment
    if named is not None:
        return named
    if variable := environment.get(VARIABLE):
        return Path(variable)
    places = list(_places(environment))
    for place in places:
        if place.is_file() or next(place.glob("*.yaml"), None):
            return place
    looked = ", ".join(str(place) for place in places)
    raise CommandError(
        f"there is no configuration. Looked at: {looked}. Write one with `runflowd init`, or name it with --config.",
        Exit.CONFIGURATION,
    )


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path(FILE_NAME)
    # systemd.exec(5): several directories are separated by colons.
    yield from (Path(folder) for folder in environment.get("CONFIGURATION_DIRECTORY", "").split(":") if folder)
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/"), ".config")
    yield Path(home, "runflowd")
    yield Path("/etc/runflowd")


def echo_json(value: Any) -> None:
    """Print a value as one JSON document; what steers a terminal or turns a line around stands as an escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo("".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text))
