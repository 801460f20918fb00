"""Matching the service's answers with what was sent."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.results import match


@dataclass(frozen=True)
class Sent:
    client_ref: str
    run_id: str | None
    position: int | None


@dataclass(frozen=True)
class Answer:
    client_ref: str = ""
    run_id: str = ""
    sequence: int | None = None


SENT = [Sent(f"ref-{n}", f"run-{n}", n) for n in range(4)]


def test_references_decide() -> None:
    """A reference beats a run id and a place that say otherwise (scenario 94)."""
    answer = Answer("ref-2", "run-0", 1)

    assert match(SENT, [answer]).pairs == ((SENT[2], answer),)


def test_without_reference_the_run_decides() -> None:
    """The run id from the create answer is next."""
    answer = Answer("", "run-3", 0)

    assert match(SENT, [answer]).pairs == ((SENT[3], answer),)


def test_without_both_the_place_decides_from_one() -> None:
    """`sequence_index` may count from 1."""
    answers = [Answer(sequence=n + 1) for n in range(4)]

    assert match(SENT, answers).pairs == tuple(zip(SENT, answers, strict=True))


def test_a_missing_answer_is_reported_as_missing() -> None:
    """Silence is not failure (scenario 95)."""
    assert match(SENT, [Answer("ref-0")]).missing == tuple(SENT[1:])


def test_a_strange_answer_belongs_to_nobody() -> None:
    """An item that was never sent is set apart."""
    strange = Answer("somebody-else", "run-x", 0)

    assert match(SENT, [strange]).strange == (strange,)


def test_a_doubled_answer_counts_once() -> None:
    """The first one stands."""
    first, second = Answer("ref-0", "run-0"), Answer("ref-0", "run-9")

    assert match(SENT, [first, second]).pairs == ((SENT[0], first),)


@given(st.permutations(range(4)), st.sampled_from(["reference", "run", "place"]), st.sampled_from([0, 1]))
def test_order_never_matters(order: list[int], by: str, base: int) -> None:
    """However the service shuffles, each item gets its own answer."""

    def made(place: int) -> Answer:
        answers = {
            "reference": Answer(f"ref-{place}"),
            "run": Answer("", f"run-{place}"),
            "place": Answer("", "", place + base),
        }
        return answers[by]

    found = match(SENT, [made(n) for n in order])

    assert {item.position: made(item.position or 0) for item in SENT} == {item.position: a for item, a in found.pairs}
