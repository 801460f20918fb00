"""What the core decides about files, from arrival to delivery, against a model that knows only money."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runflowd.core.arrival import Original, decide
from runflowd.core.lifecycle import BatchState, ItemState, Resume, check_batch, check_item, resume
from runflowd.core.results import match

READY, DUPLICATE = ItemState.READY, ItemState.DUPLICATE
QUEUED, SUBMITTED, DOWNLOADING = ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING
DONE, FAILED, OUTCOME_UNKNOWN, SKIPPED = ItemState.DONE, ItemState.FAILED, ItemState.OUTCOME_UNKNOWN, ItemState.SKIPPED

HOUR = 3600
DAY = 24 * HOUR
LEAP = 1000 * DAY
"""How far the clock is set back: further than it ever went on, so that the age of an intent is negative."""

What = tuple[str, str]
"""A content and a recipe: what is paid for once."""


class Money(Enum):
    """Where the one purchase of a content under a recipe stands; the states of who it is for, and of who shares it."""

    NONE = "nobody wants it, or it failed", SKIPPED, SKIPPED
    WANTED = "it is to be bought", READY, DUPLICATE
    SEALED = "it is in a batch", QUEUED, DUPLICATE
    SPENT = "the service has taken it", SUBMITTED, DUPLICATE
    EARNED = "the result is at the service", DOWNLOADING, DUPLICATE
    HERE = "the result is in the output folder", DOWNLOADING, DOWNLOADING
    IN_DOUBT = "perhaps bought", OUTCOME_UNKNOWN, OUTCOME_UNKNOWN


@dataclass
class Ledger:
    """What should become of everything: who wants what, and where its money is."""

    wants: dict[str, What] = field(default_factory=dict)
    """By path, in the order of arrival."""
    money: dict[What, Money] = field(default_factory=dict)
    buyer: dict[What, str | None] = field(default_factory=dict)
    """For whom it is bought; None when another content stands at that path now."""
    delivered: set[str] = field(default_factory=set)
    unhappy: dict[str, ItemState] = field(default_factory=dict)
    """Paths whose content nobody works on: it failed, or was taken away before it was sent."""
    asked: Counter[What] = field(default_factory=Counter)
    """How often a person said: buy it again."""

    def arrive(self, path: str, what: What) -> None:
        """A file with a content that its path does not stand for already."""
        if path in self.wants and self.wants[path][0] == what[0]:
            return
        self.leave(path)
        self.unhappy.pop(path, None)
        self.wants[path] = what
        if self.money.get(what, Money.NONE) is Money.NONE:
            self.money[what], self.buyer[what] = Money.WANTED, path

    def leave(self, path: str) -> None:
        """Nobody wants it at this path any more: the next one is bought instead, if the money is not out yet."""
        what = self.wants.pop(path, None)
        self.delivered.discard(path)
        if what is None or self.buyer[what] != path:
            return
        self.buyer[what] = None
        if self.money[what] is Money.WANTED:
            self.buyer[what] = next((other for other, wanted in self.wants.items() if wanted == what), None)
            if self.buyer[what] is None:
                self.money[what] = Money.NONE

    def take_away(self, path: str) -> None:
        """A deleted file is left out unless its purchase is under way or over."""
        if self.state(path) in {READY, DUPLICATE}:
            self.leave(path)
            self.unhappy[path] = SKIPPED

    def fail(self, what: What) -> None:
        """No money was kept: everybody who wanted it may try anew."""
        self.money[what] = Money.NONE
        for path in [path for path, wanted in self.wants.items() if wanted == what]:
            del self.wants[path]
            self.unhappy[path] = FAILED

    def state(self, path: str) -> ItemState:
        """What the item at that path should say."""
        if path not in self.wants:
            return self.unhappy[path]
        what = self.wants[path]
        _, his, others = self.money[what].value
        if path in self.delivered:
            return DONE
        return his if self.buyer[what] == path else others


@dataclass
class Row:
    """An item as the store would keep it, moved only as the core allows."""

    number: int
    path: str
    what: What
    state: ItemState
    shares: bool
    """Whether it takes the result of another."""
    current: bool = True

    def go(self, after: ItemState) -> None:
        check_item(self.state, after)
        self.state = after


@dataclass
class Batch:
    """A batch as the store would keep it, and when it was truly written down."""

    key: str
    rows: list[Row]
    state: BatchState = BatchState.SEALED
    intended_at: float | None = None
    true_time: float = 0.0
    set_back_since: bool = False

    def go(self, after: BatchState) -> None:
        check_batch(self.state, after)
        self.state = after


@dataclass(frozen=True)
class Sent:
    """An item as it went out."""

    client_ref: str
    run_id: str | None
    position: int | None


@dataclass(frozen=True)
class Answer:
    """What comes back; `truth` is whose it is, which the core cannot see."""

    client_ref: str
    run_id: str
    sequence: int | None
    truth: str
    failed: bool = False


class Way(Enum):
    """By what an answer can be told from others."""

    REFERENCE, RUN, PLACE, SILENCE = range(4)


class Fate(Enum):
    """What becomes of a request to buy."""

    NOT_SENT, ANSWER_LOST, ACCEPTED, REFUSED = range(4)


paths = st.sampled_from("abc")
contents = st.sampled_from("xy")
recipes = st.sampled_from(["plain", "fancy"])


class LifeAgainstMoney(RuleBasedStateMachine):
    """Files come and go, requests and answers are lost, clocks jump; the decisions are the core's, the bill is real."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.rows: list[Row] = []
        self.made = 0
        self.batches: list[Batch] = []
        self.time = 0.0
        self.clock = 1e9
        self.remembered: dict[str, float] = {}
        """By key, when the service took it: for a day it does not charge for it again."""
        self.charged: Counter[What] = Counter()

    # People.

    @rule(path=paths, content=contents, recipe=recipes)
    def drop(self, path: str, content: str, recipe: str) -> None:
        self.arrive(path, (content, recipe))
        self.ledger.arrive(path, (content, recipe))

    @precondition(lambda self: self.ledger.delivered)
    @rule(data=st.data())
    def drop_a_finished_file_again_where_sources_are_disposed_of(self, data: st.DataObject) -> None:
        """It goes through delivery once more, at no cost."""
        path = data.draw(st.sampled_from(sorted(self.ledger.delivered)))
        row = self.at(path)
        assert row is not None
        self.arrive(path, row.what, disposed=True)
        assert DOWNLOADING is row.state
        row.go(DONE)

    @rule(path=paths)
    def take_away(self, path: str) -> None:
        row = self.at(path)
        if row is None:
            return
        if row.state in {READY, DUPLICATE}:
            self.promote_beside(row)
            row.go(SKIPPED)
        self.ledger.take_away(path)

    @precondition(lambda self: self.current(OUTCOME_UNKNOWN))
    @rule(data=st.data())
    def have_it_bought_again(self, data: st.DataObject) -> None:
        what = data.draw(st.sampled_from(self.current(OUTCOME_UNKNOWN))).what
        for row in self.rows:
            if row.what == what and row.state is OUTCOME_UNKNOWN and (row.current or not row.shares):
                row.go(DUPLICATE if row.shares else READY)
        self.ledger.asked[what] += 1
        self.ledger.money[what] = Money.WANTED

    @rule(hours=st.sampled_from([1, 23, 24, 25]))
    def time_passes(self, hours: int) -> None:
        self.time += hours * HOUR
        self.clock += hours * HOUR

    @rule()
    def the_clock_is_set_back(self) -> None:
        self.clock -= LEAP
        for batch in self.batches:
            batch.set_back_since = True

    @rule(path=paths, content=contents, recipe=recipes, end=st.sampled_from([SUBMITTED, DOWNLOADING, OUTCOME_UNKNOWN]))
    def drop_and_go_far(self, path: str, content: str, recipe: str, end: ItemState) -> None:
        """What becomes of everything left alone for long enough; without this little would ever be done."""
        self.drop(path, content, recipe)
        self.seal()
        for batch in self.standing(BatchState.SEALED):
            self.send(batch, Fate.ACCEPTED)
        for batch in self.standing(BatchState.SUBMITTED) if end is not SUBMITTED else []:
            for row in batch.rows:
                self.end_item(row, end)
            batch.go(BatchState.ENDED)
        while coming := [row for row in self.rows if row.state is DOWNLOADING]:
            self.hand_over(coming[0])

    # The daemon.

    @rule()
    def seal(self) -> None:
        rows = [row for row in self.rows if row.state is READY]
        if not rows:
            return
        for row in rows:
            row.go(QUEUED)
            self.ledger.money[row.what] = Money.SEALED
        self.batches.append(Batch(f"key {len(self.batches)}", rows))

    @precondition(lambda self: self.standing(BatchState.SEALED))
    @rule(data=st.data(), fate=st.sampled_from(Fate), hours=st.sampled_from([1, 24]))
    def buy(self, data: st.DataObject, fate: Fate, hours: int) -> None:
        """Also after the power failed in the middle of the last try: all that is known is the intent."""
        self.send(data.draw(st.sampled_from(self.standing(BatchState.SEALED))), fate)
        self.time_passes(hours)

    def send(self, batch: Batch, fate: Fate) -> None:
        action = resume(batch.intended_at, self.clock)
        assert self.expected_action(batch) is action
        if action is Resume.LOOK_UP:
            self.end_purchase(batch, BatchState.SUBMITTED if batch.key in self.remembered else BatchState.UNKNOWN)
            return
        if action is Resume.PREPARE:
            batch.intended_at, batch.true_time, batch.set_back_since = self.clock, self.time, False
        if fate is Fate.REFUSED and batch.key not in self.remembered:
            self.end_purchase(batch, BatchState.REFUSED)
        elif fate is not Fate.NOT_SENT:
            self.charge(batch)
            if fate is not Fate.ANSWER_LOST:
                self.end_purchase(batch, BatchState.SUBMITTED)

    @precondition(lambda self: self.standing(BatchState.SUBMITTED))
    @rule(data=st.data())
    def read_the_results(self, data: st.DataObject) -> None:
        """Answers come in any order, doubled, by whatever names them; a failed one is not charged for."""
        batch = data.draw(st.sampled_from(self.standing(BatchState.SUBMITTED)))
        size = len(batch.rows)
        sent = [Sent(f"{batch.key}/{place}", f"run {place}", place) for place in range(size)]
        ways = data.draw(st.lists(st.sampled_from(Way), min_size=size, max_size=size))
        failed = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
        answers = [answer_to(*each) for each in zip(sent, ways, failed, strict=True) if each[1] is not Way.SILENCE]
        stranger = Answer("of somebody else", "", None, "nobody's")
        matched = match(sent, data.draw(st.permutations([*answers, *answers[:1], stranger])), base=0)
        row_of = dict(zip(sent, batch.rows, strict=True))

        assert [each for each, way in zip(sent, ways, strict=True) if way is Way.SILENCE] == list(matched.missing)
        assert (stranger,) == matched.strange
        assert all(each.client_ref == found.truth for each, found in matched.pairs)
        for each in matched.missing:
            self.end_item(row_of[each], OUTCOME_UNKNOWN)
        for each, found in matched.pairs:
            self.end_item(row_of[each], FAILED if found.failed else DOWNLOADING)
            self.charged[row_of[each].what] -= found.failed
        batch.go(BatchState.ENDED)

    @precondition(lambda self: any(row.state is DOWNLOADING for row in self.rows))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.hand_over(data.draw(st.sampled_from([row for row in self.rows if row.state is DOWNLOADING])))

    def hand_over(self, row: Row) -> None:
        row.go(DONE)
        for other in self.duplicates(row.what):
            other.go(DOWNLOADING)
        self.ledger.money[row.what] = Money.HERE
        if row.current:
            self.ledger.delivered.add(row.path)

    # What must hold.

    @invariant()
    def every_path_stands_where_the_ledger_says(self) -> None:
        expected = {path: self.ledger.state(path) for path in self.ledger.wants.keys() | self.ledger.unhappy.keys()}
        assert expected == {row.path: row.state for row in self.rows if row.current}

    @invariant()
    def nothing_is_bought_twice_unless_a_person_says_so(self) -> None:
        assert all(times <= 1 + self.ledger.asked[what] for what, times in self.charged.items())

    @invariant()
    def one_item_at_most_is_on_its_way_to_be_bought(self) -> None:
        ways = Counter(row.what for row in self.rows if row.state in {READY, QUEUED, SUBMITTED})
        money = {Money.WANTED, Money.SEALED, Money.SPENT}
        assert {what: 1 for what, stands in self.ledger.money.items() if stands in money} == ways

    @invariant()
    def what_is_here_was_paid(self) -> None:
        paid = {what for what, stands in self.ledger.money.items() if stands in {Money.EARNED, Money.HERE}}
        assert all(self.charged[what] >= 1 for what in paid)

    # What the store does with a decision.

    def arrive(self, path: str, what: What, *, disposed: bool = False) -> None:
        row = self.at(path)
        same = row is not None and row.what[0] == what[0]
        original = self.original(what, besides=row if same else None)
        decision = decide(row.state if row else None, same_content=same, original=original, disposed=disposed)
        if row and decision.touch:
            if decision.state is not row.state:
                row.go(decision.state)
            return
        if row and decision.supersede:
            row.current = False
        elif row:
            if decision.state is not row.state:
                check_item(row.state, decision.state)
            self.promote_beside(row)
            self.rows.remove(row)
        self.made += 1
        self.rows.append(Row(self.made, path, what, decision.state, shares=decision.original is not None))

    def promote_beside(self, row: Row) -> None:
        """That one will have no result: the next in line is bought."""
        line = self.duplicates(row.what)
        if row.state is READY and line:
            line[0].go(READY)
            line[0].shares = False

    def charge(self, batch: Batch) -> None:
        """The service forgets a key after a day, and then sells again."""
        if batch.key not in self.remembered or self.time - self.remembered[batch.key] >= DAY:
            self.remembered[batch.key] = self.time
            self.charged.update(row.what for row in batch.rows)

    def expected_action(self, batch: Batch) -> Resume:
        """By the time that truly passed."""
        if batch.intended_at is None:
            return Resume.PREPARE
        safe = not batch.set_back_since and self.time - batch.true_time < DAY
        return Resume.REPEAT if safe else Resume.LOOK_UP

    def end_purchase(self, batch: Batch, after: BatchState) -> None:
        batch.go(after)
        ends = {BatchState.SUBMITTED: SUBMITTED, BatchState.REFUSED: FAILED, BatchState.UNKNOWN: OUTCOME_UNKNOWN}
        for row in batch.rows:
            self.end_item(row, ends[after])

    def end_item(self, row: Row, after: ItemState) -> None:
        """What happens to an item happens to whoever shares its result."""
        row.go(after)
        if after in {FAILED, OUTCOME_UNKNOWN}:
            for other in self.duplicates(row.what):
                other.go(after)
        if after is FAILED:
            self.ledger.fail(row.what)
        else:
            stands = {SUBMITTED: Money.SPENT, DOWNLOADING: Money.EARNED, OUTCOME_UNKNOWN: Money.IN_DOUBT}
            self.ledger.money[row.what] = stands[after]

    # Words used above.

    def at(self, path: str) -> Row | None:
        return next((row for row in self.rows if row.current and row.path == path), None)

    def current(self, state: ItemState) -> list[Row]:
        return [row for row in self.rows if row.current and row.state is state]

    def standing(self, state: BatchState) -> list[Batch]:
        return [batch for batch in self.batches if batch.state is state]

    def duplicates(self, what: What) -> list[Row]:
        return [row for row in self.rows if row.what == what and row.state is DUPLICATE]

    def original(self, what: What, besides: Row | None) -> Original | None:
        """Whoever has the result, else whoever it is, or perhaps was, bought for."""
        leading = {READY, QUEUED, SUBMITTED, DOWNLOADING, DONE}
        found = [
            row
            for row in self.rows
            if row is not besides
            and row.what == what
            and (row.state in leading or (row.state is OUTCOME_UNKNOWN and not row.shares))
        ]
        best = min(found, key=lambda row: (row.state is not DONE, row.number), default=None)
        return Original(best.number, best.state) if best else None


def answer_to(sent: Sent, way: Way, failed: bool) -> Answer:
    """An answer that names its item in one way only."""
    reference = sent.client_ref if way is Way.REFERENCE else ""
    run = sent.run_id or "" if way is Way.RUN else ""
    return Answer(reference, run, sent.position if way is Way.PLACE else None, sent.client_ref, failed)


TestLifeAgainstMoney = LifeAgainstMoney.TestCase
TestLifeAgainstMoney.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
