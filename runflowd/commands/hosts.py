"""`runflowd hosts`: the machines that work on one database, letting one of them go, and missing one no longer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import ask
from runflowd.commands.formatting import print_lines, say
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.core.fleet import HEARTBEAT
from runflowd.core.printable import printable

if TYPE_CHECKING:
    from pathlib import Path


MISSED = 2
"""Signs of life that may fail to come before it is said."""


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def command(call: click.Context, place: Path | None, *, as_json: bool) -> None:
    """Show the hosts that work on the state: one, or on a PostgreSQL database several (docs/postgresql.md)."""
    if call.invoked_subcommand is not None:
        return
    answer = ask(place, "hosts")
    if as_json:
        echo_json(answer)
    elif not answer["hosts"]:
        say("No daemon works on the state now.")
    else:
        _print(answer["hosts"])


@command.command()
@config_option
@json_option
@click.option("--undo", is_flag=True, help="Let it take work on again.")
@click.argument("name")
def drain(place: Path | None, name: str, *, undo: bool, as_json: bool) -> None:
    """Let the host NAME take nothing on: what it has in hand it finishes, all else goes to the other hosts.

    It lasts, over restarts too, until --undo.
    """
    answer = ask(place, "drain", host=name, undo=undo)
    if as_json:
        echo_json(answer)
    elif undo:
        say(f"{name} takes work on again." if answer["new"] else f"{name} was not drained.")
    else:
        say(
            f"{name} takes nothing on any more; `runflowd hosts` shows what it has in hand still."
            if answer["new"]
            else f"{name} is drained already."
        )
    for rule in () if as_json else answer["waiting"]:
        say(_waits(rule, name))


@command.command()
@config_option
@click.argument("name")
def remove(place: Path | None, name: str) -> None:
    """Miss the host NAME no longer, which is gone for good: what it held is the others' already."""
    ask(place, "remove-host", host=name)
    say(f"{name} is not missed any more.")


def _waits(rule: str, name: str) -> str:
    return f"{printable(rule)} waits until {printable(name)} takes work on again: no other host has its folders."


def _state(host: dict[str, Any]) -> str:
    """Whether it is drained, and whether signs of life have failed to come."""
    silent = host["seen_ago"] or 0.0
    return f"{host['state']}, silent for {silent:.0f} s" if silent > MISSED * HEARTBEAT else str(host["state"])


def _print(hosts: list[dict[str, Any]]) -> None:
    numbers = ["batches", "files"]
    print_lines(table(["host", "since", "state", "intake of", "lacks folders of", *numbers], map(_row, hosts), numbers))
    for host in hosts:
        for rule in host["waiting"]:
            say(_waits(rule, host["name"]))


def _row(host: dict[str, Any]) -> list[str]:
    lacks = sorted({*host["unseen"], *host["undelivered"]})
    since = datetime.fromtimestamp(host["since"]).astimezone().strftime("%Y-%m-%d %H:%M")
    in_hand = [str(host["batches"]), str(host["files"])]
    return [host["name"], since, _state(host), ", ".join(host["intake"]), ", ".join(lacks), *in_hand]
