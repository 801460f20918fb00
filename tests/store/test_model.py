"""The state file against a plain model of it, with two owners, a service that sells, and crashes."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from backends import Backend
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from named_contents import named
from plain_store import (
    DOWNLOADING,
    DUPLICATE,
    FAILED,
    OUTCOME_UNKNOWN,
    QUEUED,
    READY,
    SKIPPED,
    SUBMITTED,
    WAITING,
    PlainBatch,
    PlainPurchase,
    PlainStore,
)
from postgres_server import quick_server

from runflowd.api.values import Item as Answer
from runflowd.api.values import Status
from runflowd.core.lifecycle import BatchState, ItemState, Outcome
from runflowd.core.model import BatchLimits, OutputPath, Stat
from runflowd.core.money import Money
from runflowd.pipeline.track.answers import record_answers
from runflowd.store import pauses
from runflowd.store.arrivals import Arrival, arrive, set_aside
from runflowd.store.batches import Batch, mark_submitted, move_batch
from runflowd.store.claims import LeaseLost
from runflowd.store.deliveries import Delivered, finish, results_stand
from runflowd.store.departures import forget_absent
from runflowd.store.items import Item, claim_items, item_at, item_by_id, items_of_batch
from runflowd.store.known import Known
from runflowd.store.leases import Lease, claim_batches, free_leases, release
from runflowd.store.moves import move
from runflowd.store.outputs import Reservation, outputs_of, reserve_outputs
from runflowd.store.purchases import close_purchase, purchases_of_batch, record_intent
from runflowd.store.reserving import Purchase
from runflowd.store.retries import retry
from runflowd.store.sealing import save_snapshot, seal
from runflowd.store.unbought import drop_from_batch, split_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runflowd.store import Connection
    from runflowd.system.paths import Place

T = TypeVar("T")

STAT = Stat(10, 20, 30)
SERVICE, RULE, MODEL = "https://service.example", "studio", "m"
LIMITS = BatchLimits(max_items=2)

paths = st.sampled_from(["a", "b", "c"])
contents = st.sampled_from([named("x"), named("y")])
recipes = st.sampled_from(["plain", "fancy"])
owners = st.sampled_from(["one", "two"])


@dataclass
class Sold:
    """What the service did for one key: the number it gave, and what it charged."""

    remote: str
    refs: tuple[str, ...]


class StoreAgainstModel(RuleBasedStateMachine):
    """People drop and delete, two owners work, the service sells, and now and then the power fails."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.backend = Backend(self.new_place(), self.stack)
        self.connection = self.backend.connect()
        self.model = PlainStore()
        self.now = 1_000.0
        self.starts = 0
        self.hands: dict[tuple[str, str], Batch] = {}
        """By owner and id, the batches that an owner has, or believes to have."""
        self.carried: dict[str, Item] = {}
        """By owner, the item that it delivers, or believes to deliver."""
        self.answers: dict[tuple[str, str], tuple[str, str]] = {}
        """By owner and batch, the key and the number of an answer that is not recorded yet."""
        self.sold: dict[str, Sold] = {}
        self.asked_for: Counter[tuple[str | None, str | None]] = Counter()
        self.charged: Counter[tuple[str | None, str | None]] = Counter()
        self.snapshots = {
            recipe: self.write(partial(save_snapshot, rule=RULE, text=json.dumps({"model": recipe})))
            for recipe in ("plain", "fancy")
        }

    def teardown(self) -> None:
        self.stack.close()

    def new_place(self) -> Place:
        """Where an empty store may be made."""
        return Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="store-model-"))) / "state.db"

    def reopen(self) -> None:
        """Another process goes on."""
        self.connection = self.backend.connect()

    def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction, as the store makes them."""
        self.connection.begin()
        try:
            result = work(self.connection)
        except LeaseLost:
            self.connection.roll_back()
            raise
        self.connection.commit()
        return result

    def write_held(self, work: Callable[[Connection], object], *, good: bool) -> bool:
        """Write in the name of a claim; without a good one nothing is written. Gives `good`."""
        if good:
            self.write(work)
        else:
            with pytest.raises(LeaseLost):
                self.write(work)
        return good

    # People.

    @rule(path=paths, content=contents, recipe=recipes)
    def drop_file(self, path: str, content: str, recipe: str) -> None:
        self.write(partial(arrive, arrival=self.arrival(path, content, recipe), now=self.now))
        self.model.arrive(path, content, recipe)

    @rule(path=paths, state=st.sampled_from([FAILED, WAITING]))
    def drop_what_is_not_taken(self, path: str, state: ItemState) -> None:
        values = (RULE, path, STAT, state, "NO_GOOD", "it is no good", self.now)
        self.write(lambda connection: set_aside(connection, *values))
        self.model.set_aside(path, state, "NO_GOOD")

    @rule(path=paths)
    def delete_file(self, path: str) -> None:
        if item := item_at(self.connection, RULE, path):
            known = Known(item.id, item.stat, item.state, item.present, item.requested)
            self.write(partial(forget_absent, known=known, now=self.now))
        self.model.forget(path)

    @precondition(lambda self: any(item.current for item in self.model.within(FAILED, OUTCOME_UNKNOWN)))
    @rule(data=st.data(), buy=st.booleans())
    def ask_for_another_try(self, data: st.DataObject, *, buy: bool) -> None:
        chosen = [item.path for item in self.model.within(FAILED, OUTCOME_UNKNOWN) if item.current]
        item = item_at(self.connection, RULE, data.draw(st.sampled_from(chosen)))
        assert item is not None
        self.write(partial(retry, item=item, now=self.now, buy_again=buy))
        self.model.retry(self.model.items[item.id], buy=buy)
        self.asked_for[item.content_hash, self.model.items[item.id].recipe] += buy

    @rule()
    def pause_or_resume(self) -> None:
        if self.model.paused:
            assert self.write(partial(pauses.resume, rule=RULE, now=self.now))
        else:
            self.write(partial(pauses.pause, rule=RULE, reason="", now=self.now))
        self.model.paused = not self.model.paused

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(path=paths, content=contents, recipe=recipes)
    def the_power_fails_in_the_middle_of_a_transaction(self, path: str, content: str, recipe: str) -> None:
        self.connection.begin()
        arrive(self.connection, self.arrival(path, content, recipe), self.now)
        self.connection.raw.close()
        self.reopen()
        self.starts += 1
        self.write(partial(free_leases, living={f"start {self.starts}"}))
        self.model.bury()
        self.hands, self.carried, self.answers = {}, {}, {}

    @rule(owner=owners)
    def all_but_one_owner_are_found_dead(self, owner: str) -> None:
        """They may come back and go on with what they believe to have."""
        self.write(partial(free_leases, living={owner}))
        self.model.bury(frozenset({owner}))

    # The owners at work.

    @rule(owner=owners, path=paths, content=contents, recipe=recipes, fails=st.booleans(), lost=st.booleans())
    def drop_and_go_the_whole_way(
        self, owner: str, path: str, content: str, recipe: str, *, fails: bool, lost: bool
    ) -> None:
        """What one owner makes of everything, left alone for long enough; without this little would ever be done."""
        self.drop_file(path, content, recipe)
        if self.model.paused:
            self.pause_or_resume()
        self.time_passes(61.0)
        self.all_but_one_owner_are_found_dead(owner)
        self.go_a_part_of_the_way(owner, 8, fails=fails, lost=lost)

    @rule(owner=owners, path=paths, content=contents, recipe=recipes, steps=st.integers(2, 7), fails=st.booleans())
    def drop_and_go_a_part_of_the_way(
        self, owner: str, path: str, content: str, recipe: str, steps: int, *, fails: bool
    ) -> None:
        """The first steps, and then something else comes in between."""
        self.drop_file(path, content, recipe)
        self.go_a_part_of_the_way(owner, steps, fails=fails)

    @rule(owner=owners, data=st.data())
    def drop_two_that_are_refused(self, owner: str, data: st.DataObject) -> None:
        for path, content in (("a", named("x")), ("b", named("y"))):
            self.drop_file(path, content, "plain")
        self.go_a_part_of_the_way(owner, 3)
        self.the_service_refuses(owner, data)

    def go_a_part_of_the_way(self, owner: str, steps: int, *, fails: bool = False, lost: bool = False) -> None:
        way: list[Callable[[], None]] = [
            self.seal_all,
            lambda: self.claim(owner, BatchState.SEALED),
            lambda: self.write_the_purchase_down(owner),
            lambda: self.send_the_purchase(owner, lost=False),
            lambda: self.record_all(owner),
            lambda: self.claim(owner, BatchState.SUBMITTED),
            lambda: self.read_the_results(owner, fails=fails),
            lambda: self.deliver_all(owner, lost=lost),
        ]
        for step in way[:steps]:
            step()

    def seal_all(self) -> None:
        for recipe in self.snapshots:
            self.seal_what_is_ready(recipe)

    def record_all(self, owner: str) -> None:
        for holder, number in self.in_order(self.answers):
            if holder == owner:
                self.record(holder, number)

    def deliver_all(self, owner: str, *, lost: bool) -> None:
        self.take_a_delivery(owner)
        while owner in self.carried:
            self.hand_over(owner, lost=lost)
            self.take_a_delivery(owner)

    @rule(recipe=recipes)
    def seal_what_is_ready(self, recipe: str) -> None:
        batch = self.write(
            partial(
                seal,
                purchase=Purchase(self.snapshots[recipe], RULE, recipe, MODEL, SERVICE),
                limits=LIMITS,
                money=Money(),
                now=self.now,
            )
        ).batch
        ready = [item for item in self.model.within(READY) if item.recipe == recipe][: LIMITS.max_items]
        assert bool(ready) == (batch is not None)
        if batch is not None:
            self.sealed(batch, [item.number for item in ready])

    @rule(owner=owners, state=st.sampled_from([BatchState.SEALED, BatchState.SUBMITTED]))
    def claim(self, owner: str, state: BatchState) -> None:
        """Nobody gets what somebody else has, or what is paused."""
        lease = Lease(owner, self.now)
        got = self.write(lambda connection: claim_batches(connection, state, SERVICE, lease, 1000))
        closed = self.model.paused and state is BatchState.SEALED
        due = {
            number
            for number, batch in self.model.batches.items()
            if batch.state is state and not closed and batch.claim.take(owner, self.now)
        }
        assert due == {batch.id for batch in got}
        self.hands.update({(owner, batch.id): batch for batch in got})

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), pause=st.sampled_from([0.0, 30.0]))
    def give_back(self, data: st.DataObject, pause: float) -> None:
        """What is no longer one's own cannot be given back."""
        owner, number = data.draw(st.sampled_from(self.in_order(self.hands)))
        handle, claim = self.hands.pop((owner, number)), self.model.batches[number].claim
        give = partial(release, batch=handle, due_at=self.now + pause)
        if self.write_held(give, good=claim.good(owner, handle.generation)):
            claim.owner, claim.due = None, self.now + pause

    @rule(owner=owners)
    def write_the_purchase_down(self, owner: str) -> None:
        for number in self.held(owner, BatchState.SEALED):
            refs = [item.client_ref for item in self.batched(number)]
            if refs and not self.open_key(number):
                body = "\n".join(refs).encode()
                made = self.write(
                    partial(record_intent, batch=self.hands[owner, number], shape="guide", body=body, now=self.now)
                )
                self.model.purchases[made.key] = PlainPurchase(number)

    @rule(owner=owners, lost=st.booleans())
    def send_the_purchase(self, owner: str, *, lost: bool) -> None:
        """The service charges once for a key, however often it is sent, and whether or not its answer arrives."""
        for number in self.held(owner, BatchState.SEALED):
            purchase = next((p for p in purchases_of_batch(self.connection, number) if p.body is not None), None)
            if purchase is None or purchase.body is None:
                continue
            refs = tuple(purchase.body.decode().split("\n"))
            if purchase.key not in self.sold:
                self.sold[purchase.key] = Sold(f"remote {len(self.sold)}", refs)
                for item in self.batched(number):
                    self.charged[item.content_hash, self.model.items[item.id].recipe] += 1
            if not lost:
                self.answers[owner, number] = (purchase.key, self.sold[purchase.key].remote)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def record_the_answer(self, data: st.DataObject) -> None:
        """Also by an owner that was found dead meanwhile: it counts if nobody has taken the batch over."""
        self.record(*data.draw(st.sampled_from(self.in_order(self.answers))))

    def record(self, owner: str, number: str) -> None:
        key, remote = self.answers.pop((owner, number))
        handle = self.hands.pop((owner, number), None)
        batch = self.model.batches[number]
        if handle is None:
            return
        items = [item for item in items_of_batch(self.connection, number) if item.state is QUEUED]

        def work(connection: Connection) -> None:
            close_purchase(connection, handle, key, Outcome.ACCEPTED, remote)
            mark_submitted(connection, handle, items, remote, "guide", self.now)

        if not self.write_held(work, good=batch.claim.good(owner, handle.generation)):
            return
        self.model.purchases[key].outcome = Outcome.ACCEPTED
        batch.remote = remote
        if batch.state is BatchState.SEALED:
            batch.state, batch.claim.owner, batch.claim.due = BatchState.SUBMITTED, None, 0.0
        for item in self.model.of(number):
            if item.state is QUEUED:
                self.model.enter(item, SUBMITTED)

    @rule(owner=owners, data=st.data())
    def the_service_refuses(self, owner: str, data: st.DataObject) -> None:
        """A whole batch is tried in halves; of a single item the refusal is its end."""
        for number in self.held(owner, BatchState.SEALED):
            key, items = self.open_key(number), self.batched(number)
            if key is None or key in self.sold:
                continue
            self.write(partial(close_purchase, batch=self.hands[owner, number], key=key, outcome=Outcome.REFUSED))
            self.model.purchases[key].outcome = Outcome.REFUSED
            if len(items) > 1:
                self.split(self.hands.pop((owner, number)), items)
            else:
                self.take_out(
                    self.hands[owner, number], items[0], data.draw(st.sampled_from([FAILED, SKIPPED, WAITING]))
                )

    @precondition(lambda self: self.stale_hands())
    @rule(data=st.data())
    def a_stale_owner_tries_to_write(self, data: st.DataObject) -> None:
        """It was away while another one took its batch over; whatever it does about it, nothing is written."""
        stale = self.hands[data.draw(st.sampled_from(self.stale_hands()))]
        items = items_of_batch(self.connection, stale.id)
        keys = [purchase.key for purchase in purchases_of_batch(self.connection, stale.id)] or ["none"]
        after = BatchState.REFUSED if stale.state is BatchState.SEALED else BatchState.ENDED
        tries: list[Callable[[Connection], object]] = [
            partial(release, batch=stale, due_at=self.now),
            partial(record_intent, batch=stale, shape="guide", body=b"again", now=self.now),
            partial(close_purchase, batch=stale, key=keys[0], outcome=Outcome.REFUSED),
            partial(split_batch, batch=replace(stale, state=BatchState.SEALED), items=items, now=self.now),
            partial(move_batch, batch=stale, after=after, now=self.now),
        ]
        tries += [
            partial(record_answers, batch=stale, answers=[(item, answer(item, failed=True))], now=self.now)
            for item in items
        ]
        tries += [
            partial(drop_from_batch, batch=stale, item=item, state=SKIPPED, code="NO", reason="no", now=self.now)
            for item in items
        ]
        for work in tries:
            self.write_held(work, good=False)

    @rule(owner=owners, fails=st.booleans())
    def read_the_results(self, owner: str, *, fails: bool) -> None:
        """The first item of each batch may fail, at no charge; when all have ended, so has the batch."""
        for number in self.held(owner, BatchState.SUBMITTED):
            waiting = [item for item in items_of_batch(self.connection, number) if item.state is SUBMITTED]
            for place, item in enumerate(waiting):
                failed = fails and place == 0
                handle = self.hands[owner, number]
                self.write(
                    partial(record_answers, batch=handle, answers=[(item, answer(item, failed=failed))], now=self.now)
                )
                mirror = self.model.items[item.id]
                if failed:
                    self.charged[mirror.content, mirror.recipe] -= 1
                    self.model.fail(mirror, "FAILED")
                else:
                    self.model.enter(mirror, DOWNLOADING)
            handle, batch = self.hands.pop((owner, number)), self.model.batches[number]
            self.write(partial(move_batch, batch=handle, after=BatchState.ENDED, now=self.now))
            batch.state, batch.claim.owner, batch.claim.due = BatchState.ENDED, None, 0.0

    @rule(owner=owners)
    def take_a_delivery(self, owner: str) -> None:
        values = {"rule": RULE, "now": self.now, "limit": 1, "owner": owner}
        items = self.write(lambda connection: claim_items(connection, "claim_deliveries", **values))
        order = sorted(self.model.within(DOWNLOADING), key=lambda item: (item.claim.due, item.number))
        due = next((item.number for item in order if item.claim.take(owner, self.now)), None)
        assert [due] * (due is not None) == [item.id for item in items]
        if items:
            self.carried[owner] = items[0]
            # How often a refused file's row was written over before that, the model does not count.
            self.model.items[items[0].id].claim.generation = items[0].generation

    @precondition(lambda self: self.carried)
    @rule(data=st.data(), lost=st.booleans())
    def deliver(self, data: st.DataObject, *, lost: bool) -> None:
        """Also by an owner that was found dead meanwhile: it counts if nobody has taken the item over."""
        self.hand_over(data.draw(st.sampled_from(sorted(self.carried))), lost=lost)

    def hand_over(self, owner: str, *, lost: bool) -> None:
        item = self.carried.pop(owner)
        mirror = self.model.items[item.id]
        good = mirror.claim.good(owner, item.generation)
        if lost:
            work = partial(
                move,
                number=item.id,
                before=DOWNLOADING,
                after=OUTCOME_UNKNOWN,
                by=item.claim,
                code="RESULT_LOST",
                now=self.now,
            )
            if self.write_held(work, good=good):
                self.model.enter(mirror, OUTCOME_UNKNOWN, "RESULT_LOST")
            return
        place = OutputPath("/out", item.path if item.current else f"{item.path}~{item.content_hash}")
        if self.write_held(partial(self.place, item=item, path=place), good=good):
            self.model.outputs[str(place)] = item.id
            self.model.finish(mirror)

    def place(self, connection: Connection, item: Item, path: OutputPath) -> None:
        """What a delivery writes."""
        reserve_outputs(connection, [Reservation(item, path, 0, item.content_hash or "", 10)])
        results_stand(connection, [Delivered(item, [path])], self.now)
        finish(connection, [Delivered(item, [path])], self.now)

    # What must hold.

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        sql = (
            "SELECT id, basename, content_hash, recipe_hash, state, duplicate_of, batch, current, "
            "absent_at IS NULL AS present, failure_code, owner FROM full_item ORDER BY id"
        )
        rows = [tuple(row) for row in self.connection.raw.execute(sql)]
        expected = [
            (
                *(item.number, item.path.encode(), item.content, item.recipe, str(item.state)),
                *(item.source, item.batch, int(item.current), int(item.present), item.code, item.claim.owner),
            )
            for _, item in sorted(self.model.items.items())
        ]
        assert expected == rows

    @invariant()
    def batches_and_purchases_are_those_of_the_model(self) -> None:
        batches = {
            row["id"]: (row["state"], row["remote_id"], row["owner"], row["generation"])
            for row in self.connection.raw.execute("SELECT * FROM batch")
        }
        assert batches == {
            number: (str(batch.state), batch.remote, batch.claim.owner, batch.claim.generation)
            for number, batch in self.model.batches.items()
        }
        purchases = {
            row["key"]: (row["batch"], row["outcome"], bool(row["ambiguous"]), row["body"] is not None)
            for row in self.connection.raw.execute("SELECT * FROM purchase")
        }
        assert purchases == {
            key: (made.batch, str(made.outcome), made.doubtful, made.outcome is Outcome.INTENDED)
            for key, made in self.model.purchases.items()
        }

    @invariant()
    def every_output_has_its_item(self) -> None:
        for number in self.model.items:
            mine = sorted(path for path, item in self.model.outputs.items() if item == number)
            assert mine == sorted(str(output.path) for output in outputs_of(self.connection, number))

    @invariant()
    def one_item_stands_for_a_path(self) -> None:
        standing = Counter(item.path for item in self.model.items.values() if item.current)
        assert all(count == 1 for count in standing.values())

    @invariant()
    def nothing_is_bought_twice_unless_a_person_says_so(self) -> None:
        assert all(times <= 1 + self.asked_for[what] for what, times in self.charged.items())

    @invariant()
    def nothing_is_bought_that_was_not_written_down(self) -> None:
        assert self.sold.keys() <= {row["key"] for row in self.connection.raw.execute("SELECT key FROM purchase")}

    @invariant()
    def no_item_is_sold_in_two_batches(self) -> None:
        refs = Counter(ref for sold in self.sold.values() for ref in sold.refs)
        assert all(times == 1 for times in refs.values())

    @invariant()
    def nobody_follows_what_leads_nowhere(self) -> None:
        for item in self.model.within(DUPLICATE):
            original = item_by_id(self.connection, item.source or 0)
            assert original is not None
            assert original.state in {READY, QUEUED, SUBMITTED, DOWNLOADING}

    # Words used above.

    def arrival(self, path: str, content: str, recipe: str) -> Arrival:
        return Arrival(RULE, path, STAT, content, "image/jpeg", recipe, {}, self.snapshots[recipe])

    def sealed(self, batch: str, numbers: list[int]) -> None:
        self.model.batches[batch] = PlainBatch(numbers)
        for number in numbers:
            item = self.model.items[number]
            item.state, item.batch, item.claim.due = QUEUED, batch, 0.0

    def in_order(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """By owner and age of the batch: its id is drawn at random, and an example must replay as it was found."""
        place = {number: place for place, number in enumerate(self.model.batches)}
        return sorted(pairs, key=lambda pair: (pair[0], place[pair[1]]))

    def held(self, owner: str, state: BatchState) -> list[str]:
        """The batches in that state which this owner has by right."""
        return [
            number
            for holder, number in self.in_order(self.hands)
            if holder == owner
            and self.model.batches[number].state is state
            and self.model.batches[number].claim.good(owner, self.hands[holder, number].generation)
        ]

    def stale_hands(self) -> list[tuple[str, str]]:
        """Who believes to have which batch that another one has by now."""
        return [
            (owner, number)
            for owner, number in self.in_order(self.hands)
            if not self.model.batches[number].claim.good(owner, self.hands[owner, number].generation)
        ]

    def batched(self, number: str) -> list[Item]:
        return [item for item in items_of_batch(self.connection, number) if item.state is QUEUED]

    def open_key(self, number: str) -> str | None:
        """The key of the purchase of this batch whose outcome is open."""
        made = purchases_of_batch(self.connection, number)
        keys = [purchase.key for purchase in made if purchase.outcome is Outcome.INTENDED]
        assert len(keys) <= 1
        return keys[0] if keys else None

    def split(self, batch: Batch, items: list[Item]) -> None:
        self.write(partial(split_batch, batch=batch, items=items, now=self.now))
        self.model.batches[batch.id].state = BatchState.REFUSED
        self.model.batches[batch.id].claim.owner = None
        for item in items:
            found = item_by_id(self.connection, item.id)
            assert found is not None
            assert found.batch is not None
            self.sealed(found.batch, [item.id])

    def take_out(self, batch: Batch, item: Item, state: ItemState) -> None:
        work = partial(drop_from_batch, batch=batch, item=item, state=state, code="NO", reason="no", now=self.now)
        self.write(work)
        self.model.leave_batch(self.model.items[item.id], state, "NO")


def answer(item: Item, *, failed: bool) -> Answer:
    """What the service says of an item in the end."""
    status = Status.FAILED if failed else Status.SUCCEEDED
    return Answer(item.client_ref, "run", None, status, str(status), {"image_url": "u"}, Decimal("0.01"), None)


class DatabaseAgainstModel(StoreAgainstModel):
    """The same of a database on a server."""

    def new_place(self) -> Place:
        return quick_server().prepared()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Numbers are given as SQLite gives them, which the model counts by: the highest that there is, and one."""
        self.connection.raw.execute("SELECT setval('item_id_seq', coalesce(max(id), 0) + 1, false) FROM item")
        return super().write(work)


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestDatabaseAgainstModel = DatabaseAgainstModel.TestCase
TestDatabaseAgainstModel.settings = settings(
    max_examples=5, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
