"""`runflowd check`: every mistake in the configuration, or what it means in plain words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import Exit, exit_code
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.readiness import missing_for, unknown_models
from runflowd.config import CredentialError, describe, load, locate, service_key, warnings
from runflowd.core.printable import printable
from runflowd.doctor.decoders import probe_decoders
from runflowd.errors import ConfigError, Problem, RunflowdError, StoreError
from runflowd.store import reading
from runflowd.store.opening import is_there
from runflowd.store.rule_edits import elsewhere_messages
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config


_UNASKED = "Whether the models exist and take these inputs was not asked; `runflowd check --online` asks the service."


@click.command()
@config_option
@json_option
@click.option("--online", is_flag=True, help="Also ask the service whether the models exist and take these inputs.")
def command(place: Path | None, *, as_json: bool, online: bool) -> int:
    """Report every mistake at once as file:line:column, or say what the configuration will do."""
    source = find_config(place)
    worries: list[str] = []
    notes: list[str] = []
    try:
        config = load(source)
        if online:
            worries, notes = _compared(config, source)
        _ensure_page(config)
    except RunflowdError as error:
        if not as_json:
            raise
        problems = error.problems if isinstance(error, ConfigError) else [Problem(str(source), 0, 0, "", str(error))]
        echo_json({"valid": False, "problems": [asdict(problem) for problem in problems]})
        return exit_code(error) or Exit.FAILED
    fits = ["Every rule fits the model that it names."] if online and not worries else []
    unasked = [] if online or not config.rules else [_UNASKED]
    meaning = [*describe(config), *notes, *fits, *_decoders(config), *unasked]
    worries += [*warnings(config), *_unready(config), *_left_behind(config)]
    if as_json:
        echo_json({"valid": True, "files": list(config.files), "meaning": meaning, "warnings": worries})
        return Exit.DONE
    say(click.style(f"{printable(str(source))} is valid.", fg="green", bold=True))
    for sentence in meaning:
        say(f"  {printable(sentence)}")
    for worry in worries:
        say(f"{click.style('warning:', fg='yellow')} {printable(worry)}", err=True)
    return Exit.DONE


def _decoders(config: Config) -> list[str]:
    """Which decoders this machine has for media in doubt."""
    return [f"Decoder for {each.subject}: {each.message}." for each in probe_decoders(config.rules)]


def _compared(config: Config, source: Path) -> tuple[list[str], list[str]]:
    """What the service could not be asked about, and what else is worth knowing.

    Raises ConfigError with all that it would refuse.
    """
    # Imported here: a look at the text alone has no use for a network.
    import anyio  # noqa: PLC0415

    from runflowd.app.catalog_check import compare  # noqa: PLC0415

    found = anyio.run(compare, config)
    if found.mistakes:
        raise ConfigError(locate(source, found.mistakes))
    return found.worries, found.notes


def _state_of_another(config: Config) -> list[str]:
    """That the state file is of another configuration; what else may be wrong with it is for `doctor` to say."""
    # Imported here: a look at the text alone has no use for a database.
    from runflowd.store import reading  # noqa: PLC0415
    from runflowd.store.configuration import OtherConfiguration, ensure_own  # noqa: PLC0415

    path = state_place(config)
    try:
        with reading(path) as connection:
            ensure_own(connection, path, config.source)
    except OtherConfiguration as other:
        return [str(other)]
    except StoreError:
        pass
    return []


def _unready(config: Config) -> list[str]:
    """What is no fault of the text but keeps `run` from starting on this machine, as this user."""
    found = [*missing_for(config), *unknown_models(config), *_state_of_another(config)]
    try:
        key = service_key(config)
    except CredentialError as error:
        return [*found, str(error)]
    return [*found, key.warning] if key and key.warning else found


def _ensure_page(config: Config) -> None:
    """Raise what `run` would end with, as this user, because of the files that the page needs."""
    if config.web is None:
        return
    # Imported here: most configurations have no page.
    from runflowd.web.files_needed import ensure_served  # noqa: PLC0415

    ensure_served(config.access)


def _left_behind(config: Config) -> list[str]:
    """What an edit of `output:` leaves behind, as far as the state file can be read; it need not be there yet."""
    path = state_place(config)
    try:
        if not is_there(path):
            return []
        with reading(path) as connection:
            return [sentence for rule in config.rules for sentence in elsewhere_messages(connection, rule)]
    except (StoreError, OSError):
        return []
