"""The page as a pure function: whatever a file is called, the page is a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.api.statistics import Pace
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.core.money import Limit, Stop
from runflowd.observability.rule_status import RuleStatus
from runflowd.observability.status import Status
from runflowd.store.batches import Batch
from runflowd.store.pauses import Pause
from runflowd.store.reports import FailureGroup, Incident
from runflowd.store.spending import Spend
from runflowd.web.app import clean
from runflowd.web.formatting import MAX_LENGTH, age, breakable, money, number, sentence, shown, with_commands
from runflowd.web.page import view
from runflowd.web.screen import render, said
from runflowd.web.view_models import LimitRow, Segment

if TYPE_CHECKING:
    from runflowd.web.view_models import Page

NOW = 1_800_000_000.0
PAUSE = Pause("studio", NOW - 60, "white balance is off")


def cause(path: str = "a.jpg", reason: str = "no", **changes: Any) -> FailureGroup:
    """One file that failed."""
    facts: dict[str, Any] = {
        "rule": "studio", "state": ItemState.FAILED, "code": "X", "count": 1, "at": NOW, "path": path,
        "reason": reason, "reference": "ref",
    }  # fmt: skip
    return FailureGroup(**{**facts, **changes})


def batch(**changes: Any) -> Batch:
    """A batch that was sent 90 seconds ago."""
    facts: dict[str, Any] = {
        "id": "local", "rule": "studio", "snapshot": "", "service": "", "model": "m", "state": BatchState.SUBMITTED,
        "items": 3, "shape": "", "remote_id": "remote", "status": "running", "cost": None, "failure_code": "",
        "failure": "", "attempts": 0, "sealed_at": NOW - 90, "submitted_at": NOW - 80, "stalled_at": None,
        "ended_at": None, "owner": None, "generation": 1,
    }  # fmt: skip
    return Batch(**{**facts, **changes})


def status(counts: dict[ItemState, int] | None = None, **changes: Any) -> Status:
    """One rule, and what the test is about."""
    facts: dict[str, Any] = {
        "state": "/state.db", "pid": 1, "now": NOW, "rules": (RuleStatus("studio", "/in", "/out", "m", counts or {}),),
        "batches": (), "failures": (), "waiting": (), "incidents": (), "spent_today": Spend(),
    }  # fmt: skip
    return Status(**{**facts, **changes})


def page(found: Status, *unready: str, pace: Pace | None = None) -> Page:
    """Its wording, with the one rule in force."""
    return view(found, unready, {"studio"}, pace or Pace())


@pytest.mark.parametrize(("rate", "words"), [(24.6, "about 25 requests/s"), (2.13, "about 2.1 requests/s")])
def test_what_the_service_allows_is_shown_once_it_is_known(rate: float, words: str) -> None:
    """Beside what is in flight, which it may explain (scenario 129)."""
    notes = [page(status(), pace=pace).figures[0].note for pace in (Pace(), Pace(rate, 3, 8))]

    assert ["0 open batches", f"0 open batches; the service allows {words}"] == notes


VISIT: dict[str, Any] = {
    "screen": "Now",
    "here": "/",
    "said": "",
    "message": "",
    "then": [""],
    "why": None,
    "token": "t",
    "user": "",
    "may_leave": False,
}
"""A screen asked for where there are no users."""


def document(found: Status) -> str:
    """The whole screen."""
    return render("now.html", page=page(found), **VISIT, may_spend=True)


LIMIT = Limit("per_day", "", Decimal(50), Stop.CAUTIOUS, Decimal(30), Decimal("12.5"), NOW + 3_600)


def test_a_limit_of_money_is_a_bar_with_the_same_in_words() -> None:
    """What is charged, reserved and left, and when it begins anew, by the clock of the configuration."""
    (row,) = page(status(limits=(LIMIT,), zone=UTC)).limits

    assert (
        LimitRow(
            name="All rules, a day",
            key="money.budget.per_day",
            words="$30.00 charged, $12.50 reserved, $7.50 left of $50.00",
            note="begins anew on 2027-01-15 at 09:00, in 60 min",
            tone="",
            now="42.5",
            most="50",
            bar=(Segment("charged", 0.0, 60.0), Segment("reserved", 60.0, 25.0)),
        )
    ) == row


def test_a_limit_that_is_passed_has_a_full_bar() -> None:
    """Though no more than that; the words say by how much."""
    (row,) = page(status(limits=(replace(LIMIT, rule="studio", charged=Decimal(51)),), currency="EUR")).limits

    assert ("studio, a day", (Segment("charged", 0.0, 100.0),), "50", "bad") == (row.name, row.bar, row.now, row.tone)
    assert row.words.endswith("13.50 EUR above the limit of 50.00 EUR")


def test_a_meter_says_its_numbers_to_those_who_do_not_see_it() -> None:
    """By the attributes that WAI-ARIA asks of one; a page without limits has none."""
    html = document(status(limits=(LIMIT,)))
    words = "$30.00 charged, $12.50 reserved, $7.50 left of $50.00"

    assert f'aria-valuemin="0" aria-valuemax="50" aria-valuenow="42.5" aria-valuetext="{words}"' in html
    assert 'role="meter"' not in document(status())


class _Texts(HTMLParser):
    """Collects what a browser would show, and which elements it would make."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(html: str) -> _Texts:
    """The document as a browser reads it."""
    reader = _Texts()
    reader.feed(html)
    return reader


