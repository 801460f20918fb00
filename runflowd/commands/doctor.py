"""`runflowd doctor`: what is wrong with this installation, where, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runflowd.commands.exit_codes import Exit
from runflowd.commands.formatting import print_lines, quoted
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.readiness import missing_for
from runflowd.config import load
from runflowd.core.printable import printable
from runflowd.doctor import Finding, Level, Probe, case_of, examine
from runflowd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.config import Config

COLOURS = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.PROBLEM: "red"}


@click.command()
@config_option
@json_option
@click.option("--offline", is_flag=True, help="Send nothing over the network: leave out the service and callbacks.")
def command(place: Path | None, *, as_json: bool, offline: bool) -> int:
    """Examine everything that the daemon rests on, and name the remedy for each finding.

    The key and what it may do, the balance, the models, permissions, the kernel's limits, file systems, disk
    space, the clock, callbacks, the state file, the daemon, and the sandbox of the service. Nothing is changed and
    nothing is bought; a hidden file is made and removed in each output folder. Ask it as the user that the daemon
    runs as. Exit code 1 means that there is a problem; warnings alone are 0.
    """
    source = find_config(place)
    try:
        config = load(source)
    except ConfigError as error:
        if not as_json:
            raise
        echo_json([asdict(each) for each in _mistakes(error)])
        return Exit.CONFIGURATION
    local = Probe("local models", "this machine", lambda: _local_models(config), "see whether the disk answers")
    found = examine(case_of(config, source, offline=offline), [local])
    if as_json:
        echo_json([asdict(each) for each in found])
    else:
        print_lines(_lines(found))
    return Exit.FAILED if any(each.level is Level.PROBLEM for each in found) else Exit.DONE


def _mistakes(error: ConfigError) -> Iterator[Finding]:
    for each in error.problems:
        where = f"{each.where}: " if each.where else ""
        place = f"{each.file}:{each.line}:{each.column}" if each.line else each.file
        yield Finding("configuration", Level.PROBLEM, place, f"{where}{each.message}", "correct that place")


def _local_models(config: Config) -> list[Finding]:
    if config.service.local is None:
        return []
    lacking = missing_for(config)
    advice = [sentence.partition(". ") for sentence in lacking]
    found = [Finding("local models", Level.PROBLEM, "this machine", what, remedy) for what, _, remedy in advice]
    return found or [Finding("local models", Level.OK, "this machine", "has what the rules' models need")]


def _lines(found: list[Finding]) -> Iterator[str]:
    """The findings by group, in the order in which the groups were first met, and what they come to."""
    width = max(len(level.value) for level in Level)
    for check in dict.fromkeys(each.check for each in found):
        yield click.style(check, bold=True)
        for each in found:
            if each.check == check:
                yield from _finding(each, width)
    counts = {level: sum(each.level is level for each in found) for level in (Level.PROBLEM, Level.WARNING)}
    summary = [f"{count} {level.value}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    worst = next((level for level, count in counts.items() if count), Level.OK)
    yield click.style(" and ".join(summary) if summary else "Nothing is wrong.", fg=COLOURS[worst], bold=True)


def _finding(each: Finding, width: int) -> Iterator[str]:
    level = click.style(f"{each.level.value:<{width}}", fg=COLOURS[each.level])
    yield f"  {level}  {click.style(printable(each.subject), bold=True)}: {quoted(printable(each.message))}"
    if each.remedy:
        yield f"  {'':<{width}}  -> {quoted(printable(each.remedy))}"
