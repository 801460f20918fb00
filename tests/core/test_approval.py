"""What is bought unasked, and what waits for an approval: by example and by law."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runflowd.core.approval import (
    APPROVAL_NEEDED,
    Approval,
    Crowd,
    Waiting,
    after,
    approval_hold,
    in_words,
    judge,
    may_exceed,
    passing,
    slots,
)
from runflowd.core.approval_policy import USUAL_APPROVAL, ApprovalPolicy
from runflowd.core.money import Price

SAMPLE = ApprovalPolicy(first=10)
CROWDS = ApprovalPolicy(above_files=200, above_cost=Decimal(25))


def waiting(files: int, high: str | None = None, *, whole: bool = True) -> Waiting:
    """Files that cost so much together."""
    return Waiting(files, Price(Decimal(high) / 2, Decimal(high)) if high else None, whole)


@pytest.mark.parametrize(
    ("approve", "known", "found", "expected"),
    [
        (SAMPLE, Approval(), waiting(500), 10),
        (SAMPLE, Approval(sampled=7), waiting(500), 3),
        (SAMPLE, Approval(sampled=10), waiting(500), 0),
        (SAMPLE, Approval(sampled=10, approved=5), waiting(500), 5),
        (SAMPLE, Approval(sampled=10, everything=True), waiting(500), None),
        (CROWDS, Approval(), waiting(200), None),
        (CROWDS, Approval(sampled=9999), waiting(201), 0),
        (CROWDS, Approval(), waiting(10, "25.00"), None),
        (CROWDS, Approval(), waiting(10, "25.01"), 0),
        (CROWDS, Approval(approved=50), waiting(201), None),
        (CROWDS, Approval(everything=True), waiting(201), None),
        (replace(CROWDS, first=10), Approval(), waiting(201), 0),
        (ApprovalPolicy(), Approval(), waiting(5000, "5000"), None),
        (USUAL_APPROVAL, Approval(), waiting(5000), None),
        (USUAL_APPROVAL, Approval(crowd=Crowd(5000)), waiting(5000), 0),
    ],
)
def test_so_many_files_pass(approve: ApprovalPolicy, known: Approval, found: Waiting, expected: int | None) -> None:
    """A sample, what was approved, and everything where nothing is to be asked."""
    assert expected == slots(approve, judge(approve, known, found))


@pytest.mark.parametrize(
    ("approve", "found", "expected"),
    [
        (CROWDS, waiting(100), True),
        (CROWDS, waiting(100, whole=False), True),
        (CROWDS, waiting(99, whole=False), True),
        (CROWDS, waiting(1), True),
        (CROWDS, waiting(0), False),
        (replace(CROWDS, above_files=600), waiting(400), False),
        (replace(CROWDS, above_files=300), waiting(400), True),
        (ApprovalPolicy(), waiting(400), False),
    ],
    ids=[
        "some approved",
        "not all seen",
        "may be more",
        "most deleted",
        "all deleted",
        "raised",
        "not enough",
        "asks no more",
    ],
)
def test_a_crowd_stays_one_until_it_is_approved_or_goes_away(
    approve: ApprovalPolicy, found: Waiting, expected: bool
) -> None:
    """What is left of it is not bought because so much of it was approved that the rest is few."""
    held = judge(approve, Approval(crowd=Crowd(501, passed=101)), found)

    assert expected == (held.crowd is not None)


def test_the_last_of_a_crowd_ends_it() -> None:
    """Then ordinary drops pass unasked again."""
    known = Approval(approved=30, crowd=Crowd(300, passed=280))

    assert Approval(approved=10) == after(CROWDS, known, 20, waiting(20))
    assert Approval(approved=10, crowd=Crowd(300, passed=300)) == after(CROWDS, known, 20, waiting(20, whole=False))


def test_what_was_sealed_before_takes_nobodys_place() -> None:
    """To try an approved file again needs no new approval."""
    assert [0, 1, 3] == passing([False, True, True, False], 1)


@pytest.mark.parametrize(("coming", "expected"), [(100, False), (101, True)])
def test_files_that_are_still_read_are_waited_for_where_they_may_make_a_crowd(coming: int, expected: bool) -> None:
    """Else the first batch of a large drop would go out before the others are seen."""
    assert expected == may_exceed(CROWDS, waiting(100), coming)


def test_a_hold_says_how_many_what_they_cost_and_what_to_type() -> None:
    """What was approved of them already is not counted."""
    hold = approval_hold("studio", SAMPLE, Approval(10, approved=20), waiting(420, "168"))

    assert (APPROVAL_NEEDED, 400, "about $80.00 to $160.00") == (hold.code, hold.files, in_words(hold.cost, "USD"))
    assert "rules.studio.approve.first is 10" in hold.message
    assert "`runflowd approve studio --files 10`" in hold.remedy
    assert "at a price that nobody knows" == in_words(None, "USD")


class Approving(RuleBasedStateMachine):
    """Files of one thing come, go, are bought, fail, are tried again and approved, in any order, by batches."""

    FIRST = 5

    def __init__(self) -> None:
        super().__init__()
        self.known = Approval()
        self.approve = ApprovalPolicy(first=self.FIRST)
        self.new = self.again = self.bought = self.granted = 0

    @rule(count=st.integers(1, 30))
    def drop(self, count: int) -> None:
        """New contents become ready."""
        self.new += count

    @rule(count=st.integers(1, 30))
    def take_away(self, count: int) -> None:
        """Ready files are deleted."""
        self.new = max(0, self.new - count)

    @rule(count=st.integers(1, 5))
    def try_again(self, count: int) -> None:
        """Files that were sealed failed, or are in doubt, and are to be bought again."""
        self.again = min(self.bought, self.again + count)

    @rule(count=st.integers(1, 20))
    def grant(self, count: int) -> None:
        """`runflowd approve RULE --files N`."""
        self.known = replace(self.known, approved=self.known.approved + count)
        self.granted += count

    @rule(files=st.none() | st.integers(1, 40))
    def edit(self, files: int | None) -> None:
        """`above_files` is another one."""
        self.approve = replace(self.approve, above_files=files)

    @rule(most=st.integers(1, 10), whole=st.booleans())
    def seal(self, most: int, whole: bool) -> None:
        """A batch of the oldest: what was sealed before has the lower numbers."""
        there = Waiting(self.new, None, whole)
        judged = judge(self.approve, self.known, there)
        items = ([False] * self.again + [True] * self.new)[:most]
        places = passing(items, slots(self.approve, judged))
        fresh = sum(items[place] for place in places)
        assert all(place in places for place, is_new in enumerate(items) if not is_new)
        if judged.crowd is not None:
            assert fresh <= judged.approved
        self.known = after(self.approve, judged, fresh, there)
        self.again -= len(places) - fresh
        self.new, self.bought = self.new - fresh, self.bought + fresh

    @invariant()
    def never_more_than_the_sample_and_what_was_approved(self) -> None:
        """Whatever the order of events."""
        assert self.bought <= self.FIRST + self.granted
        assert self.known.approved >= 0


TestApproving = Approving.TestCase
TestApproving.settings = settings(max_examples=40, stateful_step_count=30)
