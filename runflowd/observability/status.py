"""How things stand, read from the state file: whether a daemon runs is only one of the facts.

Everything here is a value made from one read-only look, so that `status` can be asked at any time and
costs the daemon nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runflowd.core.approval import APPROVAL_NEEDED
from runflowd.core.currency import USD
from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.periods import day_begins, period_of
from runflowd.core.remedies import remedy_for
from runflowd.core.undeliverable import recipe_of
from runflowd.observability.hosts import host_rows, hosts_at
from runflowd.observability.rule_status import rule_json, rule_statuses
from runflowd.store.approvals import waiting_for_approval
from runflowd.store.batches import batch_from
from runflowd.store.pauses import pauses
from runflowd.store.reports import count_files, failure_groups, failures, files_left, incidents, partial, waiting
from runflowd.store.reserving import every_limit
from runflowd.store.spending import Spend, hosted_since, spent_today
from runflowd.store.state_file import holder
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from runflowd.config import Essentials
    from runflowd.core.money import Limit
    from runflowd.observability.rule_status import RuleStatus
    from runflowd.store import Connection
    from runflowd.store.batches import Batch
    from runflowd.store.pauses import Pause
    from runflowd.store.reports import Entry, FailureGroup, Incident
    from runflowd.system.paths import Place

LATELY = 24 * 3600.0
"""Seconds for which a result that came in part is shown; `list` and the note beside it tell of it for good."""

OPEN_BATCHES = 100
"""Open batches shown at most; the daemon submits a handful at a time."""


@dataclass(frozen=True, slots=True)
class Status:
    """One look. `pid` is the process that holds the state file, None when none does; times are epoch seconds.

    `failures` are single ones, or else `causes` has them by cause.
    `approvals` is how many files of a rule wait for one, `to_review` how many of its results wait for a verdict.
    `left` is how many files each open batch still waits for, `partial` what was done though some outputs did not come.
    `limits` are those of money, each with what counts against it, in `currency`; days begin in `zone`, None for that of
    this machine.
    """

    state: str
    pid: int | None
    now: float
    rules: tuple[RuleStatus, ...]
    batches: tuple[Batch, ...]
    failures: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    incidents: tuple[Incident, ...]
    spent_today: Spend
    pauses: tuple[Pause, ...] = ()
    approvals: Mapping[str, int] = field(default_factory=dict)
    to_review: Mapping[str, int] = field(default_factory=dict)
    hosted_today: Decimal = Decimal(0)
    left: Mapping[str, int] = field(default_factory=dict)
    partial: tuple[Entry, ...] = ()
    causes: tuple[FailureGroup, ...] = ()
    limits: tuple[Limit, ...] = ()
    zone: tzinfo | None = None
    currency: str = USD
    hosts: tuple[Mapping[str, Any], ...] = ()

    def ended(self, batch: Batch) -> int:
        """How many files of an open batch it waits for no longer."""
        return max(0, batch.items - self.left.get(batch.id, 0))


def take_status(
    connection: Connection, place: Place, config: Essentials, now: float, limit: int, *, grouped: bool = False
) -> Status:
    """Read how things stand; at most `limit` failed items and as many that wait. If `grouped`, failures by cause."""
    money = config.money_in_force
    known = hosts_at(connection, place, now)
    midnight = day_begins(period_of(now, money.zone), money.zone)
    return Status(
        state=str(place),
        pid=holder(place),
        now=now,
        rules=rule_statuses(connection, config, count_files(connection), known),
        batches=tuple(batch_from(row) for row in connection.all("open_batches", limit=OPEN_BATCHES)),
        failures=() if grouped else tuple(failures(connection, limit)),
        waiting=tuple(waiting(connection, limit)),
        incidents=tuple(incidents(connection)),
        spent_today=spent_today(connection, money, now),
        hosted_today=hosted_since(connection, midnight),
        pauses=tuple(pauses(connection)),
        approvals=_approvals(connection, config),
        to_review=count_to_review(connection),
        left=files_left(connection),
        partial=tuple(partial(connection, now - LATELY, limit)),
        causes=tuple(failure_groups(connection, limit)) if grouped else (),
        limits=tuple(every_limit(connection, money, [rule.name for rule in config.rules], now)),
        zone=money.zone,
        currency=money.currency,
        hosts=tuple(host_rows(connection, known)),
    )


def _approvals(connection: Connection, config: Essentials) -> dict[str, int]:
    """How many files of which rules wait for an approval."""
    held = {each.scope.partition(":")[2] for each in incidents(connection) if each.code == APPROVAL_NEEDED}
    rules = (rule for rule in config.rules if rule.name in held)
    return {rule.name: waiting_for_approval(connection, rule.name, recipe_of(rule)) for rule in rules}


def as_json(status: Status) -> dict[str, Any]:
    """The same for programs: plain data, durations in seconds, money as decimal text."""
    return {
        "state": status.state,
        "running": status.pid is not None,
        "pid": status.pid,
        "currency": status.currency,
        "spent_today": str(status.spent_today.total),
        "spent_estimated": str(status.spent_today.estimated),
        "spent_unpriced": status.spent_today.unpriced,
        "spent_in_others": {currency: str(amount) for currency, amount in status.spent_today.others.items()},
        "hosted_today": str(status.hosted_today),
        "in_flight": sum(rule.count(*IN_FLIGHT) for rule in status.rules),
        "limits": [_limit_json(each) for each in status.limits],
        "rules": [rule_json(rule, status.to_review.get(rule.name, 0)) for rule in status.rules],
        "batches": [_batch_json(status, batch) for batch in status.batches],
        "failures": [entry_json(entry) for entry in status.failures],
        "waiting": [entry_json(entry) for entry in status.waiting],
        "partial": [entry_json(entry) for entry in status.partial],
        "approvals": dict(status.approvals),
        "to_review": dict(status.to_review),
        "paused": [pause_json(each) for each in status.pauses],
        "hosts": list(status.hosts),
        "incidents": [
            {
                "scope": each.scope,
                "host": each.host,
                "code": each.code,
                "message": each.message,
                "remedy": each.remedy,
                "since": each.since,
            }
            for each in status.incidents
        ],
    }


def pause_json(pause: Pause) -> dict[str, Any]:
    """One pause for programs; of one that is `stopped` an incident tells as well."""
    return {
        "rule": pause.rule,
        "subject": pause.subject,
        "since": pause.since,
        "reason": pause.reason,
        "remedy": pause.remedy,
        "stopped": bool(pause.advice),
    }


def _limit_json(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.key,
        "limit": str(limit.amount),
        "stop": str(limit.stop),
        "charged": str(limit.charged),
        "reserved": str(limit.reserved),
        "left": str(limit.left),
        "resets_at": limit.resets_at,
    }


def _batch_json(status: Status, batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "remote_id": batch.remote_id,
        "rule": batch.rule,
        "model": batch.model,
        "state": str(batch.state),
        "items": batch.items,
        "ended": status.ended(batch),
        "age": round(max(0.0, status.now - batch.sealed_at), 1),
        "overdue": batch.overdue,
        "attempts": batch.attempts,
        "reason": batch.failure,
    }


def _remedy(entry: Entry) -> str:
    if entry.state is ItemState.DONE and not entry.code:
        return ""
    return remedy_for(entry.state, entry.code, entry.rule, entry.path)


def entry_json(entry: Entry) -> dict[str, Any]:
    """One item for programs; `remedy` is empty when nothing is wrong with it."""
    return {
        "rule": entry.rule,
        "file": entry.path.encode("utf-8", "backslashreplace").decode("utf-8"),
        "state": str(entry.state),
        "model": entry.model,
        "batch": entry.batch,
        "remote_batch": entry.remote_batch,
        "seconds": None if entry.seconds is None else round(entry.seconds, 2),
        "cost": None if entry.cost is None else str(entry.cost),
        "currency": entry.currency,
        "hosted": None if entry.hosted is None else str(entry.hosted),
        "code": entry.code,
        "reason": entry.reason,
        "remedy": _remedy(entry),
        "reference": entry.reference,
    }