USUAL_TAGS = parsed(document(status(causes=(cause(),)))).tags


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_and_no_reason_becomes_markup(path: str, reason: str) -> None:
    """The elements of the page are the same whatever a file is called; its name is text, on one line."""
    found = parsed(document(status(causes=(cause(path, reason),))))

    assert USUAL_TAGS == found.tags
    assert shown(f"studio/{path}") in found.texts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a\n\x1b[31m.jpg", "studio/a\\n\\x1b[31m.jpg"),
        ("\u202egpj.exe", "studio/\\u202egpj.exe"),
        ("\udcff.jpg", "studio/\\xff.jpg"),
        ("<script>alert(1)</script>", "studio/<script>alert(1)</script>"),
        ('" onclick="x', 'studio/" onclick="x'),
    ],
)
def test_hostile_names_are_shown_as_they_are_written(name: str, expected: str) -> None:
    """Control characters, direction marks and stray bytes as escapes; the rest as text."""
    assert expected in parsed(document(status(causes=(cause(name),)))).texts


@pytest.mark.parametrize(
    "make",
    [
        lambda text: {"causes": (cause(reason=text),)},
        lambda text: {"incidents": (Incident("s", "C", text, text, NOW, NOW, 1),)},
        lambda text: {"batches": (batch(failure=text),)},
    ],
)
def test_no_presigned_query_and_no_key_reaches_the_page(make: Any) -> None:
    """Wherever the service put it into a message."""
    text = "GET https://s3.test/a.jpg?X-Amz-Signature=abcdef said no to Bearer rf_live_0123456789abcdef"

    html = document(status(**make(text)))

    assert ("said no to" in html, "abcdef" in html) == (True, False)


def test_status_json_is_cut_and_escaped_at_every_depth() -> None:
    """What the page does not show, its JSON does not show."""
    found = clean({"a": [{"b": "https://s3.test/x?sig=1"}, "c\x1b"], "d": 1, "e": None})

    assert found == {"a": [{"b": "https://s3.test/x?..."}, "c\\x1b"], "d": 1, "e": None}


def test_a_very_long_reason_is_cut() -> None:
    """One answer of a broken service does not fill the page."""
    assert len(shown("x" * 10_000)) == MAX_LENGTH


WARNING = Incident("budget:studio", "PRICE_UNKNOWN", "rule studio: nobody knows what a file costs", "r", NOW, NOW, 1)
INCIDENT = Incident("rule:studio", "RULE_REFUSED", "the service refuses `input`", "correct it", NOW, NOW, 1)


def test_what_is_no_trouble_is_shown_apart_and_counted_once() -> None:
    """By the scope: a price that is not known yet is a warning, a rule that the service refuses is an incident."""
    found = page(status(incidents=(WARNING, INCIDENT)))

    assert (["PRICE_UNKNOWN"], ["RULE_REFUSED"]) == tuple(
        [each.tag.rpartition(" ")[2] for each in rows] for rows in (found.warnings, found.incidents)
    )


