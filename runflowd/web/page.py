"""The status page as a pure function: a status in, HTML out. Names and reasons are hostile until `shown`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from runflowd import __version__
from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.lifecycle import IN_FLIGHT, BatchState, ItemState
from runflowd.core.printable import short_id
from runflowd.core.remedies import remedy_for
from runflowd.web.formatting import age, money, number, plural, shown, with_commands
from runflowd.web.limit_rows import held, limit_rows
from runflowd.web.view_models import BatchRow, FailureRow, Figure, Page, ProblemRow, RuleRow, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jinja2 import Template

    from runflowd.api.statistics import Pace
    from runflowd.observability.status import RuleStatus, Status
    from runflowd.store.batches import Batch
    from runflowd.store.reports import Entry, FailureGroup

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

_DONE = (ItemState.DONE,)
_BAD = (ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)
_ALL = (*_DONE, *_BAD, *IN_FLIGHT, ItemState.WAITING)
"""What a rule has to do with; what it leaves out is no part of its progress."""


def view(status: Status, unready: Collection[str], rules: Collection[str], pace: Pace, said: str = "") -> Page:
    """Word a status. `unready` are reasons why the daemon is not at work, `rules` those that can be retried.

    `pace` is what the daemon has learned of the service, `said` what the last button did.
    """
    columns = tuple(name for name in COLUMNS if name in ALWAYS or _total(status, *COLUMNS[name]))
    headline, tone = next(_headlines(status, unready))
    failures = tuple(_failure(cause, status.now, rules) for cause in status.causes)
    failed = _total(status, *_BAD)
    unseen = failed - sum(cause.count for cause in status.causes)
    return Page(
        version=__version__,
        headline=headline,
        tone=tone,
        notes=tuple(unready),
        said=said,
        figures=tuple(_figures(status, pace)),
        columns=columns,
        rules=tuple(_rule(status, rule, columns) for rule in status.rules),
        limits=tuple(limit_rows(status)),
        batches=tuple(_batch(status, batch) for batch in status.batches),
        incidents=tuple(_incidents(status)),
        paused=tuple(_pauses(status)),
        failures=failures,
        failed=number(failed),
        more_failures=f"and {number(unseen)} more: `runflowd list --state failed`" if unseen > 0 and failures else "",
        partial=tuple(_advised(entry) for entry in status.partial),
        waiting=tuple(_advised(entry) for entry in status.waiting),
        state=shown(status.state),
        pid="" if status.pid is None else str(status.pid),
    )


def _total(status: Status, *states: ItemState) -> int:
    return sum(rule.count(*states) for rule in status.rules)


def _headlines(status: Status, unready: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is to be said of it all, the worst first; it is done only when nothing waits for anybody."""
    if unready:
        yield "Not ready", "warn"
    if status.incidents:
        yield plural(len(status.incidents), "incident"), "bad"
    if any(batch.state is BatchState.UNKNOWN for batch in status.batches) or _total(status, ItemState.OUTCOME_UNKNOWN):
        yield "Needs a decision", "warn"
    if paused := len(list(_pauses(status))):
        yield f"{number(paused)} paused", "warn"
    if _total(status, *IN_FLIGHT):
        yield "At work", "busy"
    if waiting := _total(status, ItemState.WAITING):
        yield f"{number(waiting)} waiting", "warn"
    if failed := _total(status, ItemState.FAILED):
        yield f"Done, {number(failed)} failed", "warn"
    yield "All done", "good"


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
        progress=f"{number(rule.count(*_DONE))} of {number(rule.count(*_ALL))} done",
        held=held(status, rule.name),
    )


def _bar(rule: RuleStatus) -> Iterator[Segment]:
    """What is done and what failed, of all; the rest of the bar is still to come."""
    total, start = rule.count(*_ALL), 0.0
    for tone, states in (("done", _DONE), ("bad", _BAD)) if total else ():
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
        rule = each.scope.partition(":")[2] if each.code == APPROVAL_NEEDED else ""
        tag = shown(f"{each.scope} · {each.code}")
        yield ProblemRow(
            shown(each.message), "", shown(each.remedy), tag, since, rule=rule, files=status.approvals.get(rule, 0)
        )


def _pauses(status: Status) -> Iterator[ProblemRow]:
    """What somebody has to let go on; of a stop its incident tells."""
    for pause in (each for each in status.pauses if not each.advice):
        since = f"for {age(status.now - pause.since)}"
        yield ProblemRow(shown(f"{pause.subject} is paused"), shown(pause.reason), shown(pause.remedy), "paused", since)


def _failure(cause: FailureGroup, now: float, rules: Collection[str]) -> FailureRow:
    again = cause.state is ItemState.FAILED and cause.rule in rules
    alone = cause.count == 1
    reason = shown(cause.reason or "no reason was given")
    return FailureRow(
        title=shown(f"{cause.rule}/{cause.path}") if alone else f"{shown(cause.rule)}: {number(cause.count)} files",
        detail=reason if alone else f"latest {shown(cause.path)}: {reason}",
        remedy=remedy_for(cause.state, cause.code, cause.rule, cause.path),
        tag=shown(cause.code),
        since=f"{age(now - cause.at)} ago",
        retry=("Retry" if alone else f"Retry {number(cause.count)}") if again else "",
        reference=cause.reference if alone else "",
        rule=cause.rule,
        code=cause.code,
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
    environment.filters["with_commands"] = with_commands
    return environment.get_template("status.html")


def render(page: Page, token: str, nonce: str) -> str:
    """The whole document; `token` goes into its forms, `nonce` lets its style and script run."""
    return _template().render(page=page, token=token, nonce=nonce)
