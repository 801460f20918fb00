"""What people are notified of, and when: once per incident, however often it comes and goes.

A message about an incident is sent when it has lasted a while, so that a hiccup wakes nobody. Its end is sent when it
stayed away for `RESOLVE_DELAY`; what comes back before that is the same incident. The start of a program forgets
its incidents and counts as their end, so a trouble that outlasts a restart is not sent twice, and one that
does not come back is sent as over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from runflowd.core.currency import amount_text
from runflowd.core.money import Stop
from runflowd.core.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from decimal import Decimal

    from runflowd.core.money import Budget

RESOLVE_DELAY = 300.0
"""Seconds that an incident stays away before it counts as over, and between two messages about unknown items."""

MAX_AGE = 24 * 3600.0
"""Seconds after which a message that could not be delivered is given up: it is no news any more."""

MAX_TRIES = 60
"""Tries of one message, for a machine whose clock cannot be believed; a day of retries takes fewer."""


class Kind(StrEnum):
    """The kinds of messages."""

    INCIDENT = "incident"
    """Trouble wider than one file began, or turned into another trouble."""
    RESOLVED = "resolved"
    BUDGET = "budget"
    """More was spent today than `budget` says."""
    FAILURES = "failures"
    """More files failed lately than `failures` says."""
    UNKNOWN = "unknown"
    """Items that may have been bought wait for the operator's decision."""
    FOLDER = "folder"
    """All files of a folder that was dropped have come to their end."""
    DIGEST = "digest"
    """What a day brought, at the time of day that `digest` names."""
    TEST = "test"
    """Sent by `runflowd notify test`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `count` is how often it came, or how many items it is about; `since` is epoch seconds."""

    kind: Kind
    scope: str
    code: str
    message: str
    remedy: str
    count: int
    since: float


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident as people know it: the troubles they were notified of, or soon are, and how often it came."""

    codes: tuple[str, ...]
    count: int = 1


def begun(
    story: IncidentRecord | None, code: str, unsent: Collection[str], *, quiet: bool
) -> tuple[IncidentRecord, bool]:
    """The story after trouble with `code` came up in its scope, and whether that is to be sent.

    `unsent` are the codes of messages that did not go out yet, which a newer one replaces; `quiet` says
    that the trouble had been away.
    """
    if story is None:
        return IncidentRecord((code,)), True
    count = story.count + 1 if quiet else story.count
    if code in story.codes:
        return replace(story, count=count), False
    known = tuple(each for each in story.codes if each not in unsent)
    return IncidentRecord((*known, code), count), True


def ended(story: IncidentRecord, unsent: Collection[str]) -> bool:
    """Whether the end of an incident is to be sent: only if its beginning was."""
    return any(code not in unsent for code in story.codes)


def over_message(scope: str, story: IncidentRecord, since: float, until: float) -> Message:
    """The message that an incident is over; times are epoch seconds."""
    lasted = duration_text(max(0, round(until - since)))
    often = f", {story.count} times" if story.count > 1 else ""
    codes = ", ".join(story.codes)
    sentence = f"{scope} is well again after {lasted} ({codes}{often})"
    return Message(Kind.RESOLVED, scope, story.codes[-1], sentence, "", story.count, since)


def budget_mark(spent: Decimal, limit: Decimal | None, day: str) -> str | None:
    """What is remembered of a budget that was reached, None while it is not: news is a mark that is not remembered.

    A new day, and a budget that was changed, can be reached anew.
    """
    return f"{day} {limit}" if limit is not None and spent >= limit else None


def budget_message(spent: Decimal, estimated: Decimal, budget: Budget, day: str, midnight: float) -> Message:
    """The message that a day's budget is reached; `estimated` is the part of it whose price is not stated yet."""
    part = f", {estimated} of it by estimate" if estimated else ""
    goes_on = budget.stop is Stop.NOTIFY
    then = "work goes on" if goes_on else "nothing more is bought until the next day"
    sentence = f"{spent} was spent on {day}{part}, and the budget of a day is {budget.per_day}; {then}"
    remedy = "`runflowd pause --all` buys nothing more" if goes_on else "To go on sooner raise money.budget.per_day"
    remedy = f"{remedy}; `runflowd status` shows what was bought for"
    return Message(Kind.BUDGET, "budget", "BUDGET_REACHED", sentence, remedy, 1, midnight)


