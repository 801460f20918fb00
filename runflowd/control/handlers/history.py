"""The whole story of one file: every content that was at its path, and what became of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runflowd.control.command_context import count, rule_asked_for, text
from runflowd.control.refusal import CommandRefused
from runflowd.core.chains import is_within
from runflowd.core.incident_scope import CREDIT, SERVICE, ScopeKind
from runflowd.core.lifecycle import IN_FLIGHT, ItemState
from runflowd.core.printable import printable
from runflowd.core.remedies import remedy_for
from runflowd.store.batches import batch_from
from runflowd.store.history import story
from runflowd.store.items import item_at, item_by_id, item_from, split
from runflowd.store.ledger import charged_for
from runflowd.store.links import find_assets
from runflowd.store.outputs import output_at, outputs_of
from runflowd.store.pauses import EVERY_RULE, pauses
from runflowd.store.purchases import purchases_of_batch
from runflowd.store.reports import incidents
from runflowd.store.verdicts import verdicts_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.store.batches import Batch
    from runflowd.store.connection import Row
    from runflowd.store.items import Item

SPAN = 20_000
"""Items passed for one answer: no index leads to the older contents of a path, and the daemon has others to serve."""

MAX_VERSIONS = 50


def logs(context: CommandContext, parameters: Parameters) -> Answer:
    """The `versions` of the file at `path` under `rule`, or under any, oldest first, and where the `next` begin.

    A path is one below a watched folder; `absolute` is where the same words lead from the folder of who asks, also to
    a result.
    With `item` it is about that item alone. `settling` has the rules, each with the path, in which the file is
    not stable yet; None where nobody knows.
    """
    if "item" in parameters:
        row = context.connection.one("item_by_id", id=count(parameters, "item", 0))
        return {"versions": [_version(context, row)] if row else [], "next": None, "settling": []}
    after = count(parameters, "after", 0)
    until = after + SPAN
    rule = rule_asked_for(context, parameters)
    places = _places(context, text(parameters, "path") or "", text(parameters, "absolute") or "", rule)
    found = {
        row["id"]: row
        for name, path in places
        for row in context.connection.all(
            "versions_of", rule=name, after=after, until=until, limit=MAX_VERSIONS, **split(path)
        )
    }
    rows = [found[number] for number in sorted(found)]
    newest = context.connection.one("newest_item")
    if len(rows) >= MAX_VERSIONS:
        rows = rows[:MAX_VERSIONS]
        until = rows[-1]["id"]
    return {
        "versions": [_version(context, row) for row in rows],
        "next": until if newest and until < newest["id"] else None,
        "settling": None if context.settling is None else list(_settling(context.settling, places)),
    }


def _settling(known: Mapping[str, Collection[str]], places: list[tuple[str | None, str]]) -> Iterator[tuple[str, str]]:
    for rule, paths in known.items():
        for path in dict.fromkeys(below for name, below in places if name in {None, rule}):
            if path in paths:
                yield rule, printable(path)


def _places(context: CommandContext, path: str, absolute: str, rule: str | None) -> list[tuple[str | None, str]]:
    """The rules and the paths below their folders that a path, of a source or of its result, may stand for."""
    if not path:
        raise CommandRefused("name a file", 2)
    rules = [each for each in context.config.rules if rule in {None, each.name}]
    below = [(each.name, absolute[len(each.watch) + 1 :]) for each in rules if is_within(absolute, each.watch)]
    output = output_at(context.connection, absolute) if absolute else None
    source = item_by_id(context.connection, output.item) if output is not None else None
    made = [(source.rule, source.path)] if source is not None and rule in {None, source.rule} else []
    return [(rule, path.removeprefix("./")), *below, *made]


def _version(context: CommandContext, row: Row) -> dict[str, Any]:
    item = item_from(row)
    steps = story(context.connection, item.id)
    batch = context.connection.one("batch", id=item.batch) if item.batch else None
    return {
        "id": item.id,
        "rule": item.rule,
        "path": printable(item.path),
        "state": item.state.value,
        "current": item.current,
        "present": item.present,
        "size": item.stat.size,
        "content_hash": item.content_hash,
        "reference": item.client_ref,
        "run": item.run_id,
        "cost": str(item.cost) if item.cost is not None else None,
        "currency": item.currency,
        "charged": {currency: str(amount) for currency, amount in charged_for(context.connection, item.id).items()},
        "hosted": str(item.hosted) if item.hosted is not None else None,
        "found_at": _moment(row["found_at"]),
        "whole": bool(steps) and steps[0].at <= row["found_at"],
        "steps": [
            {"at": _moment(step.at), "state": step.state.value, "code": step.code, "detail": step.detail}
            for step in steps
        ],
        "verdicts": [
            {"at": _moment(each.at), "verdict": each.verdict.value, "who": each.who, "reason": printable(each.reason)}
            for each in verdicts_of(context.connection, item.id)
        ],
        "settings": dict(item.own.of_content(item.content_hash).values) or None,
        "successor": _successor(context, item),
        "source": _source(context, item),
        "made_by": _made_by(context, item),
        "then": _then(context, item),
        "batch": _batch_json(context, batch_from(batch), item) if batch else None,
        "outputs": [
            {
                "path": printable(str(each.path)),
                "size": each.size,
                "content_hash": each.content_hash,
                "written": each.written,
            }
            for each in outputs_of(context.connection, item.id)
        ],
        "now": [printable(line) for line in _now(context, item, row, batch_from(batch) if batch else None)],
    }


def _successor(context: CommandContext, item: Item) -> int | None:
    """The id of the item that took the place of this one at its path."""
    current = None if item.current else item_at(context.connection, item.rule, item.path)
    return current.id if current else None


def _source(context: CommandContext, item: Item) -> dict[str, Any] | None:
    """The item whose result this one takes."""
    original = item_by_id(context.connection, item.duplicate_of) if item.duplicate_of is not None else None
    return {"id": original.id, "path": printable(original.path)} if original else None


def _made_by(context: CommandContext, item: Item) -> dict[str, Any] | None:
    """The item of another rule whose result this file is."""
    watch = next((each.watch for each in context.config.rules if each.name == item.rule), None)
    output = output_at(context.connection, f"{watch}/{item.path}") if watch is not None else None
    if output is None or output.rule == item.rule:
        return None
    return {"id": output.item, "rule": output.rule, "path": printable(output.source)}


def _then(context: CommandContext, item: Item) -> list[dict[str, Any]]:
    """The items of other rules that took the results of this one."""
    found = [
        item_at(context.connection, rule.name, below)
        for output in outputs_of(context.connection, item.id)
        for rule in context.config.rules
        if rule.name != item.rule and (below := output.path.below(rule.watch)) is not None
    ]
    return [
        {"id": each.id, "rule": each.rule, "path": printable(each.path), "state": each.state.value}
        for each in found
        if each is not None
    ]


def _batch_json(context: CommandContext, batch: Batch, item: Item) -> dict[str, Any]:
    """What was sent, and how often; the keys under which it was bought are nobody's business."""
    content = item.content_hash or "", item.mime
    asset = find_assets(context.connection, batch.service, [content]).get(content)
    asked = purchases_of_batch(context.connection, batch.id)
    return {
        "id": batch.id,
        "remote_id": batch.remote_id,
        "model": batch.model,
        "state": batch.state.value,
        "items": batch.items,
        "sealed_at": _moment(batch.sealed_at),
        "submitted_at": _moment(batch.submitted_at),
        "ended_at": _moment(batch.ended_at),
        "upload": {"asset": printable(asset.asset_id), "at": _moment(asset.confirmed_at)} if asset else None,
        "requests": [
            {"at": _moment(each.intended_at), "outcome": each.outcome.value, "ambiguous": each.ambiguous}
            for each in asked
            if each.item in {None, item.id}
        ],
    }


