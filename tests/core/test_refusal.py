"""What follows when the service refuses a purchase."""

from __future__ import annotations

import json

import pytest

from runflowd.core.bodies import BatchItem
from runflowd.core.refusal import OPTIONAL_FIELDS, BodyFormat, Habits, Shape, Step, after_refusal, body_of, other

ITEM = BatchItem("ref-1", {"image_url": "https://example.com/a.jpg"})
GUIDE, REFERENCE, RUN = map(BodyFormat, Shape)
LITERAL = BodyFormat(Shape.GUIDE, frozenset({"client_ref", "metadata"}))
BARE = BodyFormat(Shape.REFERENCE, LITERAL.omitted)
ALL = frozenset({GUIDE, REFERENCE, BARE, LITERAL})
PROVEN = Habits("guide", "yes")


def step(body_format: BodyFormat = GUIDE, habits: Habits | None = None, **changes: object) -> Step:
    facts: dict[str, object] = {
        "count": 4,
        "fields": frozenset(),
        "holds_rule": False,
        "pointed_at": frozenset(),
        "tried": frozenset({body_format}),
        "blames_shape": False,
        "message": "invalid",
    }
    return after_refusal(body_format, habits or Habits(), **{**facts, **changes})  # type: ignore[arg-type]  # fields by name


def test_the_guide_comes_first() -> None:
    """Of a service nothing is known of, the mission's own body is tried first."""
    assert GUIDE == Habits().next_format(frozenset())


def test_then_the_reference_and_last_the_guide_to_the_letter() -> None:
    """Nobody named anything, so the barest documented body is the last form (scenario 131)."""
    refused: list[BodyFormat] = []
    for _ in range(4):
        refused.append(Habits().next_format(set(refused)))

    assert ([GUIDE, REFERENCE, BARE, LITERAL], GUIDE) == (refused, Habits().next_format(ALL))


def test_what_worked_is_used_again() -> None:
    """A confirmed body is the first one from then on, without the fields that were refused (scenario 131)."""
    habits = Habits("reference", "yes", {Shape.REFERENCE: frozenset({"metadata"})})

    assert BodyFormat(Shape.REFERENCE, frozenset({"metadata"})) == habits.next_format(frozenset({REFERENCE}))


def test_a_model_without_batches_gets_runs() -> None:
    """Remembered per model, whatever body the service takes for others."""
    assert RUN == Habits("reference", "no").next_format(frozenset())


def test_an_unconfirmed_body_is_answered_by_the_other_one() -> None:
    """A refusal before any success may be about the wording."""
    assert step() is Step.OTHER_SHAPE


@pytest.mark.parametrize("body_format", [GUIDE, REFERENCE])
def test_a_field_that_is_named_is_left_out_before_anything_else(body_format: BodyFormat) -> None:
    """Whoever else is named: nothing is split and nobody blamed for it (scenario 131)."""
    found = step(body_format, PROVEN, fields=frozenset({"metadata"}), pointed_at=frozenset({0}), holds_rule=True)

    assert found is Step.OMIT_FIELDS


def test_the_wrong_list_of_items_is_mended_before_fields() -> None:
    """A service that expects `items` refuses all that stands beside `input`, too (scenario 131)."""
    assert step(REFERENCE, fields=frozenset({"metadata"}), blames_shape=True) is Step.OTHER_SHAPE


def test_a_rule_at_fault_holds_its_files() -> None:
    """No other wording and no smaller batch would help (scenario 133)."""
    assert step(holds_rule=True) is Step.HOLD_RULE


def test_named_items_are_dropped() -> None:
    """An error that points at an item understood the body."""
    assert step(pointed_at=frozenset({2})) is Step.DROP_ITEMS


def test_a_pointer_beyond_the_batch_is_no_pointer() -> None:
    """The server's index is not trusted."""
    assert step(pointed_at=frozenset({99})) is Step.OTHER_SHAPE


def test_the_literal_body_is_tried_before_splitting_and_before_runs() -> None:
    """Though the words may sound like a model without batches (scenario 131)."""
    assert step(tried=ALL - {LITERAL}, message="this batch is not valid") is Step.OTHER_SHAPE


def test_a_nameless_refusal_is_halved() -> None:
    """All bodies refused, nobody named: the bad item is found by halving."""
    assert step(tried=ALL) is Step.SPLIT


def test_a_refusal_that_speaks_of_batches_leads_to_runs() -> None:
    """A model that takes none says so in words only."""
    assert step(tried=ALL, message="model is not binding-capable") is Step.RUNS


def test_the_last_item_is_tried_as_a_run() -> None:
    """Halved down to one, the model itself may be at fault."""
    assert step(tried=ALL, count=1) is Step.RUNS


def test_the_last_item_of_a_proven_model_is_tried_as_a_run() -> None:
    """A model may cease to take batches; only a refused run is certain to be about the item."""
    assert step(habits=PROVEN, count=1) is Step.RUNS


def test_a_confirmed_body_is_not_doubted_without_cause() -> None:
    """With the body proven, a refusal is about the items."""
    assert step(habits=PROVEN) is Step.SPLIT


def test_what_another_batch_found_out_meanwhile_is_tried() -> None:
    """Two batches of a new service are under way at once (scenario 131)."""
    learnt = Habits("guide", "yes", {Shape.GUIDE: LITERAL.omitted})

    assert [Step.OTHER_SHAPE, Step.SPLIT] == [step(GUIDE, learnt), step(LITERAL, learnt)]


def test_a_confirmed_body_is_doubted_when_the_service_blames_it() -> None:
    """The service may change what it takes."""
    assert step(habits=PROVEN, blames_shape=True) is Step.OTHER_SHAPE


@pytest.mark.parametrize("shape", [Shape.GUIDE, Shape.REFERENCE])
def test_the_two_bodies_take_turns(shape: Shape) -> None:
    """Each is the other's other."""
    assert other(other(shape)) is shape


def test_each_shape_has_its_body() -> None:
    """Guide, reference and run as the sources show them."""
    found = [json.loads(body_of(BodyFormat(shape), [ITEM], None, "")) for shape in Shape]

    assert found[0]["items"][0]["input"] == {"image_url": "https://example.com/a.jpg"}
    assert found[1]["input"][0] == {"image_url": "https://example.com/a.jpg", "client_ref": "ref-1"}
    assert found[2]["input"] == {"image_url": "https://example.com/a.jpg"}


def test_the_literal_body_is_the_guides() -> None:
    """Nothing but what the guide shows (scenario 131)."""
    found = json.loads(body_of(LITERAL, [ITEM], {"rule": "x"}, "https://hooks.test"))

    assert {"items": [{"input": dict(ITEM.input)}], "callback_url": "https://hooks.test"} == found


@pytest.mark.parametrize("shape", list(Shape))
def test_what_is_left_out_is_nowhere_in_the_body(shape: Shape) -> None:
    """In no shape (scenario 131)."""
    bare = body_of(BodyFormat(shape, OPTIONAL_FIELDS), [ITEM], {"rule": "x"}, "https://hooks.test").decode()

    assert [] == [name for name in OPTIONAL_FIELDS if name in bare]


@pytest.mark.parametrize("body_format", [GUIDE, LITERAL, RUN, BodyFormat(Shape.REFERENCE, OPTIONAL_FIELDS)])
def test_a_body_format_is_read_as_it_was_written(body_format: BodyFormat) -> None:
    """The state file keeps its text; earlier ones hold the bare shape."""
    assert body_format == BodyFormat.parse(str(body_format))
    assert BodyFormat(body_format.shape) == BodyFormat.parse(body_format.shape)
