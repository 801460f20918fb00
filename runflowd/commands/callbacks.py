"""`runflowd callbacks`: the secret by which the service proves that a callback is from it."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from runflowd.api.callback_signature import address
from runflowd.api.client import Runflow
from runflowd.api.settings import SecretKey, Service
from runflowd.commands.draft import Draft
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, find_config
from runflowd.config import load, service_key

if TYPE_CHECKING:
    from runflowd.config import Config


@click.group()
def command() -> None:
    """Look after callbacks, by which the service reports a finished batch at once."""


@command.command("create-secret")
@config_option
@click.option("--label", help="How the service lists the secret; the name of this machine by default.")
def create_secret(place: Path | None, label: str | None) -> None:
    """Have the service make a new signing secret and keep it in `secret_file`, readable for its owner alone.

    The secret before goes to `previous_secret_file`, if there is one, and counts until it is removed.
    A running daemon takes both at once. The secret itself is never shown.
    """
    config = load(find_config(place))
    callbacks = config.service.callbacks
    if callbacks is None:
        raise CommandError(
            "the configuration has no `service.callbacks`. Add it with `public_url` and `secret_file`, then try again.",
            Exit.CONFIGURATION,
        )
    target = Path(callbacks.secret_file)
    previous = Path(callbacks.previous_secret_file) if callbacks.previous_secret_file else None
    # The places are made sure of first: the service shows a secret once.
    with Draft.beside(target) as draft, Draft.beside(previous or target) as old:
        before = _old_secret(target)
        draft.write(anyio.run(_make, config, label or f"runflowd on {socket.gethostname()}").encode() + b"\n")
        if before and previous:
            old.write(before)
            old.replace(previous)
        draft.replace(target)
    say(f"A new callback secret is in {target}.")
    if before and previous:
        say(f"The one before is in {previous}; empty that setting when no callback needs it any more.")
    elif before:
        say("The one before is gone: callbacks that it signed are refused, and polling finds their results.")
    say(f"The service calls {address(callbacks.public_url)}. A running daemon takes the secret at once.")


async def _make(config: Config, label: str) -> str:
    key = service_key(config)
    service = Service(config.service.url, config.service.organization, SecretKey(key.secret if key else ""))
    async with Runflow(service) as api:
        return (await api.create_callback_secret(label)).plain_secret


def _old_secret(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""
