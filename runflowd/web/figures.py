"""The numbers at the top of the first screen, each of them that of the list behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.web.file_filter import TO_REVIEW, FileFilter, count_of, state_word
from runflowd.web.formatting import money, number, plural
from runflowd.web.view_models import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.api.statistics import Pace
    from runflowd.observability.status import Status

_FLYING = (ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING)
"""On their way to the service and back. What is ready waits for its batch, or for money or a person."""


def count(status: Status, word: str) -> int:
    """How many files of all rules a list has that is asked for by this state."""
    return sum(count_of(word, rule.counts, status.to_review.get(rule.name, 0)) for rule in status.rules)


def total(status: Status, *states: ItemState) -> int:
    """How many files of all rules are in these states."""
    return sum(rule.count(*states) for rule in status.rules)


def figures(status: Status, pace: Pace) -> Iterator[Figure]:
    """What is in flight, done and failed, and what this day has cost."""
    flying, failed = total(status, *_FLYING), total(status, ItemState.FAILED)
    unknown = total(status, ItemState.OUTCOME_UNKNOWN)
    allowed = f"; the service allows {pace.allowed}" if pace.allowed else ""
    yield Figure("In flight", number(flying), _open_batches(len(status.batches)) + allowed)
    to_review = sum(status.to_review.values())
    note = f"{number(to_review)} for review" if to_review else ""
    where = FileFilter(state=TO_REVIEW).at("/files") if to_review else ""
    yield Figure("Done", number(count(status, "Done")), note, address=where)
    note = f"{number(unknown)} unknown" if unknown else ""
    where = FileFilter(state=state_word(ItemState.OUTCOME_UNKNOWN)).at("/files") if unknown else ""
    yield Figure("Failed", number(failed), note, "bad" if failed or unknown else "", address=where)
    spent = status.spent_today
    hosted = f"hosted, about {money(status.hosted_today)}" if status.hosted_today else ""
    about = f"{money(spent.estimated, status.currency)} estimated" if spent.estimated else ""
    unpriced = f"without {plural(spent.unpriced, 'file')} of unknown price" if spent.unpriced else ""
    others = [f"and {money(amount, currency)}" for currency, amount in spent.others.items()]
    said = ", ".join(filter(None, (*others, about, unpriced, hosted)))
    yield Figure("Spent today", money(spent.total, status.currency), said)


def _open_batches(count: int) -> str:
    return "1 open batch" if count == 1 else f"{number(count)} open batches"
