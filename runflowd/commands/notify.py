"""`runflowd notify`: try whether people are reached."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import click

from runflowd.api.hooks import Hooks
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.config import load
from runflowd.core.notices import trial_message
from runflowd.core.printable import printable
from runflowd.core.suggestion import unknown_name
from runflowd.errors import RunflowdError
from runflowd.notify.channels import deliver
from runflowd.store.notices import Notice
from runflowd.system.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runflowd.config import Notify


@click.group()
def command() -> None:
    """Look after messages to people."""


@command.command("test")
@config_option
@json_option
@click.argument("channels", nargs=-1)
def test(place: Path | None, channels: tuple[str, ...], *, as_json: bool) -> int:
    """Send a message over CHANNELS (webhook, command, apprise.NAME), or over all, and say which of them took it.

    It is sent from here, once, whether a daemon runs or not.
    """
    notify = load(find_config(place)).notify
    chosen = _chosen(notify, channels)
    said = anyio.run(_send, notify, chosen)
    if as_json:
        echo_json({"channels": [{"channel": each, "delivered": not why, "error": why} for each, why in said.items()]})
    else:
        for channel, why in said.items():
            mark = click.style("failed", fg="red") if why else click.style("delivered", fg="green")
            say(f"notify.{channel}: {mark}{f': {printable(why)}' if why else ''}")
    return Exit.FAILED if any(said.values()) else Exit.DONE


def _chosen(notify: Notify, channels: Sequence[str]) -> Sequence[str]:
    if not notify.channels:
        raise CommandError(
            "nobody is notified: the configuration has no `notify` with webhook, command or apprise. Write for example "
            "`notify: {webhook: {url: 'https://hooks.example.com/runflowd'}}`.",
            Exit.CONFIGURATION,
        )
    for channel in channels:
        if channel not in notify.channels:
            raise CommandError(unknown_name("channel", channel, notify.channels), Exit.USAGE)
    return channels or notify.channels


async def _send(notify: Notify, channels: Sequence[str]) -> dict[str, str]:
    """What went wrong with each channel, "" where nothing did."""
    now = Clock().wall()
    notice = Notice(0, uuid.uuid4().hex, "", now, 0, now, trial_message(now))
    said = {}
    async with Hooks() as hooks:
        for channel in channels:
            try:
                await deliver(hooks, notify, replace(notice, channel=channel))
            except RunflowdError as error:
                said[channel] = str(error)
            else:
                said[channel] = ""
    return said
