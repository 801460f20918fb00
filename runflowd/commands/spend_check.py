"""`runflowd spend --check`: where the ledger and the service's list of runs differ."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import click

from runflowd.app.ledger_check import compare_ledger
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import print_lines, say
from runflowd.commands.options import echo_json, find_config
from runflowd.commands.plain_table import table
from runflowd.config import load
from runflowd.core.currency import amount_text
from runflowd.core.printable import printable
from runflowd.core.spans import span_of
from runflowd.store import reading
from runflowd.store.ledger_view import files_of
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

    from runflowd.config import Config
    from runflowd.core.reconciling import Comparison, Difference

ADVICE = (
    "Nothing was changed. What is charged there and not here may have been bought by another runflowd of the same "
    "account, or before the state file was restored. About the rest ask the service, by the run that is named."
)


def check_ledger(place: Path | None, since: str | None, until: str | None, *, as_json: bool) -> int:
    """Compare the ledger with the service, and print what differs; the exit code. Raises `CommandError`."""
    config = load(find_config(place))
    if config.service.local is not None:
        _tell_local(as_json=as_json)
        return Exit.DONE
    try:
        begins, ends = span_of(since, until, config.money.zone, time.time())
    except ValueError as error:
        raise CommandError(printable(str(error)), Exit.USAGE) from None
    found = anyio.run(compare_ledger, config, begins, ends)
    files = _files_of(config, found)
    if as_json:
        echo_json(_as_json(found, files))
    else:
        _print(found, files)
    return Exit.SOME_FAILED if found.differences else Exit.DONE


def _tell_local(*, as_json: bool) -> None:
    if as_json:
        echo_json({"local": True, "differences": []})
    else:
        say("`service: local` takes no money, so there is no ledger to compare.")


def _files_of(config: Config, found: Comparison) -> dict[str, tuple[str, str]]:
    if not found.differences:
        return {}
    with reading(state_place(config)) as connection:
        return files_of(connection, [each.key for each in found.differences])


def _print(found: Comparison, files: dict[str, tuple[str, str]]) -> None:
    if found.differences:
        rows = [
            [
                each.kind.value,
                _subject(each, files),
                _sums(each.here),
                _sums(each.there),
                ", ".join(each.runs) or "none is known",
            ]
            for each in found.differences
        ]
        print_lines(table(["difference", "file", "here", "there", "run"], rows, ("here", "there")))
    here, there = _sums(found.here.items()), _sums(found.there.items())
    say(
        f"Here {found.purchases:,} paid purchases, {here}; at the service {found.runs:,} runs, charged or not, {there}."
    )
    if found.foreign:
        cost = _sums(found.foreign_cost.items())
        say(f"Beside them the account has {found.foreign:,} runs that runflowd did not buy, {cost}.")
    if found.differences:
        say(click.style(f"{len(found.differences):,} purchases differ. {ADVICE}", fg="yellow"))
    else:
        say(click.style("The ledger and the service agree.", fg="green"))


def _subject(each: Difference, files: dict[str, tuple[str, str]]) -> str:
    """What a difference is about: the file, or where that has been bought anew since, the reference."""
    if each.key in files:
        rule, path = files[each.key]
        return f"{path} (rule {rule})"
    return f"{each.key} (rule {each.rule})" if each.rule else each.key


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> str:
    return ", ".join(amount_text(amount, currency) for currency, amount in amounts) or "nothing"


def _as_json(found: Comparison, files: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        "local": False,
        "here": {"purchases": found.purchases, "charged": _exact(found.here.items())},
        "there": {"runs": found.runs, "charged": _exact(found.there.items())},
        "foreign": {"runs": found.foreign, "charged": _exact(found.foreign_cost.items())},
        "differences": [
            {
                "kind": each.kind.name.lower(),
                "words": each.kind.value,
                "reference": each.key,
                "rule": each.rule or files.get(each.key, ("", ""))[0] or None,
                "file": printable(files[each.key][1]) if each.key in files else None,
                "runs": list(each.runs),
                "here": _exact(each.here),
                "there": _exact(each.there),
            }
            for each in found.differences
        ],
    }


def _exact(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    return {currency: format(amount, "f") for currency, amount in amounts}
