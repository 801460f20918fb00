"""The status page as a pure function: a status in, HTML out. Names and reasons are hostile until `shown`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from runflowd import __version__
from runflowd.core.lifecycle import IN_FLIGHT, BatchState, ItemState
from runflowd.core.printable import short_id
from runflowd.core.remedies import remedy_for
from runflowd.web.formatting import age, money, number, plural, shown
from runflowd.web.limit_rows import held, limit_rows
from runflowd.web.view_models import BatchRow, Figure, Page, ProblemRow, RuleRow, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jinja2 import Template

    from runflowd.api.statistics import Pace
    from runflowd.observability.status import RuleStatus, Status
    from runflowd.store.batches import Batch
    from runflowd.store.reports import Entry

COLUMNS: dict[str, tuple[ItemState, ...]] = {
    "Queued": (ItemState.READY, ItemState.DUPLICATE, ItemState.QUEUED),
    "Processing": (ItemState.SUBMITTED,),
    "Saving": (ItemState.DOWNLOADING,),
    "Done": (ItemState.DONE,),
    "Failed": (ItemState.FAILED,),
    "Unknown": (ItemState.OUTCOME_UNKNOWN,),
    "Waiting": (ItemState.WAITING,),
    "Skipped": (ItemState.SKIPPED,),
}
"""The states as people see them, in the order in which a file passes them."""

ALWAYS = ("Queued", "Processing", "Done", "Failed")
"""Columns that stand even when they are empty; the others come when there is something to show."""

_BAR = (
    ("done", (ItemState.DONE,)),
    ("busy", tuple(IN_FLIGHT)),
    ("idle", (ItemState.WAITING, ItemState.SKIPPED)),
    ("bad", (ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)),
)


def view(status: Status, unready: Collection[str], rules: Collection[str], pace: Pace) -> Page:
    """Word a status. `unready` are reasons why the daemon is not at work, `rules` those that can be retried.

    `pace` is what the daemon has learned of the service.
    """
    columns = tuple(name for name in COLUMNS if name in ALWAYS or _total(status, *COLUMNS[name]))
    headline, tone = _headline(status, unready)
    failures = tuple(_failure(entry, rules) for entry in status.failures)
    unseen = _total(status, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN) - len(failures)
    return Page(
        version=__version__,
        headline=headline,
        tone=tone,
        notes=tuple(unready),
        figures=tuple(_figures(status, pace)),
        columns=columns,
        rules=tuple(_rule(status, rule, columns) for rule in status.rules),
        limits=tuple(limit_rows(status)),
        batches=tuple(_batch(status, batch) for batch in status.batches),
        incidents=tuple(_incidents(status)),
        failures=failures,
        more_failures=f"and {number(unseen)} more: `runflowd list --state failed`" if unseen > 0 and failures else "",
        partial=tuple(_advised(entry) for entry in status.partial),
        waiting=tuple(_advised(entry) for entry in status.waiting),
        state=shown(status.state),
        pid="" if status.pid is None else str(status.pid),
    )


def _total(status: Status, *states: ItemState) -> int:
    return sum(rule.count(*states) for rule in status.rules)


def _headline(status: Status, unready: Collection[str]) -> tuple[str, str]:
    if unready:
        return "Not ready", "warn"
    if status.incidents:
        return plural(len(status.incidents), "incident"), "bad"
    if any(batch.state is BatchState.UNKNOWN for batch in status.batches) or _total(status, ItemState.OUTCOME_UNKNOWN):
        return "Needs a decision", "warn"
    if _total(status, *IN_FLIGHT):
        return "At work", "busy"
    failed = _total(status, ItemState.FAILED)
    return (f"Done, {number(failed)} failed", "warn") if failed else ("All done", "good")


def _figures(status: Status, pace: Pace) -> Iterator[Figure]:
    flying, failed = _total(status, *IN_FLIGHT), _total(status, ItemState.FAILED)
    unknown = _total(status, ItemState.OUTCOME_UNKNOWN)
    allowed = f"; the service allows {pace.allowed}" if pace.allowed else ""
    yield Figure("In flight", number(flying), _open_batches(len(status.batches)) + allowed)
    yield Figure("Done", number(_total(status, ItemState.DONE)))
    note = f"{number(unknown)} unknown" if unknown else ""
    yield Figure("Failed", number(failed), note, "bad" if failed or unknown else "")
    spent = status.spent_today
    hosted = f"hosted, about {money(status.hosted_today)}" if status.hosted_today else ""
    about = f"{money(spent.estimated, status.currency)} estimated" if spent.estimated else ""
    unpriced = f"without {plural(spent.unpriced, 'file')} of unknown price" if spent.unpriced else ""
    yield Figure("Spent today", money(spent.total, status.currency), ", ".join(filter(None, (about, unpriced, hosted))))


def _open_batches(count: int) -> str:
    return "1 open batch" if count == 1 else f"{number(count)} open batches"


def _rule(status: Status, rule: RuleStatus, columns: tuple[str, ...]) -> RuleRow:
    return RuleRow(
        name=shown(rule.name),
        model=shown(rule.model) or "no longer configured",
        watch=shown(rule.watch),
        output=shown(rule.output),
        counts=tuple((name, number(rule.count(*COLUMNS[name]))) for name in columns),
        bar=tuple(_bar(rule)),
        held=held(status, rule.name),
    )


def _bar(rule: RuleStatus) -> Iterator[Segment]:
    total = sum(rule.counts.values())
    start = 0.0
    for tone, states in _BAR if total else ():
        width = 100 * rule.count(*states) / total
        if width:
            yield Segment(tone, round(start, 2), round(width, 2))
        start += width


def _batch(status: Status, batch: Batch) -> BatchRow:
    word, tone = _batch_word(batch)
    return BatchRow(
        short=short_id(batch.id),
        full=shown(f"{batch.id}, {batch.remote_id} at the service" if batch.remote_id else batch.id),
        rule=shown(batch.rule),
        model=shown(batch.model),
        word=word,
        tone=tone,
        items=f"{number(status.ended(batch))} of {number(batch.items)}",
        age=age(status.now - batch.sealed_at),
        reason=shown(batch.failure),
    )


def _batch_word(batch: Batch) -> tuple[str, str]:
    if batch.state is BatchState.UNKNOWN:
        return "unknown", "bad"
    if batch.overdue:
        return "overdue", "warn"
    if batch.state is BatchState.SEALED:
        return "uploading", "busy"
    return shown(batch.status)[:24] or "submitted", "busy"


def _incidents(status: Status) -> Iterator[ProblemRow]:
    for each in status.incidents:
        since = f"for {age(status.now - each.since)}"
        yield ProblemRow(shown(each.message), "", shown(each.remedy), shown(f"{each.scope} · {each.code}"), since)
    for pause in (each for each in status.pauses if not each.advice):  # of a stop its incident tells
        since = f"for {age(status.now - pause.since)}"
        yield ProblemRow(shown(f"{pause.subject} is paused"), shown(pause.reason), shown(pause.remedy), "paused", since)


def _failure(entry: Entry, rules: Collection[str]) -> ProblemRow:
    again = entry.state is ItemState.FAILED and entry.rule in rules
    return ProblemRow(
        title=shown(f"{entry.rule}/{entry.path}"),
        detail=shown(entry.reason or "no reason was given"),
        remedy=remedy_for(entry.state, entry.code, entry.rule, entry.path),
        tag=shown(entry.code),
        reference=entry.reference if again else "",
    )


def _advised(entry: Entry) -> ProblemRow:
    return ProblemRow(
        title=shown(f"{entry.rule}/{entry.path}"),
        detail=shown(entry.reason),
        remedy=remedy_for(entry.state, entry.code, entry.rule, entry.path),
        tag=shown(entry.code),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("runflowd.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status.html")


def render(page: Page, token: str, nonce: str) -> str:
    """The whole document; `token` goes into its forms, `nonce` lets its style and script run."""
    return _template().render(page=page, token=token, nonce=nonce)
