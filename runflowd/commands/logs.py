"""`runflowd logs`: the whole story of one file, step by step."""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.exit_codes import CommandError
from runflowd.commands.formatting import money, price, print_lines
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.shell_complete import rule_names
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.core.state_words import SETTLING, UNTIL_STABLE, state_word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Version = dict[str, Any]

MAX_ONWARD = 50
"""Items listed at most that took results along a chain of rules."""

MAX_ID_LENGTH = 15
"""Digits of an item's id at most."""


_WATCHED = f"{UNTIL_STABLE}; then it is taken"


@click.command()
@config_option
@json_option
@click.option("--rule", shell_complete=rule_names, help="Only the file of this rule.")
@click.argument("path", type=click.Path())
def command(place: Path | None, rule: str | None, path: str, *, as_json: bool) -> None:
    """Tell the whole story of the file at PATH: each step with its moment and reason, of every content it had.

    PATH is below the watched folder, as `runflowd list` shows it, or leads to the file itself; the id of an item,
    as `runflowd list --json` shows it, does as well. What became of its results in rules that take them follows.
    Times are local ones, in JSON those of UTC.
    """
    asking = CommandClient(place)
    versions, settling = _versions(asking, path, rule)
    versions += _onward(asking, versions)
    if not versions and not settling:
        unknown = " No daemon runs, and only a running one knows which files are settling." if settling is None else ""
        sentence = (
            f"nothing is on record of {printable(path)}. `runflowd list --path PATTERN` finds files; "
            f"`runflowd plan` says why a file is not taken.{unknown}"
        )
        raise CommandError(sentence)
    if as_json:
        echo_json(versions + [_unstable(*each) for each in settling or ()])
        return
    for name, below in settling or ():
        print_lines(
            [click.style(f"{printable(below)} (rule {printable(name)}): {SETTLING}", bold=True), f"  -> {_WATCHED}"]
        )
    for number, version in enumerate(versions, bool(settling)):
        click.echo("\n" if number else "", nl=False)
        print_lines(_lines(version))


def _unstable(rule: str, path: str) -> Version:
    """A file that is not stable yet, of which nothing is on record."""
    return {"id": None, "rule": rule, "path": path, "state": SETTLING, "current": True, "steps": [], "now": [_WATCHED]}


def _versions(asking: CommandClient, path: str, rule: str | None) -> tuple[list[Version], list[tuple[str, str]] | None]:
    """What is on record, and the rules in which it settles with its path there; None where nobody knows."""
    found: list[Version] = []
    settling = None
    after: int | None = 0
    while after is not None:  # in pages, between which the daemon serves others
        page = asking.ask("logs", path=path, absolute=os.path.abspath(path), rule=rule, after=after)  # noqa: PTH100
        found += page["versions"]
        after, settling = page["next"], page["settling"]
    if found or not (path.isascii() and path.isdecimal() and len(path) <= MAX_ID_LENGTH):
        return found, settling
    alone: list[Version] = asking.ask("logs", item=int(path))["versions"]
    return [version for version in alone if rule in {None, version["rule"]}], settling


def _onward(asking: CommandClient, versions: list[Version]) -> list[Version]:
    """What became of the results in the rules that took them, and so on to the end of the chain."""
    found: list[Version] = []
    shown = {version["id"] for version in versions}
    waiting = [each["id"] for version in versions for each in version["then"]]
    while waiting and len(found) < MAX_ONWARD:
        if (number := waiting.pop(0)) in shown:
            continue
        shown.add(number)
        for version in asking.ask("logs", item=number)["versions"]:
            found.append(version)
            waiting += [each["id"] for each in version["then"]]
    return found


def _lines(version: Version) -> Iterator[str]:
    state = _word(version["state"])
    state = state if version["current"] else f"{state}, before another content took its place"
    cost = f", {text}" if (text := _cost(version)) else ""
    head = f"{printable(version['path'])} (rule {printable(version['rule'])}, item {version['id']}): {state}{cost}"
    yield click.style(head, bold=True)
    if not version["whole"]:
        since = f"what came before {_local(version['steps'][0]['at'])}" if version["steps"] else "what became of it"
        yield click.style(
            f"  First seen {_local(version['found_at'])}; {since} is not kept: steps of a file that "
            "is done go after 90 days.",
            dim=True,
        )
    for step in version["steps"]:
        code = f" [{step['code']}]" if step["code"] else ""
        yield f"  {_local(step['at'])}  {_word(step['state']):<10}  {printable(step['detail'])}{code}".rstrip()
    yield from (f"  {name:<20} {value}" for name, value in _facts(version) if value)
    told = {step["detail"] for step in version["steps"]}
    yield from (f"  -> {line}" for line in version["now"] if line not in told)


def _cost(version: Version) -> str:
    """What all its purchases were charged; of what this machine did, what the hosted service would have taken."""
    if version["charged"]:
        return ", and ".join(money(Decimal(amount), currency) for currency, amount in version["charged"].items())
    paid, hosted = (Decimal(version[name]) if version[name] is not None else None for name in ("cost", "hosted"))
    return price(paid, hosted, version["currency"])


def _facts(version: Version) -> Iterator[tuple[str, str]]:
    """What is known beside the steps."""
    batch = version["batch"]
    if batch:
        upload = batch["upload"]
        yield "model", batch["model"]
        yield "batch", f"{batch['id']}, {batch['state']}"
        yield "batch at the service", printable(batch["remote_id"] or "")
        yield "uploaded", f"asset {upload['asset']}, {_local(upload['at'])}" if upload else ""
        for request in batch["requests"]:
            doubt = ", once without an answer" if request["ambiguous"] else ""
            yield "request to buy", f"{_local(request['at'])}, {request['outcome']}{doubt}"
    yield "run", printable(version["run"] or "")
    yield "reference", version["reference"]
    own = version["settings"] or {}
    yield "settings of its own", ", ".join(f"{printable(name)}: {printable(str(value))}" for name, value in own.items())
    if version["source"]:
        yield "result taken from", f"item {version['source']['id']}, {version['source']['path']}"
    if made := version["made_by"]:
        yield "made by", f"rule {made['rule']}, item {made['id']}, {made['path']}"
    for output in version["outputs"]:
        yield "result", output["path"] if output["written"] else f"{output['path']} (not in place yet)"
    for each in version["then"]:
        yield "goes on to", f"rule {printable(each['rule'])}, item {each['id']}, {each['path']}: {_word(each['state'])}"


def _word(state: str) -> str:
    return state_word(ItemState(state))


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
