"""Whom a refusal blames, however the service words it."""

from __future__ import annotations

import pytest

from runflowd.core.blame import SentItem, Verdict, judge
from runflowd.core.refusal import Shape
from runflowd.core.template import Template

TEMPLATE = {
    "image_url": "${file.url}",
    "logo_url": "${files.logo.url}",
    "prompt": "white studio",
    "caption": "${file.stem} on marble",
    "config": {"elements": ["removal"], "title": "${file.name}"},
}


def sent(name: str, **changes: object) -> SentItem:
    """An item as it was sent, with what its folder changed."""
    stem = name.rpartition(".")[0]
    own = {**TEMPLATE, "caption": f"{stem} on marble", "config": {"elements": ["removal"], "title": name}}
    return SentItem(name, {**own, **changes})


ITEMS = [sent("a.jpg"), sent("b.jpg"), sent("c.jpg")]


def verdict(*problems: tuple[tuple[str | int, ...], str], message: str = "", shape: Shape = Shape.GUIDE) -> Verdict:
    """The verdict on the three items."""
    items = ITEMS[:1] if shape is Shape.RUN else ITEMS
    return judge(problems, message, shape=shape, template=Template(TEMPLATE), items=items)


@pytest.mark.parametrize(
    ("shape", "loc", "field"),
    [
        (Shape.GUIDE, ("body", "metadata"), "metadata"),
        (Shape.GUIDE, ("metadata", "rule"), "metadata"),
        (Shape.GUIDE, ("body", "callback_url"), "callback_url"),
        (Shape.GUIDE, ("body", "items", 0, "client_ref"), "client_ref"),
        (Shape.GUIDE, ("items", "*", "client_ref"), "client_ref"),
        (Shape.REFERENCE, ("input", 2, "client_ref"), "client_ref"),
        (Shape.RUN, ("body", "client_ref"), "client_ref"),
    ],
)
def test_a_field_of_the_body_is_nobodys_fault(shape: Shape, loc: tuple[str | int, ...], field: str) -> None:
    """At any depth, and in every shape (scenario 131)."""
    assert Verdict(fields=frozenset({field})) == verdict((loc, "extra"), shape=shape)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("body.metadata: extra", {"metadata"}),
        ("Unknown field 'client_ref'", {"client_ref"}),
        ("Additional properties ('metadata', 'client_ref') were unexpected", {"metadata", "client_ref"}),
        ("callback_url must be a public address", {"callback_url"}),
        ("the metadata of this picture is damaged", set()),
        ("The request is not valid.", set()),
    ],
)
def test_a_field_that_is_named_in_prose_is_found(message: str, fields: set[str]) -> None:
    """Where the error has no list of problems; a plain word is no name (scenario 131)."""
    assert fields == verdict(message=message).fields


@pytest.mark.parametrize("shape", [Shape.GUIDE, Shape.REFERENCE])
def test_the_models_own_input_of_such_a_name_is_no_field_of_the_body(shape: Shape) -> None:
    """`metadata` below an item belongs to the model (scenario 131)."""
    inside = ("items", 0, "input", "metadata") if shape is Shape.GUIDE else ("input", 0, "metadata")
    found = judge(
        [(inside, "too long")],
        "",
        shape=shape,
        template=Template({"metadata": "x"}),
        items=[SentItem("a.jpg", {"metadata": "x"})],
    )

    assert (frozenset(), True) == (found.fields, found.rule is not None)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (("prompt",), "is too long"),
        (("propmt",), "Field required"),
        (("elements",), "required"),
        (("image_url",), "Extra inputs are not permitted"),
        (("caption",), "Unknown field"),
        (("image_url",), "Input should be a valid list"),
        (("config", "elements"), "removal is not among a, b"),
        (("config", "strength"), "Field required"),
        (("logo_url",), "is not to our taste"),
    ],
)
@pytest.mark.parametrize("shape", list(Shape))
def test_a_value_that_no_file_makes_is_the_rules(shape: Shape, key: tuple[str, ...], message: str) -> None:
    """Nor is a key that is missing, unknown or of the wrong kind a file's (scenario 133)."""
    loc = {Shape.GUIDE: ("items", 1, "input"), Shape.REFERENCE: ("input", 1), Shape.RUN: ("input",)}[shape]
    found = verdict((("body", *loc, *key), message), shape=shape)

    assert found.rule is not None
    assert (key, frozenset()) == (found.rule.key, found.files)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (("image_url",), "is not to our taste"),
        (("image_url",), "unknown image format"),
        (("image_url",), "a visible face is required"),
        (("caption",), "is too long"),
        (("config", "title"), "must not hold a dot"),
        ((), "could not be read"),
    ],
)
def test_a_value_that_a_file_makes_is_the_files(key: tuple[str, ...], message: str) -> None:
    """It fails alone (scenario 133)."""
    assert Verdict(files=frozenset({1})) == verdict((("items", 1, "input", *key), message))


def test_a_value_of_a_folder_is_the_folders_and_of_all_its_files() -> None:
    """It was set in a `_runflow.yaml` (scenario 133)."""
    items = [sent("a.jpg"), sent("x/b.jpg", prompt="purple"), sent("x/c.jpg", prompt="purple")]
    found = judge(
        [(("items", 1, "input", "prompt"), "no such colour")],
        "",
        shape=Shape.GUIDE,
        template=Template(TEMPLATE),
        items=items,
    )

    assert (None, {1, 2}, frozenset()) == (found.rule, set(found.folders), found.files)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ((("prompt",), "is too long"), ""),
        ((("input", "prompt"), "is too long"), ""),
        (None, "Unknown input 'propmt'"),
        (None, "'prompt' is not among a, b"),
        (None, "MODEL_NOT_FOUND there is no such thing"),
        ((("path", "slug"), "unknown"), ""),
    ],
)
def test_a_key_without_an_item_is_the_rules_if_it_is_the_same_for_all(
    problem: tuple[tuple[str | int, ...], str] | None, message: str
) -> None:
    """Errors in the manner of `param: prompt`, and prose (scenario 133)."""
    found = verdict(*([problem] if problem else []), message=message)

    assert (True, frozenset()) == (found.rule is not None, found.files)


@pytest.mark.parametrize("message", ["image_url could not be fetched", "we cannot do this", ""])
def test_what_is_not_said_to_be_of_an_item_is_left_open(message: str) -> None:
    """Then it is found out by halving."""
    assert Verdict() == verdict(message=message)


def test_a_pointer_beyond_the_batch_is_no_pointer() -> None:
    """The server's index is not trusted."""
    assert Verdict() == verdict((("items", 99, "input", "image_url"), "bad"))


def test_the_list_of_items_is_nobodys() -> None:
    """The shape of the body is at fault."""
    assert Verdict() == verdict((("body", "items"), "Extra inputs are not permitted"))
