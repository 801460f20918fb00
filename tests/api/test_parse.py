"""Reading records: every documented or observed form, and everything else without a crash."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runflowd.api import Failure, Status, catalog, outcomes, parse
from runflowd.api.envelopes import cursor
from runflowd.api.scalars import Unreadable, count, decode, identifier, money, shallow

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = st.sampled_from(
    [
        *("id", "run_id", "batch_id", "items", "data", "run", "next", "next_pq", "status_code", "status", "output"),
        *("cost", "error", "failure_code", "failure_message", "client_ref", "sequence_index", "upload_url", "url"),
        *("balance", "balance_cents", "inputs", "memberships", "org", "scopes", "plain_secret", "items_total", "slug"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6),
    max_leaves=30,
)
ABSURD_AMOUNTS: list[Any] = ["", "x", "-1", -1, "NaN", "inf", "1e999", 1e300, 10**400, True, None, [], "9" * 99]
READERS = [
    parse.created,
    parse.batch,
    parse.page,
    parse.run,
    parse.runs,
    parse.upload,
    parse.asset,
    parse.callback_secret,
    catalog.credit,
    catalog.model("a/b"),
    catalog.models,
    catalog.identity,
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__qualname__)
@settings(max_examples=40)
@given(body=JSON)
def test_no_answer_breaks_a_reader(reader: Callable[[Any], object], body: Any) -> None:
    """Arbitrary JSON gives a value or `Unreadable`, which the session turns into `Transient`."""
    with contextlib.suppress(Unreadable):
        reader(body)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_decoder(body: bytes) -> None:
    """Arbitrary bytes are JSON that can be written again as UTF-8, or `Unreadable`."""
    try:
        value = decode(body)
    except Unreadable:
        return
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 10_000, b"<html>", b'{"a":1}x'])
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    """Each way of being malformed ends the same (scenario 89)."""
    with pytest.raises(Unreadable):
        decode(body)


def test_half_a_character_is_replaced() -> None:
    """A lone surrogate would break whatever stores or shows the text later; a whole pair is a character."""
    assert {"a": "?", "b": "\U0001f600"} == decode(b'{"a": "\\ud800", "b": "\\ud83d\\ude00"}')


def test_numbers_that_are_no_json_vanish() -> None:
    """Python would read NaN and Infinity as numbers."""
    assert [None, None] == decode(b"[NaN, -Infinity]")


@pytest.mark.parametrize("field", ["status_code", "status"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("queued", Status.PENDING),
        ("dispatching", Status.PENDING),
        ("running", Status.PENDING),
        ("succeeded", Status.SUCCEEDED),
        ("Succeeded", Status.SUCCEEDED),
        ("failed", Status.FAILED),
        ("errored", Status.FAILED),
        ("cancelled", Status.CANCELLED),
        ("canceled", Status.CANCELLED),
        ("partial_succeeded", Status.PARTIAL),
        ("warming_up", Status.PENDING),
    ],
)
def test_status_words_are_understood_under_either_name(field: str, word: str, expected: Status) -> None:
    """Both spellings, both fields; unknown words keep a batch waiting and are kept to be shown."""
    batch = parse.batch({"id": "b", field: word})

    assert (expected, word) == (batch.status, batch.word)


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"items_total": 3, "items_succeeded": 1, "items_failed": 1, "items_cancelled": 1}, True),
        ({"items_total": 2, "items_succeeded": 2, "items_failed": None}, True),
        ({"items_total": 3, "items_succeeded": 2, "items_failed": 0, "items_cancelled": 0}, False),
        ({"items_total": 0, "items_succeeded": 0}, False),
        ({"items_succeeded": 2}, False),
        ({}, False),
    ],
)
def test_a_batch_has_ended_when_its_counters_say_so(counters: dict[str, Any], expected: bool) -> None:
    """No source lists the words for a batch's end: an unknown one must not keep paid results waiting."""
    batch = parse.batch({"id": "b", "status_code": "settled", **counters})

    assert (Status.PENDING, expected) == (batch.status, batch.ended)


