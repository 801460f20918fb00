"""How things stand, in the words and numbers of the first screen. Names and reasons are hostile until `shown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.lifecycle import IN_FLIGHT, BatchState, ItemState
from runflowd.core.printable import short_id
from runflowd.core.remedies import remedy_for
from runflowd.store.pauses import EVERY_RULE
from runflowd.web.file_filter import STATES, TO_REVIEW, FileFilter, state_word
from runflowd.web.formatting import age, money, number, plural, shown
from runflowd.web.limit_rows import held, limit_rows
from runflowd.web.view_models import BatchRow, FailureRow, Figure, Page, ProblemRow, RuleRow, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runflowd.api.statistics import Pace
    from runflowd.observability.status import RuleStatus, Status
    from runflowd.store.batches import Batch
    from runflowd.store.reports import Entry, FailureGroup

ALWAYS = ("Queued", "Processing", "Done", "Failed")
"""Columns that stand even when they are empty; the others come when there is something to show."""

_DONE = (ItemState.DONE,)
_BAD = (ItemState.FAILED, ItemState.OUTCOME_UNKNOWN)
_ALL = (*_DONE, *_BAD, *IN_FLIGHT, ItemState.WAITING)
"""What a rule has to do with; what it leaves out is no part of its progress."""


def view(status: Status, unready: Collection[str], rules: Collection[str], pace: Pace) -> Page:
    """Word a status. `unready` are reasons why the daemon is not at work, `rules` those that can be retried.

    `pace` is what the daemon has learned of the service.
    """
    columns = tuple(name for name in STATES if name in ALWAYS or _total(status, *STATES[name]))
    headline, tone = next(_headlines(status, unready))
    failures = tuple(_failure(cause, status.now, rules) for cause in status.causes)
    failed = _total(status, *_BAD)
    unseen = failed - sum(cause.count for cause in status.causes)
    return Page(
        headline=headline,
        tone=tone,
        notes=tuple(unready),
        figures=tuple(_figures(status, pace)),
        columns=columns,
        rules=tuple(_rule(status, rule, columns) for rule in status.rules),
        limits=tuple(limit_rows(status)),
        batches=tuple(_batch(status, batch) for batch in status.batches),
        incidents=tuple(_incidents(status)),
        paused=tuple(_pauses(status)),
        all_paused=any(each.rule == EVERY_RULE for each in status.pauses),
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
    if to_review := sum(status.to_review.values()):
        yield f"{number(to_review)} {'waits' if to_review == 1 else 'wait'} for review", "warn"
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
    to_review = sum(status.to_review.values())
    note = f"{number(to_review)} for review" if to_review else ""
    where = FileFilter(state=TO_REVIEW).at("/files") if to_review else ""
    yield Figure("Done", number(_total(status, ItemState.DONE)), note, address=where)
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
    to_review = status.to_review.get(rule.name, 0)
    review = f", {number(to_review)} for review" if to_review else ""
    return RuleRow(
        name=shown(rule.name),
        model=shown(rule.model) or "no longer configured",
        watch=shown(rule.watch),
        output=shown(rule.output),
        address=FileFilter(rule=rule.name).at("/files"),
        counts=tuple(
            (name, number(rule.count(*STATES[name])), FileFilter(rule=rule.name, state=name).at("/files"))
            for name in columns
        ),
        bar=tuple(_bar(rule)),
        progress=f"{number(rule.count(*_DONE))} of {number(rule.count(*_ALL))} done{review}",
        switch=_switch(status, rule),
        held=held(status, rule.name),
    )


def _switch(status: Status, rule: RuleStatus) -> str:
    if any(each.rule == rule.name for each in status.pauses):
        return "resume"
    return "pause" if rule.watch else ""


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
        title = shown(f"{pause.subject} is paused")
        yield ProblemRow(title, shown(pause.reason), shown(pause.remedy), "paused", since, rule=pause.rule, resume=True)


def _failure(cause: FailureGroup, now: float, rules: Collection[str]) -> FailureRow:
    """Of what was charged though it failed there is no other try that costs nothing, so it is not counted in one."""
    again = cause.count - cause.charged if cause.state is ItemState.FAILED and cause.rule in rules else 0
    alone = cause.count == 1
    reason = shown(cause.reason or "no reason was given")
    remedy = remedy_for(cause.state, cause.code, cause.rule, cause.path)
    if cause.charged:
        what = plural(cause.charged, "file")
        remedy += f" What was charged though it failed ({what}) is bought again by `runflowd retry --buy-again` only."
    return FailureRow(
        title=shown(f"{cause.rule}/{cause.path}") if alone else f"{shown(cause.rule)}: {number(cause.count)} files",
        detail=reason if alone else f"latest {shown(cause.path)}: {reason}",
        remedy=remedy,
        tag=shown(cause.code),
        since=f"{age(now - cause.at)} ago",
        address=FileFilter(rule=cause.rule, state=state_word(cause.state)).at("/files"),
        retry=("Retry" if alone else f"Retry {number(again)}") if again else "",
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
