"""What is bought without asking, and what waits until a person has approved it.

A rule asks about each *thing that it buys* (model, input, select, files) by itself: an edited prompt asks anew, an
edit of `settle` does not. A file counts once, from when it is sealed into a batch, whatever becomes of it; to buy the
same content once more needs no new approval. A crowd, more files at once than `approve` lets pass, is held as a whole:
what of it is not approved waits, also once what is left of it is small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from runflowd.core.currency import amount_text, to_cents
from runflowd.core.money import Hold, Price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runflowd.core.approval_policy import ApprovalPolicy

APPROVAL_NEEDED = "APPROVAL_NEEDED"


@dataclass(frozen=True, slots=True)
class Crowd:
    """A crowd that is held: how many files it was found to be, what they cost at most, how many were approved since.

    `cost` is None where nobody knows what a file costs.
    """

    files: int
    cost: Decimal | None = None
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Approval:
    """What is on record of one thing that a rule buys.

    `sampled` files were bought without asking, `approved` may still be bought, or `everything` may. `crowd` is what
    the rule holds, whatever it bought when that came.
    """

    sampled: int = 0
    approved: int = 0
    everything: bool = False
    crowd: Crowd | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The ready files that nobody approved one by one, and what they cost, None where nobody knows.

    `whole` says that no more are on their way to be ready.
    """

    files: int
    cost: Price | None = None
    whole: bool = True

    @property
    def high(self) -> Decimal | None:
        """What they cost at most."""
        return self.cost.high if self.cost else None

    def high_of(self, files: int) -> Decimal | None:
        """What so many of them cost at most."""
        return None if self.high is None or not self.files else self.high / self.files * files


def judge(approve: ApprovalPolicy, known: Approval, waiting: Waiting) -> Approval:
    """What is on record once it is decided whether these files are a crowd to be held, or no crowd any more."""
    if known.crowd is not None and _lasts(approve, known.crowd, waiting):
        return known
    unasked = max(0, waiting.files - known.approved)
    is_crowd = not approve.import_only and exceeds(approve, unasked, waiting.high_of(unasked))
    return replace(known, crowd=Crowd(waiting.files, waiting.high) if is_crowd and not known.everything else None)


def _lasts(approve: ApprovalPolicy, crowd: Crowd, waiting: Waiting) -> bool:
    """Whether a crowd is still one: neither was the limit raised, nor are all of its files approved or gone.

    That some of them went away says nothing of the others, which nobody has approved.
    """
    gone = waiting.whole and waiting.files == 0
    return exceeds(approve, crowd.files, crowd.cost) and not gone


def slots(approve: ApprovalPolicy, known: Approval) -> int | None:
    """How many files may be bought beside those that were before; None for all. `known` is what `judge` gives."""
    if known.everything:
        return None
    sample = _sample(approve, known)
    return None if sample is None else sample + known.approved


def after(approve: ApprovalPolicy, known: Approval, bought: int, waiting: Waiting) -> Approval:
    """What is on record once so many files were sealed that had not been before."""
    sample = _sample(approve, known)
    unasked = bought if sample is None else min(sample, bought)
    approved = known.approved if known.everything else known.approved - (bought - unasked)
    crowd = known.crowd
    if crowd is not None:
        done = waiting.whole and bought >= waiting.files
        crowd = None if done else replace(crowd, passed=crowd.passed + bought)
    return Approval(known.sampled + unasked, max(0, approved), known.everything, crowd)


def passing(new: Sequence[bool], most: int | None) -> list[int]:
    """The places of the files that may be bought: those that were sealed before, and so many that are `new`."""
    left = len(new) if most is None else most
    found: list[int] = []
    for place, is_new in enumerate(new):
        if is_new and not left:
            continue
        left -= is_new
        found.append(place)
    return found


def exceeds(approve: ApprovalPolicy, files: int, cost: Decimal | None) -> bool:
    """Whether so many files are more than may be bought without asking."""
    many = approve.above_files is not None and files > approve.above_files
    return many or (approve.above_cost is not None and cost is not None and cost > approve.above_cost)


def may_exceed(approve: ApprovalPolicy, waiting: Waiting, coming: int) -> bool:
    """Whether files that are still looked at may make a crowd of the ready ones, which are not bought before."""
    return not approve.import_only and exceeds(approve, waiting.files + coming, waiting.high_of(waiting.files + coming))


def is_held(approve: ApprovalPolicy, known: Approval) -> bool:
    """Whether all of a crowd that was found waits, since nobody has approved any of it."""
    crowd = known.crowd
    return crowd is not None and slots(approve, known) == 0 and exceeds(approve, crowd.files, crowd.cost)


def approval_hold(rule: str, approve: ApprovalPolicy, known: Approval, waiting: Waiting) -> Hold:
    """That files of a rule wait for an approval, why, and by which command it is given."""
    files = max(1, waiting.files - known.approved)
    low, high = (waiting.cost.low, waiting.cost.high) if waiting.cost and waiting.files else (None, None)
    cost = None if low is None or high is None else Price(low / waiting.files * files, high / waiting.files * files)
    return Hold(
        APPROVAL_NEEDED,
        _why(rule, approve, known),
        f"`runflowd approve {rule} --files {min(10, files)}` lets {min(10, files)} pass, `runflowd approve {rule}` all "
        f"that wait, `runflowd approve {rule} --all` also what is to come. An edit of what the rule buys asks anew",
        files=files,
        cost=cost,
    )


def total(prices: Sequence[Price | None], files: int) -> Price | None:
    """What so many files cost that begin with these; None where nobody knows what one of them costs."""
    known = [price for price in prices if price is not None]
    if not known or len(known) < len(prices):
        return None
    low, high = sum((each.low for each in known), Decimal(0)), sum((each.high for each in known), Decimal(0))
    if files == len(known):
        return Price(low, high, known[0].source)
    return Price(low / len(known) * files, high / len(known) * files, known[0].source)


def in_words(cost: Price | None, currency: str) -> str:
    """What files cost, such as `about $1.20 to $2.40`."""
    if cost is None:
        return "at a price that nobody knows"
    low, high = (amount_text(to_cents(amount), currency) for amount in (cost.low, cost.high))
    return f"about {high}" if low == high else f"about {low} to {high}"


def _why(rule: str, approve: ApprovalPolicy, known: Approval) -> str:
    if known.crowd is None:
        return (
            f"rules.{rule}.approve.first is {approve.first}: so many were bought as a sample of what the rule buys now"
        )
    found = "1 file was" if known.crowd.files == 1 else f"{known.crowd.files:,} files were"
    if approve.import_only:
        return f"{found} there when the rule was new, and more than {approve.above_files:,} are not bought unasked"
    limits = [
        f"{name} is {limit}"
        for name, limit in (("above_files", approve.above_files), ("above_cost", approve.above_cost))
        if limit is not None
    ]
    return f"{found} there at once, and rules.{rule}.approve: {' and '.join(limits)}"


def _sample(approve: ApprovalPolicy, known: Approval) -> int | None:
    """How many files may be bought without asking; None for all."""
    if known.crowd is not None:
        return 0
    return None if approve.first is None else max(0, approve.first - known.sampled)
