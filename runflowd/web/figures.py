"""The numbers at the top of the first screen, each of them that of the list behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.web.file_filter import IN_FLIGHT, TO_REVIEW, FileFilter, count_of, word_of
from runflowd.web.formatting import money, number, plural
from runflowd.web.view_models import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runflowd.api.statistics import Pace
    from runflowd.observability.status import Status
_UNKNOWN = word_of(ItemState.OUTCOME_UNKNOWN)


def count(status: Status, word: str) -> int:
    """How many files of all rules a list has that is asked for by this state."""
    return sum(count_of(word, rule.counts, status.to_review.get(rule.name, 0)) for rule in status.rules)


def total(status: Status, *states: ItemState) -> int:
    """How many files of all rules are in these states."""
    return sum(rule.count(*states) for rule in status.rules)


def figures(status: Status, pace: Pace) -> Iterator[Figure]:
    """What is in flight, done and failed, and what this day has cost."""
    unknown = count(status, _UNKNOWN)
    allowed = f"; the service allows {pace.allowed}" if pace.allowed else ""
    yield _listed(status, IN_FLIGHT, _open_batches(len(status.batches)) + allowed)
    to_review = sum(status.to_review.values())
    yield _listed(status, "Done", f"{number(to_review)} for review" if to_review else "", TO_REVIEW)
    tone = "bad" if unknown or count(status, "Failed") else ""
    yield _listed(status, "Failed", f"{number(unknown)} unknown" if unknown else "", _UNKNOWN, tone=tone)
    spent = status.spent_today
    hosted = f"hosted, about {money(status.hosted_today)}" if status.hosted_today else ""
    about = f"{money(spent.estimated, status.currency)} estimated" if spent.estimated else ""
    unpriced = f"without {plural(spent.unpriced, 'file')} of unknown price" if spent.unpriced else ""
    others = [f"and {money(amount, currency)}" for currency, amount in spent.others.items()]
    said = ", ".join(filter(None, (*others, about, unpriced, hosted)))
    yield Figure("Spent today", money(spent.total, status.currency), said)


def _listed(status: Status, word: str, note: str, beside: str = "", tone: str = "") -> Figure:
    """A number that leads to its list, and where the note has another, to the list of that."""
    found = count(status, word)
    address = FileFilter(state=word).at("/files") if found else ""
    noted = FileFilter(state=beside).at("/files") if note and beside else ""
    return Figure(word, number(found), note, tone, address, noted)


def _open_batches(count: int) -> str:
    return "1 open batch" if count == 1 else f"{number(count)} open batches"
