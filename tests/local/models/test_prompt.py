"""What a prompt means: examples, one per rule of the vocabulary, and laws that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.local.models.colours import modified
from runflowd.local.models.prompt import Scene, read_prompt
from runflowd.local.models.vocabulary import (
    COLOURS,
    FILLERS,
    MODIFIERS,
    REFLECTION,
    SHADES,
    SHADOWS,
    SPELLINGS,
    SURFACE_COLOURS,
    SURFACES,
    Shade,
    Shadow,
    Surface,
)


def scene(prompt: str) -> Scene:
    return read_prompt(prompt).scene


def test_the_white_studio_is_a_sweep_with_a_soft_shadow() -> None:
    """The plainest prompt of all."""
    assert Scene((COLOURS["white"],), Shade.SWEEP, Surface.NONE, shadow=Shadow.SOFT) == scene(
        "white studio, soft shadow"
    )


def test_two_colours_make_a_gradient_in_their_order() -> None:
    """From top to bottom as they were named; the modifier belongs to the next colour only."""
    read = scene("dark grey to black gradient")

    assert ((modified(COLOURS["grey"], ("dark",)), COLOURS["black"]), Shade.LINEAR) == (read.colours, read.shade)


def test_one_colour_and_the_word_gradient_are_a_gradient() -> None:
    """The other end is found when it is drawn."""
    read = scene("warm beige gradient")

    assert ((modified(COLOURS["beige"], ("warm",)),), Shade.LINEAR) == (read.colours, read.shade)


def test_a_colour_before_a_surface_is_the_surfaces() -> None:
    """And the other one is the wall's."""
    read = scene("on a black marble table, cream backdrop")

    assert (Surface.MARBLE, COLOURS["black"]) == (read.surface, read.surface_colour)
    assert (COLOURS["cream"],) == read.colours


def test_a_modifier_before_a_surface_changes_its_usual_colour() -> None:
    """Dark wood is darker wood."""
    assert modified(SURFACE_COLOURS["wood"], ("dark",)) == scene("on dark wood").surface_colour


def test_a_table_adds_nothing_to_its_material() -> None:
    """A marble table is marble."""
    assert scene("on marble") == scene("on a marble table")


def test_the_finer_of_two_words_for_one_colour_counts() -> None:
    """Sage green is sage, not a gradient from sage to green."""
    assert (COLOURS["sage"],) == scene("sage green wall").colours


def test_hexadecimal_colours_are_colours() -> None:
    """For people with a brand book."""
    assert scene("#FF8800 backdrop").colours == ((255, 136, 0),)


@pytest.mark.parametrize(
    ("prompt", "shadow"),
    [
        ("white", Shadow.SOFT),
        ("white, no shadow", Shadow.NONE),
        ("white without shadows", Shadow.NONE),
        ("white, hard shadow", Shadow.STRONG),
        ("white, dark shadow", Shadow.STRONG),
        ("white, floating", Shadow.FLOATING),
        ("white, drop shadow", Shadow.FLOATING),
    ],
)
def test_shadows(prompt: str, shadow: Shadow) -> None:
    """Each way to ask for one, and what comes without asking."""
    assert shadow == scene(prompt).shadow


def test_a_gradient_can_be_forbidden() -> None:
    """The negation of a gradient is a flat colour."""
    assert scene("beige, no gradient").shade == Shade.FLAT


def test_a_reflection_can_be_asked_for_and_forbidden() -> None:
    """The last word counts."""
    assert [scene("white, glossy").reflection, scene("white, no reflection").reflection] == [True, False]


def test_words_without_a_home_are_reported_once() -> None:
    """`soft` belongs to a shadow and `light` to a colour; alone they mean nothing here."""
    assert read_prompt("soft light in snow, snow").ignored == ("soft", "light", "snow")


def test_a_prompt_of_strangers_says_that_nothing_was_understood() -> None:
    """The picture is the default one, and nobody is made to believe otherwise."""
    first, second = read_prompt("a christmas tree").notes()

    assert first.startswith("Nothing in the prompt was understood; drawn instead: sweep backdrop of #fafafa")
    assert second == "Not understood and ignored: 'christmas', 'tree'."


def test_a_novel_is_reported_in_one_line() -> None:
    """A note does not grow with the prompt."""
    words = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrst")

    assert read_prompt(words).notes()[1].endswith("'wordl' and 8 more.")


@given(st.text(max_size=200))
def test_any_text_gives_a_scene(prompt: str) -> None:
    """No prompt breaks the reader, and every scene has one or two colours."""
    assert len(scene(prompt).colours) in {1, 2}


KNOWN = sorted({*COLOURS, *MODIFIERS, *SURFACES, *SHADES, *SHADOWS, *REFLECTION, *SPELLINGS, "shadow", "no", "to"})


@given(st.lists(st.sampled_from(KNOWN), max_size=12))
def test_every_word_is_understood_or_reported(words: list[str]) -> None:
    """Nothing is dropped in silence but the words that carry no meaning."""
    reading = read_prompt(" ".join(words))
    meant = {SPELLINGS.get(word, word) for word in words} - FILLERS

    assert meant <= {*reading.understood, *reading.ignored}


def test_spellings_lead_to_words_that_exist() -> None:
    """No spelling points into the void."""
    words = {*COLOURS, *MODIFIERS, *SURFACES, *SHADES, *SHADOWS, *REFLECTION, *FILLERS, "shadow"}

    assert set() == set(SPELLINGS.values()) - words


def test_every_surface_has_a_colour() -> None:
    """The two tables name the same surfaces."""
    assert set(SURFACES) == set(SURFACE_COLOURS)
