"""The ledger held against the runs that the service lists: what the two do not agree about."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Amounts: TypeAlias = "dict[str, Decimal]"
"""Sums by currency, those of 0 left out."""

_OURS = re.compile(r"[0-9a-f]{32}", re.ASCII)
"""The references that runflowd gives; another program on the same account hardly has the like."""


class Kind(StrEnum):
    """How the ledger and the service differ over a purchase."""

    ONLY_THERE = "charged there, not here"
    ONLY_HERE = "charged here, not there"
    AMOUNT = "another amount"
    NO_COST = "no cost is stated there"


@dataclass(frozen=True, slots=True)
class EnteredPurchase:
    """What the ledger holds of one purchase; `at` is when it was first charged, in epoch seconds."""

    rule: str
    at: float
    amounts: Amounts
    runs: frozenset[str]


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What this machine knows: purchases by their references, and what else tells that a run is its own.

    `pending` are the references of purchases whose end nobody has read yet, `runs` and `batches` ids at the service.
    """

    purchases: Mapping[str, EnteredPurchase] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    runs: Mapping[str, str] = field(default_factory=dict)
    batches: frozenset[str] = frozenset()

    def key_of(self, run: ListedRun) -> str:
        """The reference of the purchase that a run is of; "" for one that is none of ours."""
        if run.reference in self.purchases or run.reference in self.pending or _OURS.fullmatch(run.reference):
            return run.reference
        return self.runs.get(run.id) or (f"run {run.id}" if run.batch in self.batches else "")


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as the service lists it. `cost` is None and `currency` "" where it states none, `created_at` 0."""

    id: str
    reference: str
    batch: str
    succeeded: bool
    cost: Decimal | None
    currency: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One purchase that the two do not agree about, with what each says. `at` is epoch seconds, 0 for unknown."""

    kind: Kind
    key: str
    rule: str
    runs: tuple[str, ...]
    here: tuple[tuple[str, Decimal], ...]
    there: tuple[tuple[str, Decimal], ...]
    at: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both say in all, and where they differ. `foreign` are runs of the account that runflowd did not buy."""

    differences: tuple[Difference, ...]
    here: Amounts
    there: Amounts
    purchases: int
    runs: int
    foreign: int
    foreign_cost: Amounts


def compare(
    ledger: LedgerView, listed: Iterable[ListedRun], currency: str, since: float = 0.0, until: float = float("inf")
) -> Comparison:
    """Hold the purchases of a span (epoch seconds) against the runs; `currency` is that of costs that name none.

    A purchase is of the time at which it was charged here, or else at which its run was made.
    """
    by_key: defaultdict[str, list[ListedRun]] = defaultdict(list)
    for run in listed:
        by_key[ledger.key_of(run)].append(run)
    foreign = [run for run in by_key.pop("", []) if since <= (run.created_at or since) < until]
    keys = [key for key in ledger.purchases.keys() | by_key.keys() if since <= _at(ledger, key, by_key[key]) < until]
    known = [ledger.purchases[key] for key in keys if key in ledger.purchases]
    runs = [run for key in keys for run in by_key[key]]
    found = [each for key in keys if (each := _difference(ledger, key, by_key[key], currency))]
    return Comparison(
        tuple(sorted(found, key=lambda each: (each.at, each.key))),
        _sum((name, amount) for purchase in known for name, amount in purchase.amounts.items()),
        _sum(_costs(runs, currency)),
        len(known),
        len(runs),
        len(foreign),
        _sum(_costs(foreign, currency)),
    )


def lasting(before: Comparison, after: Comparison) -> Comparison:
    """The later one of two looks at the ledger, without the differences that came up or went away meanwhile.

    The service is read in between: what is bought and settled in that time is no difference.
    """
    kept = tuple(each for each in after.differences if each in before.differences)
    return Comparison(kept, after.here, after.there, after.purchases, after.runs, after.foreign, after.foreign_cost)


def _at(ledger: LedgerView, key: str, runs: list[ListedRun]) -> float:
    if key in ledger.purchases:
        return ledger.purchases[key].at
    return min((run.created_at for run in runs if run.created_at), default=0.0)


def _difference(ledger: LedgerView, key: str, runs: list[ListedRun], currency: str) -> Difference | None:
    purchase = ledger.purchases.get(key)
    here = purchase.amounts if purchase else {}
    usual = next(iter(here)) if len(here) == 1 else currency
    there = _sum(_costs(runs, usual))
    silent = any(run.succeeded and run.cost is None for run in runs)
    if here == there and not (silent and purchase is None):
        return None
    if purchase is None and key in ledger.pending:
        return None  # its end was not read yet
    kind = Kind.NO_COST if silent else Kind.AMOUNT
    if not runs:
        kind = Kind.ONLY_HERE
    elif purchase is None and there:
        kind = Kind.ONLY_THERE
    ids = tuple(run.id for run in runs) or tuple(sorted(purchase.runs if purchase else ()))
    rule = purchase.rule if purchase else ""
    return Difference(
        kind, key, rule, ids, tuple(sorted(here.items())), tuple(sorted(there.items())), _at(ledger, key, runs)
    )


def _costs(runs: Iterable[ListedRun], currency: str) -> Iterable[tuple[str, Decimal]]:
    return ((run.currency or currency, run.cost) for run in runs if run.cost is not None)


def _sum(amounts: Iterable[tuple[str, Decimal]]) -> Amounts:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in amounts:
        found[currency] += amount
    return {currency: amount for currency, amount in sorted(found.items()) if amount}
