"""Results that wait for a verdict, and what a person says of them."""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from runflowd.control.command_context import MAX_NUMBER, count, flag, is_count, rule_asked_for, text, texts
from runflowd.control.named_files import items_at
from runflowd.control.refusal import CommandRefused
from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.core.review import Review
from runflowd.core.suggestion import closest
from runflowd.store.browsing import Sought, older
from runflowd.store.deliveries import still_to_deliver
from runflowd.store.items import item_by_id
from runflowd.store.listing import Wanted, every
from runflowd.store.outputs import outputs_of
from runflowd.store.verdicts import (
    AFTERWARDS,
    FIRST,
    Verdict,
    count_to_review,
    give_verdicts,
    newest_verdict,
    verdicts_in_force,
    waiting_for_review,
    without_result,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.control.command_context import Answer, CommandContext, Parameters
    from runflowd.store.items import Item
    from runflowd.store.verdicts import Given

PAGE = 500
"""Results in one answer, and verdicts given at once: the daemon has others to serve."""


def to_review(context: CommandContext, parameters: Parameters) -> Answer:
    """A page of `items` that wait for a verdict, of `rule` or of all, their `counts`, and where the `next` page begins.

    It has the first `limit` behind the rule and the id that `after_rule` and `after` name.
    """
    rule = rule_asked_for(context, parameters)
    after = (text(parameters, "after_rule") or "", count(parameters, "after", 0))
    limit = max(1, min(count(parameters, "limit", PAGE), PAGE))
    items = waiting_for_review(context.connection, rule, after, limit)
    further = {"after_rule": items[-1].rule, "after": items[-1].id} if len(items) == limit else None
    shown = [_item_json(context, item) for item in items]
    return {"items": shown, "counts": count_to_review(context.connection), "next": further}


def judge_results(context: CommandContext, parameters: Parameters) -> Answer:
    """Give the `verdict` of `who`, with a `reason`, on the results that `patterns` mean, or on that of one `item`.

    `absolute` are the places to which the same words lead from the folder of who asks. With `everything` it is given on
    a page of what waits, of which `folder`, `name`, `since` and `until` choose; `left` is how many wait still. With
    `undo` the verdict is taken back where it is in force; with `first` and `last` a page of those that `who` gave under
    these numbers, and from `next` on there may be more. `first` and `last` of the answer are the numbers of these.
    """
    verdict, undo = _verdict(parameters), flag(parameters, "undo")
    rule, connection = rule_asked_for(context, parameters), context.connection
    who, reason = text(parameters, "who") or "", text(parameters, "reason") or ""
    further, numbers = None, list[int]()
    if "first" in parameters:
        span = (count(parameters, "first", 0), count(parameters, "last", 0))
        spoken = verdicts_in_force(connection, span, verdict, who, PAGE)
        numbers, undo = [item for _, item in spoken], True
        further = spoken[-1][0] + 1 if len(spoken) == PAGE else None
    elif flag(parameters, "everything"):
        numbers = [item.id for item in older(connection, _sought(parameters, rule), None, PAGE).items]
    elif "item" in parameters:
        numbers = [_one(context, parameters, verdict).id]
    else:
        numbers = [item.id for item in _named(context, parameters, rule, verdict, undo=undo)]
    first = newest_verdict(connection) + 1
    given = give_verdicts(connection, numbers, Verdict.UNDO if undo else verdict, who, reason, context.now)
    counts = count_to_review(connection)
    left = sum(counts.values()) if rule is None else counts.get(rule, 0)
    return {
        "items": [_given_json(each) for each in given],
        "left": left,
        "first": first,
        "last": newest_verdict(connection),
        "next": further,
    }


def outcome(context: CommandContext, parameters: Parameters) -> Answer:
    """What became of verdicts on `items`, which are ids: those that are `due` still, and those with a result `removed`.

    The results that are `left` were edited since they were delivered, so they stay where they are; each has the id of
    its item and its path.
    """
    numbers = [number for number in _ids(parameters) if is_count(number)][:PAGE]
    outputs = [output for number in numbers for output in outputs_of(context.connection, number) if output.edited]
    return {
        "due": sorted(still_to_deliver(context.connection, numbers)),
        "removed": sorted(without_result(context.connection, numbers)),
        "left": [{"id": output.item, "path": printable(str(output.path))} for output in outputs],
    }


def _ids(parameters: Parameters) -> list[Any]:
    found = parameters.get("items")
    return list(found) if isinstance(found, list | tuple) else []


def _verdict(parameters: Parameters) -> Verdict:
    word = text(parameters, "verdict")
    if word not in {Verdict.ACCEPT, Verdict.REJECT}:
        raise CommandRefused("verdict must be accept or reject", 2)
    return Verdict(word)


def _sought(parameters: Parameters, rule: str | None) -> Sought:
    """What of all that waits is meant; `since` and `until` are epoch seconds."""
    ended = float(count(parameters, "since", 0)), float(count(parameters, "until", MAX_NUMBER))
    folder, name = text(parameters, "folder") or "", text(parameters, "name") or ""
    return Sought(rule or "", folder=folder, name=name, ended=ended, to_review=True)


def _one(context: CommandContext, parameters: Parameters, verdict: Verdict) -> Item:
    """The `item` with that id. Raises CommandRefused where nobody is asked about its result.

    So it does with `still` where the verdict, to which a reason is added, is not in force any more.
    """
    item = item_by_id(context.connection, count(parameters, "item", 0))
    if item is None or item.state is not ItemState.DONE or item.review is Review.NONE:
        raise CommandRefused("there is no result to be judged any more: look at how the file stands now")
    if flag(parameters, "still") and item.review is not AFTERWARDS[verdict]:
        raise CommandRefused(f"{printable(item.path)} is not {AFTERWARDS[verdict]} any more, so no reason was added")
    return item


def _named(
    context: CommandContext, parameters: Parameters, rule: str | None, verdict: Verdict, *, undo: bool
) -> list[Item]:
    """The items that are meant. Raises CommandRefused for words that mean none with a result to be judged."""
    patterns, absolute = texts(parameters, "patterns"), texts(parameters, "absolute")
    places = absolute if len(absolute) == len(patterns) else ("",) * len(patterns)
    found: dict[int, Item] = {}
    for pattern, place in zip(patterns, places, strict=True):
        named = list(items_at(context, rule, pattern, place))
        meant = [item for item in named if not _refusal(item, verdict, undo=undo)]
        if named and not meant:
            raise CommandRefused(_refusal(named[0], verdict, undo=undo))
        meant = meant or list(_matching(context, rule, pattern, verdict, undo=undo))
        if not meant:
            raise CommandRefused(_nothing(context, rule, pattern))
        found |= {item.id: item for item in meant}
    return list(found.values())


def _matching(
    context: CommandContext, rule: str | None, pattern: str, verdict: Verdict, *, undo: bool
) -> Iterator[Item]:
    """The items whose path matches: those that wait, or with `undo` those for which the verdict is in force."""
    if undo:
        done = every(context.connection, Wanted(rule, (ItemState.DONE,), pattern=pattern))
        yield from (item for item in done if item.review is AFTERWARDS[verdict])
        return
    after = FIRST
    while page := waiting_for_review(context.connection, rule, after, PAGE):
        yield from (item for item in page if fnmatchcase(item.path, pattern))
        after = page[-1].rule, page[-1].id


def _refusal(item: Item, verdict: Verdict, *, undo: bool) -> str:
    """Why nothing can be said of the result of a file that was named; "" where it can."""
    path = printable(item.path)
    if item.state is not ItemState.DONE:
        return f"{path} has no result to be judged: it is {item.state}. `runflowd logs {shlex.quote(path)}` tells why."
    if item.review is Review.NONE:
        return (
            f"nobody is asked about the result of {path}: rule {item.rule} has no `review`, or had none when it was "
            "delivered, or did not choose this one"
        )
    if undo and item.review is not AFTERWARDS[verdict]:
        return f"{path} is not {AFTERWARDS[verdict]}. {_TAKEN_BACK[item.review].format(path=shlex.quote(path))}"
    return ""


_TAKEN_BACK = {
    Review.WAITING: "It waits for review, so there is nothing to undo.",
    Review.ACCEPTED: "It is accepted: `runflowd accept --undo {path}` takes that back.",
    Review.REJECTED: "It is rejected: `runflowd reject --undo {path}` takes that back.",
}
"""What is to be said instead of the verdict that somebody wanted to take back."""


def _nothing(context: CommandContext, rule: str | None, pattern: str) -> str:
    near = closest(pattern, (item.path for item in waiting_for_review(context.connection, rule, FIRST, PAGE)))
    meant = f"did you mean {printable(near)}?" if near else "`runflowd review` shows those that wait."
    return f"there is no result of {printable(pattern)} to be judged; {meant}"


def _item_json(context: CommandContext, item: Item) -> dict[str, Any]:
    outputs = outputs_of(context.connection, item.id)
    return {
        "id": item.id,
        "rule": item.rule,
        "path": printable(item.path),
        "results": [printable(str(output.path)) for output in outputs],
    }


def _given_json(given: Given) -> dict[str, Any]:
    before = given.before
    return {
        "id": given.item.id,
        "rule": given.item.rule,
        "path": printable(given.item.path),
        "changed": given.changed,
        "alike": len(given.alike),
        "before": {"verdict": before.verdict.value, "who": printable(before.who), "at": before.at} if before else None,
    }
