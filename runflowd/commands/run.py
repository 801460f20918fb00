"""`runflowd run`: the daemon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio
import click

from runflowd.app.daemon import run_daemon
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, find_config
from runflowd.commands.readiness import ensure
from runflowd.config import load, service_key, warnings
from runflowd.core.printable import printable
from runflowd.system import log

if TYPE_CHECKING:
    from pathlib import Path

    from runflowd.config import Config

RULES_SHOWN = 5
"""Rules whose folders are named at a start."""


@click.command()
@config_option
@click.option("--host", default="", help="What this machine is called in `runflowd hosts`; by default its host name.")
def command(place: Path | None, host: str) -> None:
    """Keep the folders in step until SIGTERM; SIGHUP reloads the configuration, and so does editing it."""
    source = find_config(place)
    config = load(source)
    log.configure(log.Form(config.log.format), level=config.log.level)
    ensure(config)
    key = service_key(config)
    notes = [*warnings(config), *([key.warning] if key and key.warning else [])]
    for note in notes:
        log.get_logger().warning(note, action="config.warning")
    if sys.stdout.isatty():
        for sentence in greeting(config):
            say(printable(sentence))
    anyio.run(run_daemon, config, source, printable(host))


def greeting(config: Config) -> list[str]:
    """What somebody at a terminal wants to know first: where files go, where results come, how to stop."""
    shown = config.rules[:RULES_SHOWN]
    sentences = [f"Drop files into {rule.watch}: results appear in {rule.output} ({rule.name})." for rule in shown]
    if more := len(config.rules) - len(shown):
        sentences.append(f"There are {more} more rules; `runflowd check` describes them all.")
    if not config.rules:
        sentences.append("There are no rules yet, so nothing is watched; an edit of the configuration counts at once.")
    page = f", and so does the page at {config.web}" if config.web else ""
    sentences.append(f"`runflowd status` in another terminal shows how far it is{page}.")
    sentences.append("Ctrl-C stops the daemon; what is on its way is taken up by the next run.")
    return sentences
