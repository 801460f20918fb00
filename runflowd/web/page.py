"""How things stand, in the words and numbers of the first screen. Names and reasons are hostile until `shown`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.incident_scope import is_warning
from runflowd.core.lifecycle import IN_FLIGHT, BatchState, ItemState
from runflowd.core.printable import short_id
from runflowd.core.remedies import remedy_for
from runflowd.store.pauses import EVERY_RULE
from runflowd.web.figures import count, figures, total
from runflowd.web.file_filter import STATES, TO_REVIEW, FileFilter, count_of, word_of
from runflowd.web.formatting import age, number, plural, sentence, shown
from runflowd.web.limit_rows import held, limit_rows
from runflowd.web.view_models import BatchRow, FailureRow, HostRow, Page, ProblemRow, RuleRow, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runflowd.api.statistics import Pace
    from runflowd.observability.rule_status import RuleStatus
    from runflowd.observability.status import Status
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
    columns = tuple(name for name in (*STATES, TO_REVIEW) if name in ALWAYS or count(status, name))
    headline, tone = next(_headlines(status, unready))
    failures = tuple(_failure(cause, status.now, rules) for cause in status.causes)
    failed = total(status, *_BAD)
    unseen = failed - sum(cause.count for cause in status.causes)
    return Page(
        headline=headline,
        tone=tone,
        notes=tuple(unready),
        figures=tuple(figures(status, pace)),
        columns=columns,
        rules=tuple(_rule(status, rule, columns) for rule in status.rules),
        limits=tuple(limit_rows(status)),
        batches=tuple(_batch(status, batch) for batch in status.batches),
        incidents=tuple(_incidents(status, warn=False)),
        warnings=tuple(_incidents(status, warn=True)),
        paused=tuple(_pauses(status)),
        all_paused=any(each.rule == EVERY_RULE for each in status.pauses),
        failures=failures,
        failed=number(failed),
        more_failures=f"and {number(unseen)} more: `runflowd list --state failed`" if unseen > 0 and failures else "",
        partial=tuple(_advised(entry) for entry in status.partial),
        waiting=tuple(_advised(entry) for entry in status.waiting),
        hosts=tuple(map(_host, status.hosts)) if len(status.hosts) > 1 else (),
        state=shown(status.state),
        pid="" if status.pid is None else str(status.pid),
    )


_TONES = {"working": "good", "drained": "warn", "gone": "bad"}


def _host(host: Mapping[str, Any]) -> HostRow:
    lacks = ", ".join(sorted({*host["unseen"], *host["undelivered"]}))
    word = host["state"]
    return HostRow(
        host["name"],
        word,
        _TONES[word],
        ", ".join(host["intake"]),
        lacks,
        number(host["batches"]),
        number(host["files"]),
    )


def _headlines(status: Status, unready: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is to be said of it all, the worst first; it is done only when nothing waits for anybody."""
    if unready:
        yield "Not ready", "warn"
    warnings = sum(is_warning(each.scope) for each in status.incidents)
    if trouble := len(status.incidents) - warnings:
        yield ", ".join([plural(trouble, "incident"), *([plural(warnings, "warning")] if warnings else [])]), "bad"
    if warnings:
        yield plural(warnings, "warning"), "warn"
    if any(batch.state is BatchState.UNKNOWN for batch in status.batches) or total(status, ItemState.OUTCOME_UNKNOWN):
        yield "Needs a decision", "warn"
    if paused := len(list(_pauses(status))):
        yield f"{number(paused)} paused", "warn"
    if total(status, *IN_FLIGHT):
        yield "At work", "busy"
    if to_review := sum(status.to_review.values()):
        yield f"{number(to_review)} {'waits' if to_review == 1 else 'wait'} for review", "warn"
    if waiting := total(status, ItemState.WAITING):
        yield f"{number(waiting)} waiting", "warn"
    if failed := total(status, ItemState.FAILED):
        yield f"Done, {number(failed)} failed", "warn"
    yield "All done", "good"


def _rule(status: Status, rule: RuleStatus, columns: tuple[str, ...]) -> RuleRow:
    to_review = status.to_review.get(rule.name, 0)
    review = f", {number(to_review)} for review" if to_review else ""
    return RuleRow(
        name=shown(rule.name),
        model=shown(rule.model) or (f"on host {rule.host}" if rule.host else "no longer configured"),
        watch=shown(rule.watch),
        output=shown(rule.output),
        address=FileFilter(rule=rule.name).at("/files"),
        counts=tuple(
            (
                name,
                number(count_of(name, rule.counts, status.to_review.get(rule.name, 0))),
                FileFilter(rule=rule.name, state=name).at("/files"),
            )
            for name in columns
        ),
        bar=tuple(_bar(rule)),
        progress=f"{number(count_of('Done', rule.counts, to_review))} of {number(rule.count(*_ALL))} done{review}",
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
        address=FileFilter(batch=batch.id).at("/files"),
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


def _incidents(status: Status, *, warn: bool) -> Iterator[ProblemRow]:
    for each in (each for each in status.incidents if is_warning(each.scope) is warn):
        since = f"for {age(status.now - each.since)}"
        rule = each.scope.partition(":")[2] if each.code == APPROVAL_NEEDED else ""
        tag = shown(f"{each.scope} · {each.code}")
        yield ProblemRow(
            shown(sentence(each.message)),
            "",
            shown(sentence(each.remedy)),
            tag,
            since,
            rule=rule,
            files=status.approvals.get(rule, 0),
        )


def _pauses(status: Status) -> Iterator[ProblemRow]:
    """What somebody has to let go on; of a stop its incident tells."""
    for pause in (each for each in status.pauses if not each.advice):
        since = f"for {age(status.now - pause.since)}"
        title = shown(sentence(f"{pause.subject} is paused"))
        yield ProblemRow(
            title,
            shown(pause.reason),
            shown(sentence(pause.remedy)),
            "paused",
            since,
            rule=pause.rule,
            resume=True,
        )


def _failure(cause: FailureGroup, now: float, rules: Collection[str]) -> FailureRow:
    """Of what was charged though it failed there is no other try that costs nothing, so it is not counted in one."""
    again = cause.count - cause.charged if cause.state is ItemState.FAILED and cause.rule in rules else 0
    alone = cause.count == 1
    reason = shown(cause.reason or "no reason was given")
    remedy = sentence(remedy_for(cause.state, cause.code, cause.rule, cause.path))
    if cause.charged:
        what = plural(cause.charged, "file")
        remedy += f" What was charged though it failed ({what}) is bought again by `runflowd retry --buy-again` only."
    return FailureRow(
        title=shown(f"{cause.rule}/{cause.path}") if alone else f"{shown(cause.rule)}: {number(cause.count)} files",
        detail=sentence(reason) if alone else f"Latest {shown(cause.path)}: {reason}",
        remedy=remedy,
        tag=shown(cause.code),
        since=f"{age(now - cause.at)} ago",
        address=FileFilter(rule=cause.rule, state=word_of(cause.state)).at("/files"),
        retry=("Retry" if alone else f"Retry {number(again)}") if again else "",
        reference=cause.reference if alone else "",
        rule=cause.rule,
        code=cause.code,
    )


def _advised(entry: Entry) -> ProblemRow:
    return ProblemRow(
        title=shown(f"{entry.rule}/{entry.path}"),
        detail=shown(sentence(entry.reason)),
        remedy=sentence(remedy_for(entry.state, entry.code, entry.rule, entry.path)),
        tag=shown(entry.code),
    )
