"""When people are told, and of what: once per incident, however often it comes and goes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from runflowd.core.notices import (
    RESOLVE_DELAY,
    DayFacts,
    FolderOutcome,
    IncidentRecord,
    Kind,
    Message,
    begun,
    budget_mark,
    digest_message,
    ended,
    folder_message,
    over_message,
    sentence_of,
    unknown_needs_message,
)


@pytest.mark.parametrize(
    ("story", "code", "unsent", "quiet", "expected"),
    [
        (None, "A", (), False, (IncidentRecord(("A",), 1), True)),
        (IncidentRecord(("A",), 1), "A", (), True, (IncidentRecord(("A",), 2), False)),
        (IncidentRecord(("A",), 1), "A", (), False, (IncidentRecord(("A",), 1), False)),
        (IncidentRecord(("A",), 1), "A", ("A",), True, (IncidentRecord(("A",), 2), False)),
        (IncidentRecord(("A",), 1), "B", (), False, (IncidentRecord(("A", "B"), 1), True)),
        (IncidentRecord(("A",), 1), "B", ("A",), False, (IncidentRecord(("B",), 1), True)),
        (IncidentRecord(("A", "B"), 3), "A", (), True, (IncidentRecord(("A", "B"), 4), False)),
    ],
    ids=["new", "back", "restated", "back-unsent", "another", "instead", "an-earlier-one"],
)
def test_an_incident_is_reported_once_for_each_trouble(
    story: IncidentRecord | None, code: str, unsent: tuple[str, ...], quiet: bool, expected: tuple[IncidentRecord, bool]
) -> None:
    """What came back is counted; only a trouble that nobody heard of is told."""
    assert expected == begun(story, code, unsent, quiet=quiet)


@pytest.mark.parametrize(
    ("codes", "unsent", "expected"),
    [(("A",), (), True), (("A",), ("A",), False), (("A", "B"), ("B",), True)],
)
def test_only_what_was_reported_is_reported_as_over(
    codes: tuple[str, ...], unsent: tuple[str, ...], expected: bool
) -> None:
    """Nobody hears of the end of what they never heard of."""
    assert expected is ended(IncidentRecord(codes), unsent)


def test_the_end_says_how_long_and_how_often() -> None:
    """Once per incident, with a count."""
    message = over_message("service", IncidentRecord(("UNREACHABLE", "RATE_LIMITED"), 3), 1000.0, 1090.4)

    assert message.message == "service is well again after 1m30s (UNREACHABLE, RATE_LIMITED, 3 times)"
    assert message.count == 3


@pytest.mark.parametrize(
    ("spent", "limit", "day", "expected"),
    [
        ("19.99", "20", "2026-11-27", None),
        ("20", "20", "2026-11-27", "2026-11-27 20"),
        ("20", "20", "2026-11-28", "2026-11-28 20"),
        ("31", "30.5", "2026-11-27", "2026-11-27 30.5"),
        ("31", None, "2026-11-27", None),
    ],
)
def test_a_budget_is_reached_once_a_day(spent: str, limit: str | None, day: str, expected: str | None) -> None:
    """The mark is what tells one day, and one budget, from the next."""
    assert expected == budget_mark(Decimal(spent), Decimal(limit) if limit else None, day)


@pytest.mark.parametrize(
    ("told", "newest", "now", "expected"),
    [
        (None, 100.0, 100.0, True),
        ((100.0, 90.0), 90.0, 1e6, False),
        ((100.0, 90.0), 95.0, 100.0 + RESOLVE_DELAY - 1, False),
        ((100.0, 90.0), 95.0, 100.0 + RESOLVE_DELAY, True),
        ((100.0, 90.0), 95.0, 50.0, True),
    ],
    ids=["first", "the-same", "too-soon", "later", "clock-set-back"],
)
def test_items_in_doubt_are_reported_together(
    told: tuple[float, float] | None, newest: float, now: float, expected: bool
) -> None:
    """A hundred that come one by one are a few messages."""
    assert expected is unknown_needs_message(told, newest, now)


@pytest.mark.parametrize(
    ("kind", "remedy", "expected"),
    [
        (Kind.INCIDENT, "Call them.", "runflowd on studio-1: incident: It is gone. Call them."),
        (Kind.RESOLVED, "", "runflowd on studio-1: resolved: It is gone."),
        (Kind.BUDGET, "Look", "runflowd on studio-1: budget: It is gone. Look."),
    ],
)
def test_the_gist_is_one_line(kind: Kind, remedy: str, expected: str) -> None:
    """For whoever shows nothing else."""
    assert expected == sentence_of(Message(kind, "s", "C", "It is gone", remedy, 1, 0.0), "studio-1")


@pytest.mark.parametrize(
    ("facts", "sentence", "asks"),
    [
        (DayFacts(0, 0, {}, 0, 0, 0), "0 files done, 0 failed; nothing waits", False),
        (
            DayFacts(1200, 3, {"USD": Decimal("4.50"), "EUR": Decimal(2)}, 7, 1, 2),
            (
                "1,200 files done, 3 failed, $4.50 charged, 2 EUR charged; "
                "now 7 wait, 1 need a decision, 2 incidents are open"
            ),
            True,
        ),
    ],
)
def test_a_digest_says_what_came_of_a_day(facts: DayFacts, sentence: str, *, asks: bool) -> None:
    """And where to look, if there is something to look at."""
    message = digest_message(facts, 1e9)

    assert (sentence, asks, 1e9) == (message.message, bool(message.remedy), message.since)


def test_messages_name_the_command_that_shows_what_waits_for_review() -> None:
    """Beside the one about failures, where there are some."""
    day = DayFacts(done=3, failed=0, charged={}, waiting=0, in_doubt=0, incidents=0, to_review=2)
    folder = FolderOutcome("studio", "shoes", done=2, failed=1, in_doubt=0, to_review=2)

    assert digest_message(day, 0.0).remedy == "`runflowd review` shows what waits for review"
    assert folder_message(folder, 0.0).remedy == (
        "`runflowd list --rule studio --state failed` says why, and `runflowd review studio` shows what waits"
    )
