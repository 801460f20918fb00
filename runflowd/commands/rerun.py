"""`runflowd rerun`: the present recipe for old files, or results that were deleted once more."""

from __future__ import annotations

import shlex
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.buying import agree, mark
from runflowd.commands.command_client import CommandClient
from runflowd.commands.formatting import price, print_lines, say
from runflowd.commands.options import config_option, echo_json, json_option
from runflowd.commands.plain_table import table
from runflowd.commands.rerun_with import carry_out, offer_settings, refuse_file
from runflowd.commands.shell_complete import rule_names

if TYPE_CHECKING:
    from pathlib import Path

    Items = list[dict[str, Any]]

MAX_ROWS = 200
"""Files listed one by one; beyond them a line tells how many more there are."""

WORDS = {
    "buy": "bought anew under the present recipe",
    "fetch": "the result that was paid for is fetched again",
    "copy": "its result is put where `output` says now",
    "gone": "left out: the file is not in the watched folder any more",
}


@click.command()
@config_option
@json_option
@click.option("--missing", is_flag=True, help="Restore results that are not in the output folder; nothing is bought.")
@click.option("--rejected", is_flag=True, help="Only files whose result was rejected.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("settings", "--set", multiple=True, metavar="NAME=VALUE", help="An input for these files alone.")
@click.option("--forget-settings", "forget", is_flag=True, help="Make these files as their rule says again.")
@click.option("--yes", is_flag=True, help="Do not ask whether to buy.")
@click.argument("rule", metavar="RULE|FILE", shell_complete=rule_names)
@click.argument("patterns", nargs=-1)
def command(
    place: Path | None,
    rule: str,
    patterns: tuple[str, ...],
    *,
    missing: bool,
    settings: tuple[str, ...],
    forget: bool,
    rejected: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Apply RULE as it is now to files that were done under an earlier text of it; or make FILE anew another way.

    PATTERNS over the path below the watched folder choose among them. Only files whose model, input or
    selection would differ are bought; a new result replaces the old one when it is whole, and a result
    that somebody edited keeps its name. With --missing, results that are not in the output folder any
    more are fetched from the service again; where it has them no longer, the file becomes unknown with
    that reason, and `runflowd retry --buy-again` buys it once more. After an edit of `output:`, --missing also
    puts the results of old files into the new folder, from the old one, where they stay as well. With --rejected
    only files whose result was rejected are meant: that stays in `rejected`, and the new one is judged anew.

    With --set prompt='grey marble', once for each input, FILE (or the files of RULE that match) is bought anew with
    that in the place of what its rule and its folder say. Such settings belong to the file from then on, also when the
    rule is run again, until its content changes or --forget-settings is said. What was bought before is taken again.
    """
    asking = CommandClient(place)
    if settings or forget:
        if missing or rejected:
            raise click.UsageError("--missing and --rejected go without --set and --forget-settings")
        offer = offer_settings(asking, rule, patterns, settings, forget=forget)
        carry_out(asking, offer, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    chosen = _choose(asking, rule, patterns, missing=missing, rejected=rejected)
    todo = [item for item in chosen if item["what"] in {"buy", "copy", "fetch"}]
    if not as_json:
        _show(chosen, todo)
        if not todo:
            say(_why_nothing(rule, chosen, missing=missing, rejected=rejected))
    if dry_run or not todo:
        marked = 0
    else:
        agree(len(todo), yes=yes or missing)
        marked = mark(asking, todo, missing=missing)
    if as_json:
        shown = [{name: item[name] for name in ("path", "what", "cost")} for item in chosen if item["what"] != "same"]
        echo_json({"rule": rule, "items": shown, "marked": marked})
    elif marked:
        say(f"{marked} on their way.")


def _choose(asking: CommandClient, rule: str, patterns: tuple[str, ...], **wanted: bool) -> Items:
    refuse_file(asking, rule)
    chosen: Items = []
    after: int | None = 0
    while after is not None:
        page = asking.ask("rerun-choose", rule=rule, patterns=patterns, after=after, **wanted)
        chosen += page["items"]
        after = page["next"]
    return chosen


def _show(chosen: Items, todo: Items) -> None:
    shown = [item for item in chosen if item["what"] != "same"]
    if shown:
        print_lines(table(["file", "what"], [[item["path"], _what(item)] for item in shown[:MAX_ROWS]]))
    if len(shown) > MAX_ROWS:
        say(f"and {len(shown) - MAX_ROWS} more")
    counts = Counter(item["what"] for item in chosen)
    if chosen:
        say(f"{len(todo)} to do, {counts['same']} need nothing, {counts['gone']} left out.")
    if counts["buy"]:
        say(f"{counts['buy']} are bought; the same files before: {_before(todo)}.")


def _why_nothing(rule: str, chosen: Items, *, missing: bool, rejected: bool) -> str:
    """Why a rerun does nothing, and what would do something."""
    if not chosen:
        kind = "result that was rejected" if rejected else "file that is done"
        return (
            f"No {kind} is meant by this: `runflowd list --rule {shlex.quote(rule)} --state done` shows what there is."
        )
    if missing:
        return "Every result is where the rule says."
    if all(item["what"] == "gone" for item in chosen):
        return "Put the files back to have them made again."
    return (
        "They were made with the rule as it is now, so the same would be bought again. Edit the rule's `model` or "
        "`input` first, or make one file another way: `runflowd rerun FILE --set NAME=VALUE`. With --missing, results "
        "that were deleted come back at no cost."
    )


def _what(item: dict[str, Any]) -> str:
    own = ", ".join(item["own_settings"]) if item["what"] == "buy" else ""
    return f"{WORDS[item['what']]}{f', with {own} of its own' if own else ''}"


def _before(items: Items) -> str:
    """What files cost before, in each currency."""
    paid: dict[str, Decimal] = {}
    for item in items:
        if item["cost"]:
            paid[item["currency"]] = paid.get(item["currency"], Decimal(0)) + Decimal(item["cost"])
    hosted = sum((Decimal(item["hosted"]) for item in items if item["hosted"]), Decimal(0))
    parts = [price(amount, None, currency) for currency, amount in sorted(paid.items())]
    return ", and ".join([*parts, *([price(None, hosted)] if hosted or not parts else [])])
