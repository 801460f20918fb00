"""`runflowd sync`: everything pending, once; progress while it runs, a table at the end."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import click

from runflowd.app.sync_run import run_once
from runflowd.commands.ended_files import entry_text, finished_table
from runflowd.commands.exit_codes import CommandError, Exit
from runflowd.commands.formatting import advice, duration, money, price, print_lines, say, wait_for_review
from runflowd.commands.options import config_option, echo_json, find_config, json_option
from runflowd.commands.progress import Bars, Lines
from runflowd.commands.readiness import ensure
from runflowd.config import load, service_key
from runflowd.core.lifecycle import ItemState
from runflowd.observability.status import entry_json
from runflowd.store import reading
from runflowd.store.opening import is_there
from runflowd.store.reports import count_states, ended_since, waiting
from runflowd.store.verdicts import count_to_review
from runflowd.system import log
from runflowd.system.paths import state_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from runflowd.app.sync_run import Outcome, Progress
    from runflowd.config import Config
    from runflowd.observability.incidents import IncidentReport
    from runflowd.store.reports import Entry
    from runflowd.system.paths import Place


SILENT = frozenset({"UNREACHABLE", "RATE_LIMITED"})
"""Incidents that pass by themselves, but perhaps not soon."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run of `sync` did: the items that ended in it, and what it had to leave."""

    done: tuple[Entry, ...]
    failed: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    incidents: tuple[IncidentReport, ...]
    blocked: bool
    seconds: float
    currency: str
    to_review: int = 0

    @property
    def costs(self) -> dict[str, Decimal]:
        """What was paid in this run, by currency, its own first; failed items may have cost something, too."""
        found = {self.currency: Decimal(0)}
        for each in (*self.done, *self.failed):
            if each.cost:
                found[each.currency] = found.get(each.currency, Decimal(0)) + each.cost
        return found

    @property
    def partial(self) -> tuple[Entry, ...]:
        """What is done, though some of the outputs did not come."""
        return tuple(entry for entry in self.done if entry.code)

    @property
    def hosted(self) -> Decimal:
        """What the hosted service would have taken for what this machine did."""
        return sum((entry.hosted for entry in (*self.done, *self.failed) if entry.hosted), Decimal(0))

    @property
    def code(self) -> Exit:
        """Blocked by wider trouble: 75, or 77 if the key was refused; else 3 if a file failed or came in part."""
        if self.blocked:
            refused = any(report.code == "UNAUTHORIZED" for report in self.incidents)
            return Exit.NOT_ALLOWED if refused else Exit.TRY_AGAIN
        return Exit.SOME_FAILED if self.failed or self.partial or self.waiting or self.incidents else Exit.DONE


@click.command()
@config_option
@json_option
@click.option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to wait for a service that does not answer.",
)
@click.option("-v", "--verbose", is_flag=True, help="Write the log to stderr instead of progress.")
def command(place: Path | None, timeout: float, *, as_json: bool, verbose: bool) -> int:
    """Process everything pending once, then end. Refused while a daemon works on the same state."""
    config = load(find_config(place))
    ensure(config)
    service_key(config)
    log.configure(log.Form.CONSOLE, level=config.log.level if verbose else "critical")
    summary = _sync(config, timeout, quiet=as_json or verbose)
    if as_json:
        echo_json(_json(summary))
    else:
        show_summary(summary, {rule.name: rule.model for rule in config.rules})
    return summary.code


class ServiceTimeout:
    """Ends a run whose service has not answered for so many seconds; nothing is lost by that.

    `announce` is given a sentence each time that such a wait begins.
    """

    def __init__(self, seconds: float, announce: Callable[[str], None] | None = None) -> None:
        self._seconds = seconds
        self._announce = announce
        self._since: float | None = None

    def look(self, progress: Progress) -> None:
        """Raise CommandError when the service has been silent for too long."""
        silent = next((each for each in progress.incidents if each.code in SILENT), None)
        if silent is None:
            self._since = None
            return
        now = time.monotonic()
        if self._since is None:
            self._since = now
            if self._announce and self._seconds:
                self._announce(
                    f"Waiting up to {duration(self._seconds)} for the service (`--timeout`); Ctrl-C ends it now, and "
                    "nothing is lost."
                )
        if now - self._since >= self._seconds:
            sentence = (
                f"{silent.message}. Gave up after {duration(self._seconds)}; nothing is lost, run it again later."
            )
            raise CommandError(sentence, Exit.TRY_AGAIN)


