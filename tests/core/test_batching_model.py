"""Batching against a plain list of waiting items, second by second."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runflowd.core.batching import Group, due, next_deadline, take
from runflowd.core.model import BatchLimits


@dataclass(frozen=True)
class Waiting:
    """One ready item: its number, its bytes, when it came."""

    number: int
    size: int
    since: int


@dataclass
class Times:
    """What the stage remembers of a group: since when its oldest item waits, and when its newest came."""

    oldest: int
    newest: int


Sealed = list[tuple[int, str, list[int]]]
"""When, of which group, which items."""


class Batching(RuleBasedStateMachine):
    """Items arrive in groups and time passes; what is sealed is compared with a simulation."""

    @initialize(
        quiet=st.integers(1, 20),
        max_wait=st.integers(5, 30),
        max_items=st.integers(1, 12),
        max_bytes=st.integers(1, 300),
    )
    def begin(self, quiet: int, max_wait: int, max_items: int, max_bytes: int) -> None:
        """Both sides know the same limits."""
        self.limits = BatchLimits(quiet=quiet, max_wait=max_wait, max_items=max_items, max_bytes=max_bytes)
        self.now = 0
        self.items: dict[int, Waiting] = {}
        self.real: dict[str, list[Waiting]] = {}
        self.times: dict[str, Times] = {}
        self.model: dict[str, list[Waiting]] = {}
        self.real_sealed: Sealed = []
        self.model_sealed: Sealed = []

    @rule(key=st.sampled_from("ab"), sizes=st.lists(st.integers(1, 80), min_size=1, max_size=5))
    def arrive(self, key: str, sizes: list[int]) -> None:
        """A page of files becomes ready at once."""
        new = [Waiting(len(self.items) + place, size, self.now) for place, size in enumerate(sizes)]
        self.items |= {each.number: each for each in new}
        self.real.setdefault(key, []).extend(new)
        self.model.setdefault(key, []).extend(new)
        self.times.setdefault(key, Times(self.now, self.now)).newest = self.now
        self.seal_what_is_due()
        self.simulate()

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        """The stage sleeps from deadline to deadline; the simulation looks at every second."""
        start, end = self.now, self.now + seconds
        while (deadline := next_deadline(self.groups())) is not None and deadline <= end:
            self.now = max(self.now, int(deadline))
            self.seal_what_is_due()
        for self.now in range(start + 1, end + 1):
            self.simulate()

    def groups(self) -> list[Group]:
        """The groups as the store counts them."""
        return [
            Group(key, len(all_), sum(each.size for each in all_), times.oldest, times.newest, self.limits)
            for key, all_ in self.real.items()
            if all_
            for times in [self.times[key]]
        ]

    def seal_what_is_due(self) -> None:
        """What the stage does in its turns, until nothing is due any more; what is left waits anew from then."""
        while ready := due(self.groups(), self.now):
            for group in ready:
                waiting = self.real[group.key]
                count = take((each.size for each in waiting[: self.limits.max_items]), self.limits)
                self.real_sealed.append((self.now, group.key, [each.number for each in waiting[:count]]))
                del waiting[:count]
                self.times[group.key].oldest = self.now
                if not waiting:
                    del self.times[group.key]

    def simulate(self) -> None:
        """One look at the plain lists: full, heavy, quiet for long enough, or one has waited for too long."""
        for key, waiting in self.model.items():
            while waiting and self.is_to_be_sealed(waiting):
                batch = [waiting.pop(0)]
                while (
                    waiting
                    and len(batch) < self.limits.max_items
                    and sum(each.size for each in batch) + waiting[0].size <= self.limits.max_bytes
                ):
                    batch.append(waiting.pop(0))
                self.model_sealed.append((self.now, key, [each.number for each in batch]))

    def is_to_be_sealed(self, waiting: list[Waiting]) -> bool:
        """The four reasons."""
        return (
            len(waiting) >= self.limits.max_items
            or sum(each.size for each in waiting) >= self.limits.max_bytes
            or self.now - waiting[-1].since >= self.limits.quiet
            or self.now - waiting[0].since >= self.limits.max_wait
        )

    @invariant()
    def both_sealed_the_same(self) -> None:
        """At the same second, the same items, in the same order."""
        if hasattr(self, "items"):
            assert sorted(self.model_sealed) == sorted(self.real_sealed)

    @invariant()
    def the_laws_hold(self) -> None:
        """No item twice, none too many, none too heavy, none too late."""
        if not hasattr(self, "items"):
            return
        numbers = [number for _, _, batch in self.real_sealed for number in batch]
        assert len(numbers) == len(set(numbers))
        for moment, _, batch in self.real_sealed:
            assert 1 <= len(batch) <= self.limits.max_items
            assert len(batch) == 1 or sum(self.items[number].size for number in batch) <= self.limits.max_bytes
            assert all(moment - self.items[number].since <= self.limits.max_wait for number in batch)

    @invariant()
    def nobody_is_left_waiting(self) -> None:
        """What was not sealed has not waited for longer than is allowed."""
        if hasattr(self, "items"):
            assert all(self.now - each.since < self.limits.max_wait for all_ in self.real.values() for each in all_)


TestBatching = Batching.TestCase
TestBatching.settings = settings(max_examples=60, stateful_step_count=25)
