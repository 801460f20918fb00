"""The commands that only look: how things stand, and the list of files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runflowd.control.command_context import count, rule_asked_for, text
from runflowd.control.refusal import CommandRefused
from runflowd.core.currency import USD
from runflowd.core.droppings import DROPPINGS
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.core.review import Review
from runflowd.core.state_words import SETTLING, STATE_WORDS, TO_REVIEW, UNTIL_STABLE
from runflowd.core.suggestion import unknown_name
from runflowd.observability.status import as_json, pause_json, take_status
from runflowd.store.left_out import left_out
from runflowd.store.listing import Wanted, page
from runflowd.store.pauses import pauses
from runflowd.store.verdicts import count_to_review

if TYPE_CHECKING:
    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.store.items import Item
    from runflowd.store.left_out import LeftOut

PAGE = 500
"""The most files in one answer of `list`: the daemon has others to serve."""

MAX_FAILURES = 10_000


def status(context: CommandContext, parameters: Parameters) -> Answer:
    """How things stand. `limit` bounds the failed and the waiting files, each."""
    limit = min(count(parameters, "limit", 20), MAX_FAILURES)
    found = as_json(take_status(context.connection, context.place, context.config, context.now, limit))
    if context.daemon is not None:
        found |= {"running": True, "pid": context.daemon["pid"]}
    return found | {"now": context.now, "daemon": context.daemon}


def list_items(context: CommandContext, parameters: Parameters) -> Answer:
    """A page of `items` by `rule`, `state`, `batch`, `pattern` and `part` of a name, and where the `next` one begins.

    It has the first `limit` files whose id is above `after`, or fewer though there are more; `next` is None at the end.
    `state` is one of `STATE_WORDS`, `SETTLING` or `TO_REVIEW`. The last page has those that are not stable yet as
    well, and `unlisted` says for how many of them it had no room, None where nobody knows of them. `paused` has the
    pauses that hold, as `status` shows them; `to_review` says how many results of each rule wait for a verdict.
    """
    batch, after = text(parameters, "batch"), count(parameters, "after", 0)
    word = text(parameters, "state")
    wanted = Wanted(
        rule_asked_for(context, parameters),
        _states(word),
        _own_id(context, batch) if batch else None,
        text(parameters, "pattern"),
        text(parameters, "part") or "",
        to_review={TO_REVIEW: True, "done": False}.get(word or ""),
    )
    limit = max(1, min(count(parameters, "limit", PAGE), PAGE))
    items, further = ([], None) if word == SETTLING else page(context.connection, wanted, after, limit)
    chosen = [_item_json(item) for item in items]
    if word == ItemState.SKIPPED and batch is None and not after:
        chosen += [_left_out_json(each) for each in _left_out(context, wanted)]
    unstable: list[dict[str, Any]] = []
    if further is None and batch is None and word in {None, SETTLING}:
        unstable = [_settling_json(*each) for each in _settling(context, wanted)]
    room = max(0, limit - len(chosen))
    return {
        "items": chosen + unstable[:room],
        "unlisted": None if context.settling is None else len(unstable[room:]),
        "paused": [pause_json(each) for each in pauses(context.connection)],
        "to_review": count_to_review(context.connection),
        "next": further,
    }


def _states(word: str | None) -> tuple[str, ...]:
    """The states that are shown under a word. Raises CommandRefused."""
    if word in {None, SETTLING}:
        return ()
    if word == TO_REVIEW:
        return (ItemState.DONE,)
    if word not in STATE_WORDS:
        raise CommandRefused(unknown_name("state", word, [SETTLING, *STATE_WORDS, TO_REVIEW]), 2)
    return STATE_WORDS[word]


def _left_out(context: CommandContext, wanted: Wanted) -> list[LeftOut]:
    """What the rules, or one of them, leave out by default."""
    rules = [each.name for each in context.config.rules if wanted.rule in {None, each.name}]
    return [each for each in left_out(context.connection, rules) if wanted.fits_path(each.path)]


def _left_out_json(found: LeftOut) -> dict[str, Any]:
    """As a file is shown, although it stands for many and none of them is on record."""
    amounts = [(found.amount.files, "file"), (found.amount.folders, "folder")]
    amount = " and ".join(f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in amounts if number)
    why = f"{amount} left out by default: {DROPPINGS.get(found.pattern, found.pattern)}"
    return {
        **_unrecorded(found.rule, found.path, ItemState.SKIPPED),
        "code": "LEFT_OUT",
        "why": why,
        "files": found.amount.files,
        "folders": found.amount.folders,
    }


def _settling(context: CommandContext, wanted: Wanted) -> list[tuple[str, str]]:
    """The files that are not stable yet, each with its rule, those first that were seen first."""
    known = context.settling or {}
    rules = [rule for rule in known if wanted.rule in {None, rule}]
    return [(rule, path) for rule in rules for path in known[rule] if wanted.fits_path(path)]


def _settling_json(rule: str, path: str) -> dict[str, Any]:
    return {**_unrecorded(rule, path, SETTLING), "why": UNTIL_STABLE}


def _unrecorded(rule: str, path: str, state: str) -> dict[str, Any]:
    """What is no item, as one is shown."""
    return {
        "id": None,
        "rule": rule,
        "path": printable(path),
        "state": str(state),
        "size": 0,
        "content_hash": None,
        "batch": None,
        "run": None,
        "reference": None,
        "cost": None,
        "currency": USD,
        "hosted": None,
        "code": "",
        "why": "",
        "ended_at": None,
        "current": True,
    }


def _own_id(context: CommandContext, name: str) -> str:
    """The id of a batch by that, by its beginning, or by the id that the service gave it. Raises CommandRefused."""
    # Our ids are hexadecimal: behind all that begin so comes a "g".
    found = context.connection.all("batches_named", name=name, end=f"{name}g")
    if not found:
        raise CommandRefused(f"there is no batch {printable(name)!r}. `runflowd list` and `runflowd status` show some.")
    if len(found) > 1:
        raise CommandRefused(f"more than one batch begins with {printable(name)!r}; write more of its id.")
    return str(found[0]["id"])


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "rule": item.rule,
        "path": printable(item.path),
        "state": item.state.value,
        "size": item.stat.size,
        "content_hash": item.content_hash,
        "batch": item.batch,
        "run": item.run_id,
        "reference": item.client_ref,
        "cost": str(item.cost) if item.cost is not None else None,
        "currency": item.currency,
        "hosted": str(item.hosted) if item.hosted is not None else None,
        "code": item.failure_code,
        "why": printable(item.failure),
        "review": item.review.value if item.state is ItemState.DONE else Review.NONE.value,
        "ended_at": datetime.fromtimestamp(item.ended_at, UTC).isoformat() if item.ended_at else None,
        "current": item.current,
    }