def _sync(config: Config, timeout: float, *, quiet: bool) -> Summary:
    path = state_place(config)
    before = _counts(path)
    started, clock = time.time(), time.monotonic()
    if quiet:
        outcome = anyio.run(run_once, config, ServiceTimeout(timeout).look)
    else:
        with Bars(before) if sys.stderr.isatty() else Lines(before) as shown:
            silence = ServiceTimeout(timeout, shown.announce)

            def show(progress: Progress) -> None:
                shown.show(progress)
                silence.look(progress)

            outcome = anyio.run(run_once, config, show)
    return _summary(path, started, time.monotonic() - clock, outcome, config.money.currency)


def _counts(path: Place) -> dict[str, dict[ItemState, int]]:
    """The counts before this run; none when there is no state file yet."""
    if not is_there(path):
        return {}
    with reading(path) as connection:
        return count_states(connection)


def _summary(path: Place, started: float, seconds: float, outcome: Outcome, currency: str) -> Summary:
    with reading(path) as connection:
        ended = ended_since(connection, started)
        left = waiting(connection, 1000)
        to_review = sum(count_to_review(connection).values())
    done = tuple(entry for entry in ended if entry.state is ItemState.DONE)
    failed = tuple(entry for entry in ended if entry.state is not ItemState.DONE)
    return Summary(done, failed, tuple(left), outcome.progress.incidents, outcome.blocked, seconds, currency, to_review)


def show_summary(summary: Summary, models: dict[str, str]) -> None:
    """What the run did, the worst last."""
    if summary.done:
        print_lines(finished_table(summary.done, models))
    _list("In part", "yellow", map(entry_text, summary.partial))
    _list("Failed", "red", map(entry_text, summary.failed))
    _list("Not taken", "yellow", map(entry_text, summary.waiting))
    _list("Held up", "red", [advice(each.code, each.message, each.remedy) for each in summary.incidents])
    counts = f"{len(summary.done)} done, {len(summary.failed)} failed"
    counts += f", {len(summary.waiting)} not taken" if summary.waiting else ""
    (currency, own), *foreign = summary.costs.items()
    paid = [price(own, summary.hosted, currency)] if own or not foreign else []
    paid += [money(amount, other) for other, amount in foreign]
    say(click.style(f"{counts} in {duration(summary.seconds)}, {' and '.join(paid)}", bold=True))
    if summary.to_review:
        say(f"{click.style(wait_for_review(summary.to_review), bold=True)}: `runflowd review`")


def _list(title: str, colour: str, paragraphs: Iterable[str]) -> None:
    if lines := list(paragraphs):
        print_lines([click.style(title, bold=True, fg=colour), *lines])


def _json(summary: Summary) -> dict[str, object]:
    return {
        "done": [entry_json(entry) for entry in summary.done],
        "failed": [entry_json(entry) for entry in summary.failed],
        "waiting": [entry_json(entry) for entry in summary.waiting],
        "incidents": [
            {"scope": str(each.scope), "code": each.code, "message": each.message, "remedy": each.remedy}
            for each in summary.incidents
        ],
        "blocked": summary.blocked,
        "to_review": summary.to_review,
        "seconds": round(summary.seconds, 2),
        "cost": str(summary.costs[summary.currency]),
        "other_costs": {name: str(cost) for name, cost in summary.costs.items() if name != summary.currency},
        "currency": summary.currency,
        "hosted": str(summary.hosted),
        "exit_code": int(summary.code),
    }