def test_a_batch_under_way_has_not_ended_whatever_its_counters_say() -> None:
    """The word is one that the sources have; items that are not listed yet must not be given up."""
    batch = parse.batch({"id": "b", "status_code": "Running", "items_total": 2, "items_succeeded": 2})

    assert not batch.ended


@pytest.mark.parametrize(
    ("output", "expected"), [({"url": "https://x.example/a.png"}, Status.SUCCEEDED), ({}, Status.PARTIAL)]
)
def test_a_partial_run_with_a_result_is_a_success(output: Any, expected: Status) -> None:
    """One page lists `run.partial_succeeded` among the events; what was paid for is not thrown away."""
    row = {"id": "r", "status_code": "partial_succeeded", "output": output}

    assert (expected, expected) == (parse.run(row).status, parse.item(row).status)


@pytest.mark.parametrize("value", [None, "", 4.5, [], {}, True])
def test_a_status_that_is_no_word_is_pending(value: Any) -> None:
    """Absent or absurd is not terminal."""
    assert (Status.PENDING, "") == outcomes.status({"status_code": value})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"run": {"failure_code": "C", "failure_message": "m", "failure_stage_code": "s"}}, ("C", "m", "s")),
        ({"failure_code": "C", "failure_message": "m", "failure_stage": "s"}, ("C", "m", "s")),
        ({"failure_message": "m"}, ("", "m", "")),
        ({"error": {"code": "C", "message": "m"}}, ("C", "m", "")),
        ({"error": "m"}, ("", "m", "")),
        ({"run": {"error": {"detail": "m"}}}, ("", "m", "")),
        ({"failure_reason": "m"}, ("", "m", "")),
        ({"error": {"code": "WORSE"}, "run": {"failure_code": "BETTER"}}, ("BETTER", "", "")),
    ],
)
def test_failures_are_read_from_every_place(row: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """The reference's fields win over the ones that only clients know."""
    assert Failure(*expected) == parse.item(row).failure


@pytest.mark.parametrize("row", [{}, {"error": None}, {"error": {}}, {"failure_code": ""}, {"error": 4.5}])
def test_no_reason_is_no_failure(row: dict[str, Any]) -> None:
    """Nothing told is None, not an empty sentence."""
    assert parse.item(row).failure is None


def test_a_failures_words_are_made_harmless() -> None:
    """Control characters, direction marks and signed URLs do not pass."""
    words = "bad \x1b[31m\u202eimage https://s3.example/x.png?X-Amz-Signature=abc\nsecond line"

    failure = parse.item({"failure_message": words}).failure

    assert failure is not None
    assert failure.message.isprintable()
    assert "abc" not in failure.message


def test_an_item_is_completed_from_its_run() -> None:
    """Output, cost, status and ids are found at either level."""
    run = {"id": "r", "client_ref": "c", "status_code": "succeeded", "output": {"url": "u"}, "cost": "0.35"}
    item = parse.item({"sequence_index": "4", "output": {}, "run": run})

    assert ("c", "r", 4, Status.SUCCEEDED, {"url": "u"}, Decimal("0.35")) == (
        item.client_ref,
        item.run_id,
        item.sequence,
        item.status,
        item.output,
        item.cost,
    )


def test_an_item_goes_before_its_run() -> None:
    """Where both speak, the item is asked."""
    item = parse.item({"run_id": "a", "status": "failed", "run": {"id": "b", "status_code": "running"}})

    assert ("a", Status.FAILED) == (item.run_id, item.status)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "b", "items": [{"run_id": "r", "client_ref": "c", "sequence_index": 0}]}, ("b", [("r", "c", 0)])),
        ({"id": "b", "status_code": "queued", "items_total": 2}, ("b", [])),
        ({"run_id": "r"}, ("r", [])),
        ({"batch_id": 17, "items": [None, 3, {}]}, ("17", [("", "", None)])),
        ({"data": {"id": "b"}}, ("b", [])),
    ],
)
def test_creations_are_read_in_every_form(body: Any, expected: Any) -> None:
    """The reference, the guide's sample, the clients' fallback to `run_id`, and a wrapped record."""
    made = parse.created(body)

    assert expected == (made.id, [(one.run_id, one.client_ref, one.sequence) for one in made.items])


