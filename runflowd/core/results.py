"""Matching what the service says of a batch with what was sent: by reference, by run, by place.

Order and completeness of an answer are never trusted. An item that is missing from a complete
answer is not failed: nobody knows what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Sent(Protocol):
    """What matching needs of an item that was sent."""

    @property
    def client_ref(self) -> str: ...
    @property
    def run_id(self) -> str | None: ...
    @property
    def position(self) -> int | None: ...


class Answered(Protocol):
    """What matching needs of an answer."""

    @property
    def client_ref(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def sequence(self) -> int | None: ...


S = TypeVar("S", bound=Sent)
A = TypeVar("A", bound=Answered)


@dataclass(frozen=True, slots=True)
class Matched(Generic[S, A]):
    """The pairs, the sent items nobody answered for, and the answers that belong to nothing sent."""

    pairs: tuple[tuple[S, A], ...]
    missing: tuple[S, ...]
    strange: tuple[A, ...]


def match(sent: Sequence[S], answered: Iterable[A], base: int | None = None) -> Matched[S, A]:
    """Pair items with answers; a doubled answer counts once, the first time.

    `base` is the number the service gives the first item, 0 or 1; None takes the smallest seen.
    Places are used only for answers that carry neither reference nor run.
    """
    by_reference = {item.client_ref: item for item in sent}
    by_run = {item.run_id: item for item in sent if item.run_id}
    by_place = {item.position: item for item in sent}
    answers = list(answered)
    sequences = [answer.sequence for answer in answers if answer.sequence is not None]
    first = base if base is not None else min(sequences, default=0)
    taken: dict[str, tuple[S, A]] = {}
    strange: list[A] = []
    for answer in answers:
        item = by_reference.get(answer.client_ref) or by_run.get(answer.run_id)
        if item is None and not answer.client_ref and answer.sequence is not None:
            item = by_place.get(answer.sequence - first)
        if item is None:
            strange.append(answer)
        else:
            taken.setdefault(item.client_ref, (item, answer))
    missing = tuple(item for item in sent if item.client_ref not in taken)
    return Matched(tuple(taken.values()), missing, tuple(strange))
