"""`runflowd check`: every mistake in the configuration, or what it means in plain words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runflowd.commands.exits import Exit
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.readiness import missing_for
from runflowd.config import CredentialError, describe, load, service_key, warnings
from runflowd.core.printable import printable
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config


@click.command()
@config_option
@json_option
def command(place: Path | None, *, as_json: bool) -> int:
    """Report every mistake at once as file:line:column, or say what the configuration will do."""
    source = find_config(place)
    try:
        config = load(source)
    except ConfigError as error:
        if not as_json:
            raise
        echo_json({"valid": False, "problems": [asdict(problem) for problem in error.problems]})
        return Exit.CONFIGURATION
    meaning, worries = describe(config), [*warnings(config), *_unready(config)]
    if as_json:
        echo_json({"valid": True, "files": list(config.files), "meaning": meaning, "warnings": worries})
        return Exit.DONE
    click.echo(click.style(f"{printable(str(source))} is valid.", fg="green", bold=True))
    for sentence in meaning:
        click.echo(f"  {printable(sentence)}")
    for worry in worries:
        click.echo(f"{click.style('warning:', fg='yellow')} {printable(worry)}", err=True)
    return Exit.DONE


def _unready(config: Config) -> list[str]:
    """What is no fault of the text but keeps `run` from starting on this machine, as this user."""
    found = missing_for(config)
    try:
        key = service_key(config)
    except CredentialError as error:
        return [*found, str(error)]
    return [*found, key.warning] if key and key.warning else found
