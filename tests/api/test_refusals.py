"""What an error answer says: every envelope, waiting times, and what must not be repeated."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.api import ApiError, Rejected, Rejection, Scope
from runflowd.api.errors import Place
from runflowd.api.redaction import redact
from runflowd.api.refusals import explain, refusal, retry_after, storage_refusal
from runflowd.errors import RunflowdError

PLACE = Place("create the batch", "api.runflow.io", "req-1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["code", "message", "errors", "error", "detail", "loc", "msg", "title"]) | st.text(), inner
        )
    ),
    max_leaves=25,
)


def rejected(body: Any) -> Rejected:
    """The exception for a 422 with this body."""
    error = refusal(PLACE, httpx.Response(422), json.dumps(body).encode(), scope=Scope.BATCH, ambiguous=True)
    assert isinstance(error, Rejected)
    return error


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": "C", "message": "m", "errors": None}, ("C", "m")),
        ({"error": {"code": "C", "message": "m"}}, ("C", "m")),
        ({"error": "m"}, ("", "m")),
        ({"detail": "m"}, ("", "m")),
        ({"detail": {"message": "m"}}, ("", "m")),
        ({"title": "m", "type": "about:blank"}, ("", "m")),
        ({"error_type": "conflict", "message": "m"}, ("conflict", "m")),
        ("m", ("", "m")),
    ],
)
def test_code_and_message_are_read_from_every_envelope(body: Any, expected: tuple[str, str]) -> None:
    """Flat, nested, FastAPI's, problem details, a bare string."""
    assert expected == explain(json.dumps(body).encode())[:2]


def test_plain_text_is_quoted() -> None:
    """A gateway's own words are better than none."""
    assert ("", "upstream timed out", ()) == explain(b"upstream timed out")


def test_a_page_is_named_by_its_title() -> None:
    """Markup helps nobody; that it is a page, and which, does."""
    assert "titled 'Sign in'" in explain(b"<!doctype html><title>Sign in</title><p>...")[1]


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"loc": ["body", "input", 3, "image_url"], "msg": "required"}]},
        {"detail": [{"loc": ["body", "items", 3, "input", "image_url"], "msg": "required"}]},
        {"error": {"message": "invalid", "details": [{"field": "input[3].image_url", "message": "required"}]}},
        {"error": {"message": "invalid", "errors": [{"path": "/input/3/image_url", "message": "required"}]}},
        {"errors": {"items.3.input": ["required"]}},
        {"errors": ["items[3]: image_url is required"]},
        {"message": "input[3].image_url: URL is not reachable"},
    ],
)
def test_the_item_at_fault_is_found(body: Any) -> None:
    """However the server points at an item, the others can go on without it."""
    assert {3} == rejected(body).item_indexes()


def test_every_place_in_a_sentence_is_found() -> None:
    """With what is said of it (scenario 131)."""
    told = "body.items.0.client_ref: Extra inputs are not permitted; body.items[12].input.prompt: too long"
    expected = (
        Rejection(("items", 0, "client_ref"), "Extra inputs are not permitted"),
        Rejection(("items", 12, "input", "prompt"), "too long"),
    )

    assert expected == rejected({"message": told}).problems


@pytest.mark.parametrize(
    "body",
    [{}, {"message": "this model takes no batches"}, {"errors": [{"loc": ["body", "input"], "msg": "Field required"}]}],
)
def test_a_rejection_of_the_whole_points_at_no_item(body: Any) -> None:
    """Shape and model trouble is not blamed on an item."""
    assert frozenset() == rejected(body).item_indexes()


@pytest.mark.parametrize(
    ("loc", "expected"),
    [(["body", "input"], True), (["items"], True), (["body", "input", 0, "image_url"], False), (["metadata"], False)],
)
def test_a_wrong_body_shape_is_distinguished_from_a_wrong_item(loc: list[Any], expected: bool) -> None:
    """`items` where `input` is expected, or the reverse, is seen at the top level."""
    assert expected == rejected({"errors": [{"loc": loc, "msg": "x"}]}).blames_the_shape()


def test_problems_keep_place_and_words() -> None:
    """The page shows them to people."""
    error = rejected({"code": "V", "errors": [{"loc": ["body", "input", 0, "prompt"], "msg": "too long"}]})

    assert (Rejection(("body", "input", 0, "prompt"), "too long"),) == error.problems
    assert "body.input.0.prompt: too long" in str(error)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.integers(300, 599))
def test_every_error_answer_becomes_one_of_ours(body: bytes, status: int) -> None:
    """Arbitrary bodies under arbitrary statuses give an `ApiError` with a printable, bounded sentence."""
    response = httpx.Response(status)
    errors = (
        refusal(PLACE, response, body, scope=Scope.ITEM, ambiguous=False),
        storage_refusal(PLACE, response, body, scope=Scope.ITEM),
    )

    for error in errors:
        assert isinstance(error, ApiError)
        assert str(error).isprintable()
        assert len(str(error)) < 1500


def test_the_sentence_says_what_where_and_what_to_do() -> None:
    """What was tried, who answered, why, the remedy, and the id for the service's support."""
    error = refusal(PLACE, httpx.Response(402), b'{"code": "INSUFFICIENT_CREDIT"}', scope=Scope.BATCH, ambiguous=True)

    assert (
        "cannot create the batch: api.runflow.io answered 402 (INSUFFICIENT_CREDIT). "
        "Top up the balance; work resumes by itself [request req-1]"
    ) == str(error)
    assert isinstance(error, RunflowdError)


@pytest.mark.parametrize(
    ("told", "date", "expected"),
    [
        ("7", None, 7),
        ("0", None, 0),
        ("1.5", None, 1.5),
        ("999999", None, 3600),
        ("Tue, 24 Nov 2026 10:00:30 GMT", "Tue, 24 Nov 2026 10:00:00 GMT", 30),
        ("Tue, 24 Nov 2026 09:00:00 GMT", "Tue, 24 Nov 2026 10:00:00 GMT", 0),
        ("Tue, 24 Nov 2020 10:00:30 GMT", None, 0),
        ("Sat, 24 Nov 2096 10:00:30 GMT", None, 3600),
        *((absurd, "Tue, 24 Nov 2026 10:00:00 GMT", None) for absurd in ("", "soon", "-5", "NaN", "1e9", "9" * 40)),
    ],
)
def test_waiting_times_are_understood(told: str, date: str | None, expected: float | None) -> None:
    """Seconds or a date, measured by the server's own clock; absurd ones do not count (scenario 80)."""
    response = httpx.Response(429, headers={"retry-after": told} | ({"date": date} if date else {}))

    assert expected == retry_after(response)


@pytest.mark.parametrize(
    "text",
    [
        "see https://s3.example/o.png?X-Amz-Signature=SECRET&x=1 now",
        "https://user:SECRET@host.example/x",
        "Authorization: Bearer SECRETSECRET",
        "key rf_live_SECRET123456",
        "key rfk_SECRET123456",
        "whsec_SECRET",
        "StringToSign X-Amz-Credential=SECRET/2026",
        "data:image/png;base64,SECRETSECRETSECRETSECRET",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    """Whatever a server echoes, permissions do not come back out of an exception."""
    assert "SECRET" not in redact(text, 500)


@given(st.text(), st.integers(10, 100))
def test_redacted_text_is_one_bounded_printable_line(text: str, limit: int) -> None:
    """It can go into a log, a page or a terminal."""
    line = redact(text, limit)

    assert len(line) <= limit
    assert line.isprintable()
