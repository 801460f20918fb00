"""What follows when the service refuses a purchase."""

from __future__ import annotations

import json

import pytest

from runflowd.core.recipe import BatchItem
from runflowd.core.refusal import Shape, Step, after_refusal, body_of, first_shape, other

ITEM = BatchItem("ref-1", {"image_url": "https://example.com/a.jpg"})


def step(shape: Shape = Shape.GUIDE, **changes: object) -> Step:
    facts: dict[str, object] = {
        "count": 4,
        "pointed_at": frozenset(),
        "tried": frozenset({shape}),
        "confirmed": None,
        "takes_batches": None,
        "blames_shape": False,
        "message": "invalid",
    }
    return after_refusal(shape, **{**facts, **changes})  # type: ignore[arg-type]  # the test names the fields it means


def test_the_guide_comes_first() -> None:
    """Of a service nothing is known of, the mission's own body is tried first."""
    assert first_shape(None, None) is Shape.GUIDE


def test_what_worked_is_used_again() -> None:
    """A confirmed body is the first one from then on."""
    assert first_shape("reference", "yes") is Shape.REFERENCE


def test_a_model_without_batches_gets_runs() -> None:
    """Remembered per model, whatever body the service takes for others."""
    assert first_shape("reference", "no") is Shape.RUN


def test_an_unconfirmed_body_is_answered_by_the_other_one() -> None:
    """A refusal before any success may be about the wording."""
    assert step() is Step.OTHER_SHAPE


def test_named_items_are_dropped() -> None:
    """An error that points at an item understood the body."""
    assert step(pointed_at=frozenset({2})) is Step.DROP_ITEMS


def test_a_pointer_beyond_the_batch_is_no_pointer() -> None:
    """The server's index is not trusted."""
    assert step(pointed_at=frozenset({99})) is Step.OTHER_SHAPE


def test_a_nameless_refusal_is_halved() -> None:
    """Both bodies refused, nobody named: the bad item is found by halving."""
    assert step(tried=frozenset({Shape.GUIDE, Shape.REFERENCE})) is Step.SPLIT


def test_a_refusal_that_speaks_of_batches_leads_to_runs() -> None:
    """A model that takes none says so in words only."""
    tried = frozenset({Shape.GUIDE, Shape.REFERENCE})

    assert step(tried=tried, message="model is not binding-capable") is Step.RUNS


def test_the_last_item_is_tried_as_a_run() -> None:
    """Halved down to one, the model itself may be at fault."""
    assert step(tried=frozenset({Shape.GUIDE, Shape.REFERENCE}), count=1) is Step.RUNS


def test_the_last_item_of_a_proven_model_is_tried_as_a_run() -> None:
    """A model may cease to take batches; only a refused run is certain to be about the item."""
    assert step(confirmed="guide", takes_batches="yes", count=1) is Step.RUNS


def test_a_confirmed_body_is_not_doubted_without_cause() -> None:
    """With the body proven, a refusal is about the items."""
    assert step(confirmed="guide", takes_batches="yes") is Step.SPLIT


def test_a_confirmed_body_is_doubted_when_the_service_blames_it() -> None:
    """The service may change what it takes."""
    assert step(confirmed="guide", takes_batches="yes", blames_shape=True) is Step.OTHER_SHAPE


def test_a_refused_run_fails_its_item() -> None:
    """There is nothing smaller to try."""
    assert step(Shape.RUN) is Step.FAIL


@pytest.mark.parametrize("shape", [Shape.GUIDE, Shape.REFERENCE])
def test_the_two_bodies_take_turns(shape: Shape) -> None:
    """Each is the other's other."""
    assert other(other(shape)) is shape


def test_each_shape_has_its_body() -> None:
    """Guide, reference and run as the sources show them."""
    found = [json.loads(body_of(shape, [ITEM], None, "")) for shape in Shape]

    assert found[0]["items"][0]["input"] == {"image_url": "https://example.com/a.jpg"}
    assert found[1]["input"][0] == {"image_url": "https://example.com/a.jpg", "client_ref": "ref-1"}
    assert found[2]["input"] == {"image_url": "https://example.com/a.jpg"}
