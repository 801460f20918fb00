"""Finding a model's results, whatever the shape of its output."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.outputs import OutputRef, extract, listed, renewed

A = "https://s3.example/r/a.webp?X-Amz-Signature=1"
B = "https://s3.example/r/b.webp?X-Amz-Signature=2"
DATA = "data:image/png;base64,aGVsbG8="

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(A),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["url", "outputs", "image"]), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Small: the shape is what matters, and making large values takes nearly all the time."""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param({"image_urls": [A, B]}, [A, B], id="image_urls"),
        pytest.param({"outputs": [{"url": A, "type": "image"}, {"url": B}], "seed": None}, [A, B], id="outputs"),
        pytest.param({"outputs": [A, B]}, [A, B], id="outputs of strings"),
        pytest.param({"image": [A]}, [A], id="workflow list"),
        pytest.param({"image": {"url": A}}, [A], id="image object"),
        pytest.param({"image": A}, [A], id="image string"),
        pytest.param({"images": [{"url": A, "width": 5}, B]}, [A, B], id="images"),
        pytest.param({"url": A}, [A], id="url"),
        pytest.param({"output_url": A}, [A], id="output_url"),
        pytest.param({"output": {"image_urls": [A]}}, [A], id="wrapped once more"),
        pytest.param(A, [A], id="string"),
        pytest.param([A, {"url": B}], [A, B], id="list"),
        pytest.param({"Final Image": [A], "seed": 4}, [A], id="unknown key"),
        pytest.param({"mask": A, "cutout": {"image": {"url": B}}}, [A, B], id="several unknown keys"),
        pytest.param({"image_urls": [DATA]}, [DATA], id="inline"),
        pytest.param({"image_urls": [A, B, A]}, [A, B], id="doubled"),
        pytest.param({"outputs": [{"url": A, "thumbnail_url": B}]}, [A], id="thumbnail beside"),
        pytest.param({"outputs": [], "image_urls": [A]}, [A], id="empty known key"),
        pytest.param({"outputs": [{"url": A}], "preview": B}, [A], id="known before unknown"),
        pytest.param({"image_urls": ["", "done", "ftp://x/y", "runflow://assets/1", 7]}, [], id="no addresses"),
        pytest.param({}, [], id="empty"),
        pytest.param(None, [], id="null"),
    ],
)
def test_results_are_found_in_every_shape(output: Any, expected: list[str]) -> None:
    """Each documented or tolerated shape gives its addresses, in order, once."""
    assert expected == [ref.url for ref in extract(output)]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("https://x.example/a/result_01.webp?sig=1#f", "result_01.webp"),
        ("https://x.example/a/my%20shoe.png", "my shoe.png"),
        ("https://x.example/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://x.example/a/..%5c..%5cboot.ini", "boot.ini"),
        ("https://x.example/a/%2e%2e", ""),
        ("https://x.example/a/x%00%0Ay.png", "xy.png"),
        ("https://x.example/", ""),
        ("https://[bad/x.png", ""),
    ],
)
def test_hints_are_names_and_never_paths(url: str, hint: str) -> None:
    """Whatever the server names a file, no separator or control character is left of it."""
    assert [hint] == [ref.name_hint for ref in extract(url)]


def test_a_pattern_chooses_the_final_image_among_stages() -> None:
    """For models that return every stage, the first address is not the result."""
    output = {
        "image_urls": ["https://x.example/o/bg_remover_00001_.webp?s=result_", "https://x.example/o/result_7.webp"]
    }

    assert [ref.name_hint for ref in extract(output, "result_*")] == ["result_7.webp"]


def test_a_pattern_reaches_keys_that_are_otherwise_left_alone() -> None:
    """Whoever selects a mask gets it, although a well-known key holds something else."""
    output = {"outputs": [{"url": A}], "extra": {"mask": "https://x.example/mask_1.png"}}

    assert [ref.name_hint for ref in extract(output, "mask_*")] == ["mask_1.png"]


def test_a_pattern_that_fits_nothing_finds_nothing() -> None:
    """No fallback: a wrong result is worse than a told failure."""
    assert extract({"image_urls": [A]}, "result_*") == ()


def test_an_inline_result_goes_by_its_given_name() -> None:
    """A data URI has no path to match against."""
    output = {"outputs": [{"url": DATA, "file_name": "dir/result_1.png"}, {"url": DATA + "A", "file_name": "x"}]}

    assert (OutputRef(DATA, "result_1.png"),) == extract(output, "result_*")


def test_addresses_are_not_printed() -> None:
    """A presigned URL is a permission."""
    assert "Signature" not in repr(extract(A))


def test_a_flood_of_addresses_is_bounded() -> None:
    """A hostile output costs bounded work downstream."""
    assert len(extract({"image_urls": [f"https://x.example/{n}" for n in range(2000)]})) == 500


@given(JSON, st.sampled_from(["", "*", "[", "result_*"]))
def test_nothing_in_an_output_raises(output: Any, select: str) -> None:
    """Whatever JSON arrives, the answer is a tuple of distinct usable addresses with plain hints."""
    found = extract(output, select)

    assert len({ref.url for ref in found}) == len(found)
    assert all("/" not in ref.name_hint and ref.url.startswith(("http", "data:")) for ref in found)


@given(JSON)
def test_a_pattern_only_ever_narrows_the_unknown(output: Any) -> None:
    """`*` finds at least what no pattern finds."""
    assert {ref.url for ref in extract(output)} <= {ref.url for ref in extract(output, "*")}


def named(*names: str, sign: str) -> tuple[OutputRef, ...]:
    """Results of these names, in their order, with links signed at one time."""
    return tuple(OutputRef(f"https://x.example/{place}?sig={sign}", name) for place, name in enumerate(names))


@pytest.mark.parametrize(
    ("before", "index", "after", "place"),
    [
        pytest.param(("a.png", "b.png"), 1, ("b.png", "a.png"), 0, id="another order"),
        pytest.param(("a.png", "a.png"), 1, ("a.png", "a.png"), 1, id="one name for two"),
        pytest.param(("", ""), 1, ("", ""), 1, id="no names"),
        pytest.param(("x1.png", "x2.png"), 1, ("y1.png", "y2.png"), 1, id="new names"),
        pytest.param(("x1.png", "x2.png"), 1, ("y1.png",), None, id="new names and fewer"),
        pytest.param(("a.png", "a.png"), 1, ("a.png", "b.png"), None, id="one of two renamed"),
        pytest.param(("a.png",), 0, (), None, id="gone"),
    ],
)
def test_a_renewed_link_leads_to_the_same_result(
    before: tuple[str, ...], index: int, after: tuple[str, ...], place: int | None
) -> None:
    """By name and turn, else by place; rather none than another result."""
    fresh = named(*after, sign="2")
    expected = None if place is None else fresh[place]

    assert expected == renewed(named(*before, sign="1"), index, fresh)


@pytest.mark.parametrize("output", [{"outputs": [{"url": "https://x.example/a"}, {"url": None}]}, [{"url": "u"}, None]])
def test_what_leads_nowhere_is_counted_in_a_list_of_results(output: Any) -> None:
    """Also in a bare one, so that it can be said how many are missing."""
    assert 2 == listed(output)