def test_incidents_read_as_sentences_with_commands_as_code() -> None:
    """They begin with a capital, and no backtick is left."""
    html = render("now.html", page=page(status(incidents=(INCIDENT,))), **VISIT, may_spend=True)

    assert '<div class="title">The service refuses <code>input</code></div>' in html
    assert "Correct it" in html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rule studio: no", "Rule studio: no"),
        ("the file is empty", "The file is empty"),
        ("photo.jpg is empty", "photo.jpg is empty"),
        ("/srv/in is not there", "/srv/in is not there"),
        ("`output` is full", "`output` is full"),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_unless_a_name_begins_it(text: str, expected: str) -> None:
    """A name is as it is."""
    assert expected == sentence(text)


def test_files_that_wait_for_money_are_not_in_flight() -> None:
    """What is ready has not left."""
    found = page(status({ItemState.READY: 5, ItemState.QUEUED: 1, ItemState.SUBMITTED: 2, ItemState.DOWNLOADING: 1}))

    assert "4" == found.figures[0].value


def test_what_was_charged_in_another_currency_is_shown() -> None:
    """It is no part of the sum, and was paid all the same."""
    spent = Spend(settled=Decimal(1), others={"EUR": Decimal("2.50")})
    figure = page(status(spent_today=spent)).figures[3]

    assert ("$1.00", "and 2.50 EUR") == (figure.value, figure.note)


def test_a_long_name_breaks_where_its_parts_are_set_apart() -> None:
    """And is no markup."""
    assert "IMG_<wbr>2026-<wbr>11.<wbr>jpg" == breakable("IMG_2026-11.jpg")
    assert "&lt;b&gt;" == breakable("<b>")


@pytest.mark.parametrize(
    ("found", "unready", "expected"),
    [
        (status(), (), ("All done", "good")),
        (status({ItemState.READY: 1, ItemState.FAILED: 1}), (), ("At work", "busy")),
        (status({ItemState.DONE: 5, ItemState.FAILED: 1}), (), ("Done, 1 failed", "warn")),
        (status({ItemState.OUTCOME_UNKNOWN: 1}), (), ("Needs a decision", "warn")),
        (status(incidents=(Incident("s", "C", "m", "r", NOW, NOW, 1),) * 2), (), ("2 incidents", "bad")),
        (status(incidents=(WARNING,)), (), ("1 warning", "warn")),
        (status(incidents=(WARNING, INCIDENT, WARNING)), (), ("1 incident, 2 warnings", "bad")),
        (status(pauses=(PAUSE,)), (), ("1 paused", "warn")),
        (status({ItemState.READY: 9}, pauses=(PAUSE,)), (), ("1 paused", "warn")),
        (status(pauses=(replace(PAUSE, advice="of its incident"),)), (), ("All done", "good")),
        (status({ItemState.DONE: 5, ItemState.WAITING: 3}), (), ("3 waiting", "warn")),
        (status(), ("intake has not begun",), ("Not ready", "warn")),
    ],
)
def test_the_headline_says_the_worst(found: Status, unready: tuple[str, ...], expected: tuple[str, str]) -> None:
    """One glance is enough."""
    made = page(found, *unready)

    assert expected == (made.headline, made.tone)


@pytest.mark.parametrize(
    ("changes", "retry"),
    [({}, "Retry"), ({"state": ItemState.OUTCOME_UNKNOWN}, ""), ({"rule": "removed"}, "")],
)
def test_only_failed_files_of_rules_in_force_can_be_retried(changes: dict[str, Any], retry: str) -> None:
    """What may have been paid for is not bought again by a button."""
    made = page(status(causes=(cause(**changes),)))

    assert retry == made.failures[0].retry


def test_a_batch_shows_its_clock_and_what_it_waits_for() -> None:
    """In the words of the service once it has the batch."""
    found = (batch(), batch(state=BatchState.SEALED), batch(id="late", stalled_at=NOW))
    rows = page(status(batches=found, left={"local": 3, "late": 1})).batches

    assert [("running", "90 s"), ("uploading", "90 s"), ("overdue", "90 s")] == [(row.word, row.age) for row in rows]
    assert ["0 of 3", "0 of 3", "2 of 3"] == [row.items for row in rows]


def test_a_batch_is_named_as_everywhere_else() -> None:
    """By the beginning of its own id, which the log has whole; the service's id is at hand for who asks there."""
    (row,) = page(status(batches=(batch(id="0123456789abcdef", remote_id="theirs"),))).batches

    assert ("01234567", "0123456789abcdef, theirs at the service") == (row.short, row.full)


