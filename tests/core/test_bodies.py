"""What is posted for a batch or a run."""

from __future__ import annotations

import json

import pytest

from runflowd.core.bodies import BatchItem, guide_body, reference_body, run_body

ITEMS = [BatchItem("r1", {"image_url": "u1"}), BatchItem("r2", {"image_url": "u2"})]


def test_guide_body_wraps_each_input() -> None:
    """The body of the guide "Batch process media"."""
    expected = {
        "items": [
            {"input": {"image_url": "u1"}, "client_ref": "r1"},
            {"input": {"image_url": "u2"}, "client_ref": "r2"},
        ],
        "metadata": {"by": "runflowd"},
        "callback_url": "https://x.example.com",
    }

    assert expected == json.loads(guide_body(ITEMS, {"by": "runflowd"}, "https://x.example.com"))


def test_reference_body_is_flat() -> None:
    """The body of the API reference; empty parts are left out."""
    expected = {"input": [{"image_url": "u1", "client_ref": "r1"}, {"image_url": "u2", "client_ref": "r2"}]}

    assert expected == json.loads(reference_body(ITEMS))


def test_run_body_holds_one_item() -> None:
    """The fallback for models that take no batches."""
    assert json.loads(run_body(ITEMS[0])) == {"input": {"image_url": "u1"}, "client_ref": "r1"}


def test_same_items_give_the_same_bytes() -> None:
    """An idempotency key belongs to bytes, so a repeat must not differ in one."""
    turned = [BatchItem("r1", {"b": 1, "a": "é"})], [BatchItem("r1", {"a": "é", "b": 1})]

    assert guide_body(turned[0]) == guide_body(turned[1])


@pytest.mark.parametrize("items", [[], [ITEMS[0]] * 101, [BatchItem("r" * 256, {})]])
def test_body_the_service_would_refuse_is_refused_here(items: list[BatchItem]) -> None:
    """1 to 100 items, references of at most 255 characters."""
    with pytest.raises(ValueError, match=r"a batch takes|client_ref"):
        reference_body(items)
