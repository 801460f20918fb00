"""The ledger against the service's list: every way in which one purchase can be told differently."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.reconciling import EnteredPurchase, Kind, LedgerView, ListedRun, compare, lasting

if TYPE_CHECKING:
    from runflowd.core.reconciling import Difference

REF, OTHER = "a" * 32, "b" * 32
AT = 1_800_000_000.0


def run(cost: str | None = "0.30", reference: str = REF, **says: Any) -> ListedRun:
    """A run of the service's list."""
    facts = {"id": "r1", "batch": "", "succeeded": True, "currency": "", "created_at": AT, **says}
    return ListedRun(reference=reference, cost=Decimal(cost) if cost is not None else None, **facts)


def ledger(amount: str | None = "0.30", currency: str = "USD", **says: Any) -> LedgerView:
    """A ledger with one purchase, or with none."""
    amounts = {currency: Decimal(amount)} if amount and Decimal(amount) else {}
    if amount is None:
        return LedgerView(**says)
    return LedgerView({REF: EnteredPurchase("studio", AT, amounts, frozenset({"r1"}))}, runs={"r1": REF}, **says)


@pytest.mark.parametrize(
    ("ours", "listed", "kinds"),
    [
        (ledger(), [run()], []),
        (ledger("0.3"), [run("0.300")], []),
        (ledger(), [run(reference="")], []),
        (ledger(), [run("0", id="r0", succeeded=False), run()], []),
        (ledger(), [run(currency="USD")], []),
        (ledger(None), [run("0", succeeded=False)], []),
        (ledger(None), [run(reference="somebody's")], []),
        (ledger(None, pending=frozenset({REF})), [run()], []),
        (ledger(), [run("0.35")], [Kind.AMOUNT]),
        (ledger(), [run("0")], [Kind.AMOUNT]),
        (ledger(), [run(), run(id="r2")], [Kind.AMOUNT]),
        (ledger(), [run(currency="EUR")], [Kind.AMOUNT]),
        (ledger("0.30", "EUR"), [run(currency="")], []),
        (ledger(), [], [Kind.ONLY_HERE]),
        (ledger(None), [run()], [Kind.ONLY_THERE]),
        (ledger(None, batches=frozenset({"mine"})), [run(reference="", batch="mine")], [Kind.ONLY_THERE]),
        (ledger(), [run(None)], [Kind.NO_COST]),
        (ledger(), [run(), run(reference=OTHER, id="r2")], [Kind.ONLY_THERE]),
    ],
)
def test_each_difference_is_told_by_its_kind(ours: LedgerView, listed: list[ListedRun], kinds: list[Kind]) -> None:
    """By reference first, then by run, then by batch; what is on its way, or somebody else's, is none."""
    assert kinds == [each.kind for each in compare(ours, listed, "USD").differences]


def test_the_runs_of_others_are_counted_beside() -> None:
    """An account has other users, whose costs are none of this machine's."""
    found = compare(ledger(), [run(), run("7", "theirs", id="r2")], "USD")

    assert ({"USD": Decimal("0.30")}, 1, {"USD": Decimal(7)}) == (found.there, found.foreign, found.foreign_cost)


@pytest.mark.parametrize(("since", "until", "count"), [(AT, AT + 1, 1), (AT + 1, AT + 2, 0), (AT - 1, AT, 0)])
def test_a_span_is_that_of_the_charge(since: float, until: float, count: int) -> None:
    """From its beginning on, and before its end."""
    found = compare(ledger(), [], "USD", since, until)

    assert (count, count) == (len(found.differences), found.purchases)


def test_what_is_settled_while_the_list_is_read_is_no_difference() -> None:
    """Only what both looks at the ledger say lasts."""
    early, late = compare(ledger(None), [run()], "USD"), compare(ledger(), [run()], "USD")

    assert [(), ()] == [lasting(early, late).differences, lasting(late, early).differences]


CHARGES = st.dictionaries(st.sampled_from([each * 32 for each in "abcdef"]), st.decimals(0, 2, places=2))


@given(CHARGES, CHARGES)
def test_the_differences_are_all_that_separates_the_two_sums(
    ours: dict[str, Decimal], theirs: dict[str, Decimal]
) -> None:
    """Whatever is on either side: none is left out, none is told twice."""
    sums = {key: {"USD": amount} if amount else {} for key, amount in ours.items()}
    known = {key: EnteredPurchase("studio", AT, amounts, frozenset()) for key, amounts in sums.items()}
    listed = [run(str(amount), key, id=key) for key, amount in theirs.items()]
    found = compare(LedgerView(known), listed, "USD")

    assert _sum(found.here) - _sum(found.there) == sum((_apart(each) for each in found.differences), Decimal(0))


def _apart(each: Difference) -> Decimal:
    return _sum(dict(each.here)) - _sum(dict(each.there))


def _sum(amounts: dict[str, Decimal]) -> Decimal:
    return sum(amounts.values(), Decimal(0))
