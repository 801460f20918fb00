"""A receipt as a pure function: equal facts, equal bytes, and no secret in them."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.model import Rule
from runflowd.core.receipt import Bought, DeliveredOutput, Ended, Entry, Receipt, document, outputs_from, outputs_text
from runflowd.core.snapshot import to_text

BOUGHT = Bought("https://api.test", "batch", "run", "reference", "key")
RULE = Rule(name="studio", watch="/in", output="/out", model="m/n", input={"image_url": "${file.url}"})
USUAL = Receipt(
    source="a.jpg",
    size=3,
    content="c0",
    mime="image/jpeg",
    rule="studio",
    snapshot="5a",
    text=to_text(RULE),
    model="m/n",
    input={"image_url": "${file.url}"},
    settings={},
    assets={"file.url": "7"},
    bought=BOUGHT,
    shares="",
    settled=False,
    entries=(),
    currency="USD",
    times={"found": 1_800_000_000.25, "sealed": None},
    ended=Ended("done"),
    outputs=(DeliveredOutput("a.webp", 2, "d1"),),
)


def told(**changes: object) -> dict[str, object]:
    """What the receipt says, with these facts."""
    found: dict[str, object] = json.loads(document(replace(USUAL, **changes)))  # type: ignore[arg-type]
    return found


def entry(amount: str) -> Entry:
    """A movement of money."""
    return Entry("charge", Decimal(amount), "USD", 1_800_000_000.0, "reference", "run")


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({}, None),
        ({"settled": True}, "0"),
        ({"shares": "b.jpg"}, "0"),
        ({"bought": replace(BOUGHT, service="local")}, "0"),
        ({"entries": (entry("0.30"), entry("-0.10"))}, "0.2"),
    ],
)
def test_the_cost_is_the_sum_of_the_charges(changes: dict[str, object], cost: str | None) -> None:
    """Unknown as long as nobody has stated it, and nothing for what is not bought."""
    assert cost == told(**changes)["cost"]


def test_an_upload_without_an_asset_stays_a_placeholder() -> None:
    """As the words of a text file do; what is data is told as it was sent."""
    given = {"image_url": "${file.url}", "words": "${file.text}", "price": "5 $$"}

    assert {"image_url": "runflow://assets/7", "words": "${file.text}", "price": "5 $"} == told(input=given)["input"]


def test_times_are_those_on_record() -> None:
    """In UTC, to the millisecond; what has not happened has none."""
    assert {"found": "2027-01-15T08:00:00.250+00:00", "sealed": None} == told()["times"]


secrets = st.text("0123456789abcdef", min_size=24, max_size=24)
holders = st.sampled_from(["https://h.test/a.png?sig={}", "https://u:{}@h.test/", "Bearer {}", "rf_live_{}"])


@given(secrets, holders, st.booleans())
def test_no_secret_of_a_link_or_a_key_is_in_a_receipt(secret: str, holder: str, nested: bool) -> None:
    """Wherever in the input or in the text of the rule it stands, and in a reason."""
    text = holder.format(secret)
    given = {"style": [{"reference": text}] if nested else text}
    rule = replace(RULE, input=given)
    found = document(
        replace(USUAL, input=given, text=to_text(rule), ended=Ended("failed", "X", f"no answer from {text}"))
    )

    assert secret.encode() not in found


@given(st.lists(st.builds(DeliveredOutput, st.text(), st.integers(0), st.text())).map(tuple))
def test_outputs_are_kept_as_they_were_told(outputs: tuple[DeliveredOutput, ...]) -> None:
    """What is read back is what was kept."""
    assert outputs == outputs_from(outputs_text(outputs))