def test_columns_come_only_when_they_have_something_to_show() -> None:
    """The usual four always stand."""
    assert ("Queued", "Processing", "Done", "Failed", "Waiting") == page(status({ItemState.WAITING: 1})).columns


def test_the_bar_of_a_rule_shows_what_has_ended() -> None:
    """What is on its way is not there yet; what is left out is no part of the work."""
    (row,) = page(status({ItemState.DONE: 1, ItemState.READY: 1, ItemState.FAILED: 2, ItemState.SKIPPED: 9})).rules

    assert [("done", 0, 25), ("bad", 25, 50)] == [(part.tone, part.start, part.width) for part in row.bar]
    assert "1 of 4 done" == row.progress


def test_a_rule_says_how_many_of_its_results_wait_for_review() -> None:
    """Beside how far it is."""
    (row,) = page(status({ItemState.DONE: 3}, to_review={"studio": 2})).rules

    assert "1 of 3 done, 2 for review" == row.progress


def test_what_was_charged_though_it_failed_has_no_button() -> None:
    """Another try would be another purchase; the others of its group have one, and are counted without it."""
    alone, group = page(status(causes=(cause(charged=1), cause(count=5, charged=2)))).failures

    assert ("", "Retry 3") == (alone.retry, group.retry)
    assert "2 files" in group.remedy
    assert "--buy-again" in group.remedy


def test_who_may_only_look_sees_no_button() -> None:
    """What would be refused is not offered."""
    found = page(status(causes=(cause(),)))

    assert (1, 0) == tuple(
        render("now.html", page=found, **VISIT, may_spend=may).count('action="/retry"') for may in (True, False)
    )


@pytest.mark.parametrize(
    ("did", "count", "words"), [("retried", "2", "Another try for 2 files."), ("paused", "0", "Paused.")]
)
def test_what_was_done_is_said(did: str, count: str, words: str) -> None:
    """By the screen that one is led back to."""
    assert words == said(did, count)


@pytest.mark.parametrize(
    ("did", "count"), [("x", "1"), ("retried", "x"), ("retried", "-1"), ("retried", "9" * 30), ("<b>", "")]
)
def test_only_words_of_ours_and_a_number_are_said(did: str, count: str) -> None:
    """Whoever makes a link to a screen puts nothing else on it."""
    assert "" == said(did, count)


def test_a_pause_says_why() -> None:
    """And what to do, apart from incidents, whose number is that of the headline."""
    made = page(status(pauses=(PAUSE,)))

    assert ((), "white balance is off") == (made.incidents, made.paused[0].detail)
    assert "white balance is off" in document(status(pauses=(PAUSE,)))


def test_failures_of_one_cause_are_one_entry() -> None:
    """With how many they are, when the latest was, and one button for all."""
    alike = cause(count=2000, at=NOW - 120)
    alone, many, kept = page(status(causes=(cause(), alike, cause(state=ItemState.OUTCOME_UNKNOWN)))).failures

    assert ("studio/a.jpg", "Retry", "ref") == (alone.title, alone.retry, alone.reference)
    assert (f"studio: {number(2000)} files", f"Retry {number(2000)}", "") == (many.title, many.retry, many.reference)
    assert ("Latest a.jpg: no", "2 min ago") == (many.detail, many.since)
    assert "" == kept.retry


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5999, "1 h 40 min"),
        (7200, "2 h 0 min"),
        (190_000, "2 d 4 h"),
    ],
)
def test_ages_read_well(seconds: float, text: str) -> None:
    """The larger, the coarser."""
    assert text == age(seconds)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.00"), ("0.012", "$0.012"), ("0.1", "$0.10"), ("41.8275", "$41.83"), ("1E+3", "$1000.00")],
)
def test_money_reads_well(amount: str, text: str) -> None:
    """Fractions of a cent count below a dollar."""
    assert text == money(Decimal(amount))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("run `a <b>` now", "run <code>a &lt;b&gt;</code> now"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("it`s <i>", "it`s &lt;i&gt;"),
        ("", ""),
    ],
)
def test_commands_are_shown_as_code(text: str, html: str) -> None:
    """Without the backticks that set them apart in plain text; whatever stands between them is text."""
    assert html == with_commands(text)


def test_thousands_are_set_apart() -> None:
    """By a space that does not break."""
    assert number(1234567) == "1\u202f234\u202f567"
