"""Verdicts on results: rows that are added and never changed, and how each result stands by them.

Whoever judges only writes rows; the results are moved by whoever finds them due (`pipeline/deliver/review.py`). Of one
content under one recipe there is one result, so what is said of a file holds for those equal to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.printable import printable
from runflowd.core.review import JUDGED, Review
from runflowd.store.claims import run_held
from runflowd.store.history import record, story
from runflowd.store.items import item_by_id, item_from, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runflowd.store.connection import Connection, Row
    from runflowd.store.items import Item


RESULT_REMOVED = "RESULT_REMOVED"
"""The code of a verdict that found no result to move: somebody has removed it."""


class Verdict(StrEnum):
    """What a person says of a result."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNDO = "undo"
    """The verdict in force is taken back: the result waits again."""


AFTERWARDS = {Verdict.ACCEPT: Review.ACCEPTED, Verdict.REJECT: Review.REJECTED, Verdict.UNDO: Review.WAITING}
"""How a result stands by its last verdict."""

FIRST = ("", 0)
"""Where the list of what waits begins."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A verdict on record; `at` is epoch seconds, `who` is "" for somebody at a terminal without a name."""

    verdict: Verdict
    at: float
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """What came of a verdict on an item, which is as it was before.

    `before` is the verdict that was in force, None where there was none: another person may have been first. `changed`
    says whether the result stands otherwise now, `alike` are the other items with that result, which went along.
    """

    item: Item
    before: Spoken | None
    changed: bool
    alike: tuple[int, ...] = ()


def give_verdicts(
    connection: Connection, numbers: Iterable[int], verdict: Verdict, who: str, reason: str, now: float
) -> list[Given]:
    """Accept or reject the results of these items, or take back what was said; the last one counts, all stay on record.

    Items that have no result, or one that nobody was asked about, are left out of the answer; so are those that went
    along with one before them.
    """
    given: list[Given] = []
    along = set[int]()
    for number in numbers:
        item = item_by_id(connection, number)
        judgeable = item is not None and item.state is ItemState.DONE and item.review is not Review.NONE
        if item is not None and judgeable and number not in along:
            given.append(_give(connection, item, verdict, who, reason, now))
            along.update(given[-1].alike)
    return given


def _give(connection: Connection, item: Item, verdict: Verdict, who: str, reason: str, now: float) -> Given:
    spoken, after = _in_force(connection, item), AFTERWARDS[verdict]
    if item.review is after:
        if verdict is not Verdict.UNDO:  # both who judged it are on record
            _say_again(connection, item, verdict, who, reason, now)
        return Given(item, spoken, changed=False)
    others = tuple(row["id"] for row in connection.all("same_results", id=item.id, review=after))
    for number in (item.id, *others):
        _add(connection, number, verdict, who, reason, now)
        connection.run("set_review", id=number, review=after)
        record(connection, number, now, _words(after, who, reason))
    return Given(item, spoken, changed=True, alike=others)


def _say_again(connection: Connection, item: Item, verdict: Verdict, who: str, reason: str, now: float) -> None:
    """A verdict that is in force is given once more; a reason is that of the same results, too."""
    alike = connection.all("same_results", id=item.id, review=Review.WAITING) if reason else ()
    for number in (item.id, *(row["id"] for row in alike)):
        _add(connection, number, verdict, who, reason, now)
        if reason:
            record(connection, number, now, _words(item.review, who, reason))


def _add(connection: Connection, item: int, verdict: Verdict, who: str, reason: str, now: float) -> None:
    """Put a verdict on record; the receipt, which names the last one, is written anew."""
    connection.run("add_verdict", id=item, verdict=verdict, who=who, reason=reason, at=now)
    connection.run("outdate_receipt", id=item)


def _words(after: Review, who: str, reason: str) -> str:
    what = "waits for review again: its verdict was undone" if after is Review.WAITING else str(after)
    return f"{what}{f' by {printable(who)}' if who else ''}{f': {printable(reason)}' if reason else ''}"


