"""`runflowd rerun FILE --set prompt=...`: files made again with settings of their own, and what that costs."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from runflowd.commands.buying import agree, mark
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import money, print_lines, say
from runflowd.commands.judging import who_asks
from runflowd.commands.options import echo_json
from runflowd.commands.plain_table import table
from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from runflowd.commands.command_client import CommandClient

MAX_ROWS = 50
"""Files listed one by one; beyond them a line tells how many more there are."""

WORDS = {
    "buy": "bought",
    "known": "takes the result that was bought with these settings before; nothing is bought",
    "same": "nothing: its result was made with these settings",
    "gone": "left out: the file is not in the watched folder any more",
    "doubt": "left out: whether it was bought with these settings before is not known",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What would be done about which files of a rule, and what is left of its limits of money."""

    rule: str
    items: list[dict[str, Any]]
    limits: list[dict[str, str]]
    currency: str
    free: bool
    declared: bool

    @property
    def todo(self) -> list[dict[str, Any]]:
        """Those that something is done about."""
        return [item for item in self.items if item["what"] in {"buy", "known"}]


def offer_settings(
    asking: CommandClient, named: str, patterns: tuple[str, ...], settings: tuple[str, ...], *, forget: bool
) -> Offer:
    """What the settings would do to the files of the rule `named`, or to the file at that path."""
    given = dict(_pair(each) for each in settings)
    found = _named(asking, named)
    if named in found["rules"]:
        return _offer(asking, named, {"patterns": patterns}, given, forget=forget)
    if patterns:
        meant = f"; did you mean {near}?" if (near := closest(named, found["rules"])) else "."
        raise CommandError(f"there is no rule {named}{meant} Name one file, or a rule and patterns.", Exit.USAGE)
    items = found["items"]
    if not items:
        near = closest(named, found["rules"])
        hint = f"; did you mean rule {near}?" if near else "; `runflowd list` shows the files on record"
        raise CommandError(f"{named} is no rule and no file on record{hint}", Exit.USAGE)
    if len(items) > 1:
        choices = ", ".join(f"`runflowd rerun {item['rule']} {item['path']!r} ...`" for item in items)
        raise CommandError(f"{named} is a file of several rules; say which: {choices}", Exit.USAGE)
    return _offer(asking, items[0]["rule"], {"item": items[0]["id"]}, given, forget=forget)


def refuse_file(asking: CommandClient, named: str) -> None:
    """Say how a file is made again, where one was named for the rule. Raises `CommandError`."""
    found = _named(asking, named)
    if named in found["rules"] or not found["items"]:
        return
    item = found["items"][0]
    rule, path = shlex.quote(item["rule"]), shlex.quote(item["path"])
    raise CommandError(
        f"{named} is a file of rule {item['rule']}. `runflowd rerun {rule} {path}` applies the rule as it is now; "
        f"`runflowd rerun {path} --set NAME=VALUE` makes that file another way.",
        Exit.USAGE,
    )


def _named(asking: CommandClient, named: str) -> dict[str, Any]:
    """All rules, and the files on record whose source or result is `named`."""
    return asking.ask("rerun-files", path=named, absolute=os.path.abspath(named))  # noqa: PTH100  bytes survive


def _pair(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--set takes NAME=VALUE, for example --set prompt='grey marble'; not {setting!r}")
    return name.strip(), value


def _offer(asking: CommandClient, rule: str, which: dict[str, Any], given: dict[str, str], *, forget: bool) -> Offer:
    items: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = asking.ask("rerun-with", rule=rule, settings=given, forget=forget, after=after, **which)
        items += page["items"]
        after = page["next"]
    return Offer(rule, items, page["limits"], page["currency"], page["free"], page["declared"])


def carry_out(asking: CommandClient, offer: Offer, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Show what would be done and, once a person agreed, have it done."""
    if not as_json:
        _show(offer)
    marked = 0
    if offer.todo and not dry_run:
        bought = sum(item["what"] == "buy" for item in offer.todo)
        agree(bought, yes=yes or not bought)
        marked = mark(asking, offer.todo, who=who_asks())
    if as_json:
        names = ("path", "what", "settings", "price", "holds")
        shown = [{name: item[name] for name in names} for item in offer.items]
        echo_json({"rule": offer.rule, "items": shown, "limits": offer.limits, "marked": marked})
    elif marked:
        say(f"{marked} on their way.")


def _show(offer: Offer) -> None:
    print_lines(table(["file", "what"], [[item["path"], WORDS[item["what"]]] for item in offer.items[:MAX_ROWS]]))
    if len(offer.items) > MAX_ROWS:
        say(f"and {len(offer.items) - MAX_ROWS} more")
    for reason, count in Counter(reason for item in offer.todo for reason in item["holds"]).items():
        say(f"{count} would wait: {reason}" if count > 1 else f"It would wait: {reason}")
    bought = [item for item in offer.todo if item["what"] == "buy"]
    if bought and not offer.free:
        say(_price(bought, offer.currency))
        for limit in offer.limits:
            left = money(Decimal(limit["left"]), offer.currency)
            say(f"{limit['key']}: {left} left of {money(Decimal(limit['amount']), offer.currency)}")
    if bought and not offer.declared:
        say("The service was not asked what the model takes; it says so when the file is bought.")


def _price(bought: list[dict[str, Any]], currency: str) -> str:
    prices = [item["price"] for item in bought]
    if None in prices:
        return "What one costs is not known yet."
    highest = sum((Decimal(price["high"]) for price in prices), Decimal(0))
    sources = ", ".join(sorted({price["source"] for price in prices}))
    return f"At most {money(highest, currency)} for {len(prices)}, {sources}."
