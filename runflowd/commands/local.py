"""`runflowd local`: the local service alone, for trying out the API and for several daemons to share."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.readiness import missing
from runflowd.core.printable import printable
from runflowd.local.keyfile import NAME, UnusableKey, key_in
from runflowd.local.models.catalog import catalog
from runflowd.local.server import serve
from runflowd.local.settings import BadSwitch, LocalSettings, switches
from runflowd.system import log
from runflowd.system.paths import user_state

if TYPE_CHECKING:
    from runflowd.local.api_variants import ApiVariants
    from runflowd.local.faults.plan import Faults


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8788, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where it keeps its files.")
@click.option("--weights", type=click.Path(path_type=Path), help="The network's file; the cache has it by default.")
@click.option("--api-variants", default="{}", help="JSON: how to read the API's documentation (docs/local-service.md).")
@click.option("--faults", default="{}", help="JSON: troubles to make (docs/local-service.md).")
@click.option("--control", is_flag=True, help="Let programs of this machine change both, at /_control.")
def command(
    host: str, port: int, folder: Path | None, weights: Path | None, *, api_variants: str, faults: str, control: bool
) -> None:
    """Serve the Runflow API with the models of this machine until SIGTERM; the first line is its URL.

    Whoever calls it needs the key in `api-key` in its folder, which only its user can read: name that file in
    `api_key_file`, or copy the key. It is made at the first start and stays the same.
    """
    log.configure()
    for sentence in missing(catalog(), weights):
        say(f"{click.style('warning:', fg='yellow')} {sentence}", err=True)
    chosen, fault_plan = _switches(api_variants, faults)
    place = folder or user_state() / "local-service"
    settings = LocalSettings(
        folder=place,
        api_keys=frozenset({_key(place)}),
        weights=weights,
        control=control,
        api_variants=chosen,
        faults=fault_plan,
    )
    anyio.run(_until_signal, settings, host, port)


def _key(folder: Path) -> str:
    try:
        return key_in(folder)
    except UnusableKey as bad:
        raise CommandError(str(bad), Exit.NOT_ALLOWED) from bad


def _switches(api_variants: str, faults: str) -> tuple[ApiVariants, Faults]:
    try:
        return switches(json.loads(api_variants), json.loads(faults))
    except BadSwitch as bad:
        raise click.UsageError(f"{bad.where}: {bad}") from None
    except ValueError as error:
        raise click.UsageError(f"--api-variants and --faults are JSON: {error}") from None


def _print_address(folder: Path, url: str) -> None:
    click.echo(url)
    say(f"Its key is in {printable(str((folder / NAME).absolute()))}; name that in `api_key_file`.", err=True)


async def _until_signal(settings: LocalSettings, host: str, port: int) -> None:
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            group.start_soon(
                partial(serve, settings, host=host, port=port, started=partial(_print_address, settings.folder))
            )
            async for _ in signals:
                group.cancel_scope.cancel()
                return