def _now(context: CommandContext, item: Item, row: Row, batch: Batch | None) -> Iterator[str]:
    """Why it stands where it stands, and what is to be done about that."""
    if not item.current:
        return
    if row["size"] < 0:
        yield "it is looked at anew as soon as a daemon or `runflowd sync` runs"
    if item.remark or item.state in {ItemState.WAITING, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN}:
        yield item.failure or item.failure_code or "no reason was given"
        yield remedy_for(item.state, item.failure_code, item.rule, item.path)
    if item.state in IN_FLIGHT:
        yield from _held_up(context, item, batch)
        yield from _own_problems(item, batch)


def _held_up(context: CommandContext, item: Item, batch: Batch | None) -> Iterator[str]:
    """Pauses and trouble wider than the item."""
    if item.state in {ItemState.READY, ItemState.QUEUED}:
        for each in pauses(context.connection):
            if each.rule in {EVERY_RULE, item.rule}:
                yield f"{each.subject} is paused: {each.reason or 'somebody asked'}; {each.remedy}"
    kinds = [ScopeKind.RULE, ScopeKind.OUTPUT, ScopeKind.DOWNLOAD]
    kinds += [ScopeKind.BUDGET] if item.state is ItemState.READY else []
    kinds += [ScopeKind.ELSEWHERE] if batch and batch.service != context.config.service.name else []
    scopes = {str(scope) for scope in (SERVICE, CREDIT, *(kind.of(item.rule) for kind in kinds))}
    for report in incidents(context.connection):
        if report.scope in scopes:
            yield f"{report.message}. {report.remedy}"


def _own_problems(item: Item, batch: Batch | None) -> Iterator[str]:
    if item.state is ItemState.DOWNLOADING and item.failure and not item.remark:
        yield f"its delivery is tried again: {item.failure}"
    if batch is None or item.state not in {ItemState.QUEUED, ItemState.SUBMITTED}:
        return
    if batch.failure:
        tries = f"did not get on at the last of {batch.attempts} tries" if batch.attempts else "waits"
        yield f"its batch {tries}: {batch.failure}"
    if batch.overdue:
        yield "its batch is past its deadline; it is polled slowly and never sent again by itself"


def _moment(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds is not None else None