@pytest.mark.parametrize("name", [None, "", ".", "..", "a b", "a\nb", "\u00e9", "x" * 256, 1.5, True, [], {}])
def test_an_implausible_id_is_no_id(name: Any) -> None:
    """Ids become part of addresses; only printable ASCII without spaces does."""
    assert identifier(name) == ""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"next": "abc"}, "abc"),
        ({"next_pq": "abc", "next": None}, "abc"),
        ({"next": "https://api.example/v1/x?limit=5&pq=a%2Bb"}, "a+b"),
        ({"next": "/v1/x?pq=abc"}, "abc"),
        ({"next": "?pq=abc"}, "abc"),
        ({"next": {"pq": "abc"}}, "abc"),
        ({"next": "https://api.example/v1/x"}, None),
        ({"next": "https://[bad?pq=abc"}, None),
        ({"next": ""}, None),
        ({"next": 4}, None),
        ({"next": "x" * 5000}, None),
        ({}, None),
        ([], None),
    ],
)
def test_the_next_page_is_found_under_every_name(body: Any, expected: str | None) -> None:
    """A bare cursor, a URL or nothing."""
    assert expected == cursor(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.35", Decimal("0.35")),
        (" 1 ", Decimal(1)),
        (0.018, Decimal("0.018")),
        (0, Decimal(0)),
        *((absurd, None) for absurd in ABSURD_AMOUNTS),
    ],
)
def test_absurd_amounts_are_none(value: Any, expected: Decimal | None) -> None:
    """Costs are strings or numbers; what no invoice could say is dropped."""
    assert expected == money(value)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_every_amount_can_be_added_up(value: Any) -> None:
    """Whatever passes is finite, not negative, and small enough to sum."""
    amount = money(value)

    assert amount is None or 0 <= amount < 10**9


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3), ("3", 3), (3.0, 3), *((bad, None) for bad in (-1, "x", 1.5, True, 1e300))]
)
def test_absurd_counts_are_none(value: Any, expected: int | None) -> None:
    """Counters are whole and not negative."""
    assert expected == count(value)


def test_an_output_nested_beyond_reason_is_dropped() -> None:
    """What passed the decoder must not overflow whoever walks it later."""
    deep: Any = "https://x.example/a.png"
    for _ in range(40):
        deep = [deep]

    assert not shallow(deep)
    assert parse.item({"output": deep}).output is None


def test_addresses_are_not_printed() -> None:
    """No presigned query reaches a log by way of a repr."""
    url = "https://s3.example/x?X-Amz-Signature=abc"
    values = (
        parse.upload({"asset_id": "a", "upload_url": url}),
        parse.asset({"id": "a", "url": url}),
        parse.item({"output": {"url": url}}),
        parse.run({"id": "r", "output": {"url": url}}),
    )

    assert "abc" not in repr(values)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"min": 0, "max": 255}, (0.0, 255.0, ())),
        ({"minimum": 0.5, "le": 2}, (0.5, 2.0, ())),
        ({"choices": ["1:1", 2, True]}, (None, None, ("1:1", "2", "true"))),
        ({"options": [{"value": "a", "label": "A"}]}, (None, None, ("a",))),
        ({"min": "0", "max": True, "choices": [["a"]]}, (None, None, ())),
        ({"min": float("nan"), "max": 10**400, "choices": "ab"}, (None, None, ())),
        (None, (None, None, ())),
        ([1], (None, None, ())),
    ],
    ids=str,
)
def test_the_limits_of_an_input_are_read_in_every_wording(attributes: Any, expected: Any) -> None:
    """What `validator_attrs` holds is shown nowhere; what cannot be understood sets no limit."""
    row = {"name": "x", "variable_type_code": "integer", "validator_attrs": attributes}
    (found,) = catalog.model("a/b")({"inputs": [row]}).inputs

    assert expected == (found.minimum, found.maximum, found.choices)