def verdicts_of(connection: Connection, item: int) -> list[Spoken]:
    """All that was said of the result of an item, oldest first."""
    return [_spoken(row) for row in connection.all("verdicts_of", item=item)]


def newest_verdict(connection: Connection) -> int:
    """The number of the verdict that was given last; 0 for none."""
    row = connection.one("newest_verdict")
    return int(row["id"] or 0) if row else 0


def verdicts_in_force(
    connection: Connection, span: tuple[int, int], verdict: Verdict, who: str, limit: int
) -> list[tuple[int, int]]:
    """Those of that person with a number in the span, ends included, after which nothing was said: number and item."""
    first, last = span
    rows = connection.all("verdicts_in_force", first=first, last=last, verdict=verdict, who=who, limit=limit)
    return [(row["id"], row["item"]) for row in rows]


def _in_force(connection: Connection, item: Item) -> Spoken | None:
    row = connection.one("last_verdict", item=item.id) if item.review in JUDGED else None
    return _spoken(row) if row else None


def _spoken(row: Row) -> Spoken:
    return Spoken(Verdict(row["verdict"]), row["at"], row["who"], row["reason"])


def waiting_for_review(
    connection: Connection, rule: str | None = None, after: tuple[str, int] = FIRST, limit: int = 100
) -> list[Item]:
    """Done items whose result waits for a verdict, by rule and id, those behind `after`."""
    if rule is None:
        rows = connection.all("to_review", rule=after[0], after=after[1], limit=limit)
    else:
        rows = connection.all("to_review_of_rule", rule=rule, after=after[1], limit=limit)
    return [item_from(row) for row in rows]


def superseded_to_review(connection: Connection, rule: str, path: str) -> list[Item]:
    """Results of a file that wait although another one of it is on its way, or failed to come."""
    return [item_from(row) for row in connection.all("superseded_to_review", rule=rule, **split(path))]


def count_to_review(connection: Connection) -> dict[str, int]:
    """How many results of each rule wait for a verdict; rules without any are left out."""
    return {row["rule"]: row["count"] for row in connection.all("count_to_review")}


def verdict_alike(connection: Connection, item: Item) -> Review:
    """The verdict on another file whose result that of `item` is, too; `NONE` where there is none.

    What was bought for the item itself is another result.
    """
    if item.duplicate_of is None and item.ended_at is None:
        return Review.NONE
    row = connection.one("judged_alike", id=item.id)
    return Review(row["review"]) if row else Review.NONE


def settle_review(connection: Connection, item: Item, now: float) -> None:
    """An item is delivered that stands as it says; what was said meanwhile, or before, of an equal result holds for it.

    To be called in the transaction that makes it done.
    """
    row = connection.one("judged_alike", id=item.id) if item.duplicate_of is not None else None
    last = connection.one("last_verdict", item=row["id"]) if row else None
    if row is None or last is None or item.review is Review.NONE or connection.one("last_verdict", item=item.id):
        return
    _add(connection, item.id, Verdict(last["verdict"]), last["who"], last["reason"], now)
    if item.review is not Review(row["review"]):
        connection.run("set_review", id=item.id, review=row["review"])
    record(connection, item.id, now, f"{row['review']} with item {row['id']}, whose result it has")


def verdict_carried_out(connection: Connection, item: Item, now: float, detail: str, *, removed: bool) -> None:
    """The result of a claimed item is where the verdict wants it, what somebody `removed` left aside.

    The item is given back. Raises `LeaseLost`.
    """
    run_held(connection, "verdict_carried_out", item.claim, review=item.review)
    record(connection, item.id, now, detail, RESULT_REMOVED if removed else "")


def without_result(connection: Connection, numbers: Iterable[int]) -> set[int]:
    """The items of these whose last verdict found that somebody had removed a result."""
    return {number for number in numbers if (steps := story(connection, number)) and steps[-1].code == RESULT_REMOVED}
