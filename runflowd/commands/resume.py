"""`runflowd resume`: what was paused goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runflowd.commands.command_client import CommandClient
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import say
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@json_option
@click.option("--all", "everything", is_flag=True, help="End the pause of all rules that `pause --all` began.")
@click.option(
    "--accept-folder",
    "accept",
    is_flag=True,
    help="What stands at the folders of the rule now is right; the results of files that are not there stay.",
)
@click.argument("rules", nargs=-1, shell_complete=rule_names)
def command(place: Path | None, rules: tuple[str, ...], *, everything: bool, accept: bool, as_json: bool) -> None:
    """Let RULES, or --all, go on; a running daemon follows at once.

    With --accept-folder, a rule whose watched or output folder is another one than before (WATCH_CHANGED,
    OUTPUT_CHANGED) works with it from now on; a pause stays as it is.
    """
    if accept:
        _accept(place, rules, everything=everything, as_json=as_json)
        return
    asking = CommandClient(place)
    answer = asking.ask("resume", rules=rules, everything=everything)
    if as_json:
        echo_json(answer)
        return
    say(f"Resumed: {', '.join(name or 'every rule' for name in answer['resumed'])}.")
    if count := answer["fetched"]:
        what = "1 result that is paid for is" if count == 1 else f"{count} results that are paid for are"
        say(f"{what} fetched again, at no cost.")
    if count := answer["waiting"]:
        when = "by the next `runflowd run` or `sync`" if asking.alone else "now"
        say(f"1 file that waited is bought {when}." if count == 1 else f"{count} files that waited are bought {when}.")
    if answer["still"]:
        still = ", ".join(name or "every rule, by `pause --all`" for name in answer["still"])
        say(f"Still paused: {still}.")


def _accept(place: Path | None, rules: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    if everything:
        raise CommandError("--accept-folder is about the folder of one rule: name it instead of --all", Exit.USAGE)
    asking = CommandClient(place)
    answer = asking.ask("accept-folder", rules=rules)
    if not as_json:
        say(f"The folder is accepted: {', '.join(answer['accepted'])}.")
    left = {rule: count for rule in answer["accepted"] if (count := _left_behind(asking, rule))}
    if as_json:
        echo_json({**answer, "left_behind": left})
        return
    for rule, count in left.items():
        what = "1 result of a file" if count == 1 else f"{count} results of files"
        verb = "that is not in the folder stays" if count == 1 else "that are not in the folder stay"
        say(
            f"rule {rule}: {what} {verb}: `on_delete: remove` is about files that are deleted from now on. Remove by "
            "hand what is not wanted."
        )


def _left_behind(asking: CommandClient, rule: str) -> int:
    """How many results stay without their files, where others would go with them."""
    found, after = 0, 0
    while after is not None:
        page = asking.ask("left-behind", rule=rule, after=after)
        found, after = found + page["results"], page["next"]
    return found
