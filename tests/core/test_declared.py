"""A rule's input held against what its model declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.declared import Declared, Misfit, kind_misfit, misfits, undeclared_size
from runflowd.core.media.kinds import MediaKind
from runflowd.core.model import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE = Declared("image_url", "image", required=True)
IMAGES = Declared("image_urls", "image_list")
PROMPT = Declared("prompt", "string")
RED = Declared("color_red", "integer", required=True, minimum=0, maximum=255)
RATIO = Declared("aspect_ratio", "string", choices=("1:1", "16:9"))
FACTOR = Declared("factor", "integer", choices=("2", "4"))
STRENGTH = Declared("strength", "number", minimum=0.5)
SYNC = Declared("sync_mode", "boolean")
CONFIG = Declared("config", "json")
NOVEL = Declared("novel", "hologram")
ALL = (IMAGE, IMAGES, PROMPT, RED, RATIO, FACTOR, STRENGTH, SYNC, CONFIG, NOVEL)
GOOD = {"image_url": "${file.url}", "color_red": 255}


def told(changes: dict[str, Any], declared: Sequence[Declared] = ALL) -> list[tuple[tuple[str | int, ...], str]]:
    """Path and sentence of every misfit of the good input with these changes."""
    return [(one.path, one.message) for one in misfits({**GOOD, **changes}, declared)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": "${file.dir} on marble", "aspect_ratio": "16:9", "factor": 2, "strength": 0.5},
        {"aspect_ratio": "${file.dir}"},
        {"strength": 1, "sync_mode": False, "config": {"anything": [None]}, "novel": 1.5},
        {"image_urls": ["${file.url}", "${files.logo.url}"]},
        {"prompt": None, "image_urls": []},
    ],
    ids=str,
)
def test_what_fits_is_left_alone(changes: dict[str, Any]) -> None:
    """Right types, values inside their limits, placeholders of unknown value, kinds nobody has heard of."""
    assert [] == told(changes)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("prompt", 5, "must be text; put it in quotes"),
        ("prompt", True, "must be text; put it in quotes"),
        ("prompt", ["a"], "must be text"),
        ("image_url", 1, "must be an image's address, such as ${file.url}; put it in quotes"),
        ("image_urls", "${file.url}", "must be a list of images' addresses, such as [${file.url}]"),
        ("color_red", "255", "must be a whole number; without quotes"),
        ("color_red", "${file.stem}", "must be a whole number, not text"),
        ("color_red", 1.5, "must be a whole number"),
        ("color_red", True, "must be a whole number"),
        ("color_red", -1, "must be at least 0"),
        ("color_red", 256, "must be at most 255"),
        ("strength", float("-inf"), "must be at least 0.5"),
        ("strength", [], "must be a number"),
        ("sync_mode", 1, "must be true or false"),
        ("sync_mode", "true", "must be true or false; without quotes"),
        ("aspect_ratio", "1:7", "must be one of 1:1, 16:9"),
        ("factor", 3, "must be one of 2, 4"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(name: str, value: Any, sentence: str) -> None:
    """One sentence at the input, with what would fit."""
    assert [((name,), sentence)] == told({name: value})


def test_an_entry_of_a_list_is_pointed_at() -> None:
    """Not the list: the one entry."""
    assert [(("image_urls", 1), "must be text")] == told({"image_urls": ["a", 2]})


def test_a_missing_input_is_named_with_its_kind() -> None:
    """Each by itself, and null is as good as missing."""
    ratio = Declared("aspect_ratio", "string", required=True, choices=("1:1", "16:9"))

    assert [
        Misfit(("color_red",), "is missing; the model needs it (a whole number)"),
        Misfit(("aspect_ratio",), "is missing; the model needs it (one of 1:1, 16:9)"),
    ] == misfits({"image_url": "x", "color_red": None}, (IMAGE, RED, ratio))


def test_what_a_folder_may_give_is_not_missing() -> None:
    """`overridable` inputs may come from a file in the share."""
    assert [] == misfits({"image_url": "x"}, (IMAGE, RED), elsewhere=("color_red",))


def test_an_unknown_input_may_mean_the_missing_one() -> None:
    """`color_re` is nearer to `color_res`, but `color_red` is missing."""
    found = misfits({"image_url": "x", "colour_red": 1}, (IMAGE, Declared("colour_res", "integer"), RED))

    assert "the model has no such input; did you mean color_red?" == found[0].message
    assert (("colour_red",), True) == (found[0].path, found[0].at_key)


def test_an_unknown_input_is_answered_with_what_there_is() -> None:
    """When nothing is near."""
    assert [(("xyz",), "the model has no such input; it takes image_url, color_red")] == told({"xyz": 1}, (IMAGE, RED))


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in ALL]) | st.text(max_size=5),
        st.from_type(type(None))
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2),
    ),
)
def test_nothing_in_an_input_can_make_it_raise(values: dict[str, Any]) -> None:
    """Whatever YAML can hold is judged, and each misfit lies at an input that is given or declared."""
    known = {one.name for one in ALL} | values.keys()

    assert set() == {one.path[0] for one in misfits(values, ALL)} - known


def ruled(**changes: Any) -> Rule:
    """A rule that sends its file as `image_url`."""
    return Rule("one", "/in", "/out", "a/b", **{"input": {"image_url": "${file.url}"}, **changes})


@pytest.mark.parametrize(
    ("accept", "declared", "message"),
    [
        (("image",), IMAGE, None),
        (("video",), IMAGE, "the model's image_url takes images, not videos; write accept: image"),
        (("image", "video"), IMAGE, "the model's image_url takes images, not videos; write accept: image"),
        (
            ("image",),
            Declared("image_url", "video"),
            "the model's image_url takes videos, not images; write accept: video",
        ),
        (("audio",), Declared("other", "image"), None),
        (
            ("audio",),
            Declared("image_url", "string"),
            "the model's image_url takes images, not audio files; write accept: image",
        ),
    ],
    ids=["fits", "another", "one too many", "declared wins", "not sent there", "by its name"],
)
def test_what_a_rule_takes_is_held_against_where_it_goes(
    accept: tuple[str, ...], declared: Declared, message: str | None
) -> None:
    """A clip under an input for images would be uploaded, bought and refused."""
    found = kind_misfit(ruled(accept=tuple(map(MediaKind, accept))), (declared,))

    assert message == (found.message if found else None)


@pytest.mark.parametrize(
    ("description", "most", "key"),
    [
        ("JPEG, PNG or WebP up to 30 MB.", None, "`max_file_size: 30MB`"),
        ("at most 5MiB", None, "`max_file_size: 5MiB`"),
        ("no more than 20MiB", 20 * 2**20 + 1, "`max_file_size: 20MiB`"),
        ("no more than 20MiB", 20 * 2**20, ""),
        ("The product photo.", None, ""),
        ("up to 10 MBit", None, ""),
    ],
)
def test_a_size_in_a_models_own_words_is_pointed_out(description: str, most: int | None, key: str) -> None:
    """Before anything is uploaded that is refused then; not where the rule has a limit of its own that fits."""
    sentence = undeclared_size(ruled(max_file_size=most), (Declared("image_url", "image", description=description),))

    assert (bool(key), True) == (bool(sentence), key in sentence)
