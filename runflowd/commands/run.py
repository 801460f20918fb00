"""`runflowd run`: the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import click

from runflowd.app.daemon import run_daemon
from runflowd.commands.options import config_option, find_config
from runflowd.commands.readiness import ensure
from runflowd.config import load, service_key, warnings
from runflowd.system import log

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
def command(place: Path | None) -> None:
    """Keep the folders in step until SIGTERM; SIGHUP reloads the configuration, and so does editing it."""
    source = find_config(place)
    config = load(source)
    log.configure(log.Form(config.log.format), level=config.log.level)
    ensure(config)
    key = service_key(config)
    notes = [*warnings(config), *([key.warning] if key and key.warning else [])]
    for note in notes:
        log.get_logger().warning(note, action="config.warning")
    anyio.run(run_daemon, config, source)