def failures_message(count: int, limit: int, within: float, now: float) -> Message:
    """The message that many files failed within the last `within` seconds."""
    sentence = f"{count} files failed within {duration_text(within)}; the threshold is {limit}"
    remedy = "`runflowd status` shows the latest of them, each with its reason and remedy"
    return Message(Kind.FAILURES, "failures", "MANY_FAILURES", sentence, remedy, count, now - within)


def unknown_needs_message(last: tuple[float, float] | None, newest: float, now: float) -> bool:
    """Whether items in doubt are to be reported: `last` is when that was done last, and the newest item then."""
    if last is None:
        return True
    sent_at, known = last
    return newest > known and not 0 <= now - sent_at < RESOLVE_DELAY


def unknown_message(count: int, newest: float) -> Message:
    """The message that purchases need a decision."""
    sentence = f"{count} files may have been paid for and have no result; the operator decides about them"
    remedy = "`runflowd list --state unknown` names them, `runflowd status` says what to do about each"
    return Message(Kind.UNKNOWN, "unknown", "NEEDS_DECISION", sentence, remedy, count, newest)


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What came of files since the last digest, what was charged by currency, and what waits now."""

    done: int
    failed: int
    charged: Mapping[str, Decimal]
    waiting: int
    in_doubt: int
    incidents: int
    to_review: int = 0


def digest_message(facts: DayFacts, since: float) -> Message:
    """The message that says what happened since the last one of its kind."""
    happened = [f"{facts.done:,} files done", f"{facts.failed:,} failed"]
    happened += [f"{amount_text(amount, currency)} charged" for currency, amount in facts.charged.items()]
    left = [
        (facts.waiting, "wait"),
        (facts.to_review, "wait for review"),
        (facts.in_doubt, "need a decision"),
        (facts.incidents, "incidents are open"),
    ]
    now = ", ".join(f"{count:,} {words}" for count, words in left if count)
    sentence = f"{', '.join(happened)}; {f'now {now}' if now else 'nothing waits'}"
    asks = facts.failed or facts.in_doubt or facts.incidents
    remedy = "`runflowd review` shows what waits for review" if facts.to_review else ""
    remedy = "`runflowd status` shows each with its reason and remedy" if asks else remedy
    return Message(Kind.DIGEST, "digest", "DIGEST", sentence, remedy, facts.done, since)


@dataclass(frozen=True, slots=True)
class FolderOutcome:
    """What came of a folder's files; `folder` is its path below the watched one of `rule`."""

    rule: str
    folder: str
    done: int
    failed: int
    in_doubt: int
    to_review: int = 0

    @property
    def files(self) -> int:
        """All that came to an end."""
        return self.done + self.failed + self.in_doubt


def folder_message(outcome: FolderOutcome, since: float) -> Message:
    """The message that a folder is done; `since` is when the first of its files was on its way (epoch seconds)."""
    parts = [(outcome.done, "done"), (outcome.failed, "failed"), (outcome.in_doubt, "need a decision")]
    what = ", ".join(f"{count:,} {words}" for count, words in parts if count)
    review = f"; {outcome.to_review:,} of them wait for review" if outcome.to_review else ""
    sentence = f"{outcome.folder} of rule {outcome.rule} has come to its end: {what}{review}"
    remedy = f"`runflowd review {outcome.rule}` shows what waits" if outcome.to_review else ""
    if outcome.done < outcome.files:
        also = f", and {remedy}" if remedy else ""
        remedy = f"`runflowd list --rule {outcome.rule} --state failed` says why{also}"
    return Message(Kind.FOLDER, outcome.rule, "FOLDER_DONE", sentence, remedy, outcome.files, since)


def trial_message(now: float) -> Message:
    """The message by which somebody tries whether they are reached."""
    return Message(Kind.TEST, "notify", "TEST", "messages of this daemon arrive here", "", 1, now)


def sentence_of(message: Message, host: str) -> str:
    """A message in one line, for whoever shows nothing else."""
    remedy = f" {message.remedy.rstrip('.')}." if message.remedy else ""
    return f"runflowd on {host}: {message.kind}: {message.message.rstrip('.')}.{remedy}"
