"""Refusals that name nothing: when they are the rule's."""

from __future__ import annotations

from runflowd.core.suspicion import TAKEN_LATELY, Cause, Suspicion

NOW = 1_800_000_000.0


def causes(
    *files: str, message: str = "no", before: Suspicion | None = None, now: float = NOW
) -> tuple[Suspicion, list[Cause]]:
    """What refusals of these files, one after the other, are taken for."""
    found: list[Cause] = []
    before = before or Suspicion()
    for content in files:
        before, cause = before.of_file(message, content, now)
        found.append(cause)
    return before, found


def test_two_different_files_make_it_the_rules() -> None:
    """And so it stays (scenario 133)."""
    assert [Cause.OPEN, Cause.RULE, Cause.RULE] == causes("a", "b", "a")[1]


def test_one_file_is_asked_about_twice_and_then_at_fault() -> None:
    """It is the only one there is (scenario 133)."""
    assert [Cause.OPEN, Cause.FILE] == causes("a", "a")[1]


def test_whoever_is_refused_beside_one_that_is_taken_is_at_fault_itself() -> None:
    """The rule was good enough for the other (scenario 133)."""
    known, _ = causes("a", "b")

    assert [Cause.FILE] * 4 == causes("a", "b", "c", "d", before=known.relieved(NOW))[1]


def test_a_purchase_does_not_speak_for_its_rule_for_ever() -> None:
    """The service may take something else by now (scenario 133)."""
    known, later = Suspicion().relieved(NOW), NOW + TAKEN_LATELY

    assert [Cause.OPEN, Cause.RULE] == causes("a", "b", before=known, now=later)[1]


def test_other_words_are_another_matter() -> None:
    """Names, numbers and addresses make no other words (scenario 133)."""
    known, _ = causes("a", message="'a.jpg' is bad (request 17)")

    assert Cause.RULE is known.of_file("'b.jpg' is bad (request 18)", "b", NOW)[1]
    assert Cause.OPEN is known.of_file("is too large", "b", NOW)[1]


def test_a_batch_is_halved_and_then_sampled() -> None:
    """Once its halves fail alike, a file of each is asked about alone (scenario 133)."""
    whole, first = Suspicion().of_batch("no")
    half, second = whole.of_batch("no")
    _, third = causes("a", "b", before=half)[0].of_batch("no")

    assert [Cause.FILE, Cause.OPEN, Cause.RULE] == [first, second, third]
