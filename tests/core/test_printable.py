"""Foreign text: no secret of it is shown, and no text takes more time than its length warrants."""

from __future__ import annotations

from functools import partial
from time import thread_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runflowd.core.printable import excerpt, printable, scrubbed, shortened
from runflowd.core.template import placeholders, symbols

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = [
    "a.",
    "a://",
    "://a",
    "://a@",
    "a",
    "://a:",
    "bearer ",
    "bearer  ",
    "rf_",
    "${",
    "$",
    "{",
    "x-",
    "?",
    "\udcff",
    "\u202e",
]
"""Repeated, each makes another pattern start again and again, or read to the end of the text in vain."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of three tries, of this thread alone."""
    tries = []
    for _ in range(3):
        started = thread_time()
        work()
        tries.append(thread_time() - started)
    return min(tries)


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("reader", [scrubbed, printable, symbols, placeholders], ids=lambda each: each.__name__)
def test_time_grows_with_the_length_of_a_text_not_with_its_square(reader: Callable[[str], object], piece: str) -> None:
    """A key of 60 KB in a `_runflow.yaml` stopped the daemon for a minute (scenario 146)."""
    short, long = (cpu_seconds(partial(reader, piece * (length // len(piece)))) for length in (16_000, 128_000))

    assert long < 0.005 or long / short < 24


@given(st.text(), st.integers(1, 40))
def test_an_excerpt_is_one_bounded_printable_line(text: str, most: int) -> None:
    """Whatever the text."""
    found = excerpt(text, most)

    assert found.isprintable()
    assert len(found) <= most


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short enough", "short enough"),
        ("the prompt is too long", "the prompt is…"),
        ("the prompt is: too long", "the prompt is…"),
        ("a_word_that_never_ends", "a_word_that_nev…"),
        ("of which_that_never_ends", "of which_that_n…"),
    ],
)
def test_a_text_is_cut_at_a_word(text: str, shown: str) -> None:
    """Half a word reads as another one; only one that is as long as half of the text is cut itself."""
    assert shown == shortened(text, 16)


@given(st.text(), st.integers(1, 40))
def test_a_shortened_text_is_never_longer_than_it_may_be(text: str, most: int) -> None:
    """And one that fits is left alone."""
    assert len(shortened(text, most)) <= most
    assert text == shortened(text, max(1, len(text)))


def test_an_excerpt_knows_a_secret_that_begins_before_its_cut() -> None:
    """The cut is made after the secrets are gone."""
    assert "see https://host/a?..." == excerpt("see https://host/a?sig=" + "s" * 20, 22)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/a?sig=1#x end", "https://host/a?... end"),
        ("s3://host/a#part", "s3://host/a?..."),
        ("https://host/a b", "https://host/a b"),
        ("two http://a/?x=1 http://b@c/", "two http://a/?... http://c/"),
    ],
)
def test_an_address_keeps_host_and_path(text: str, shown: str) -> None:
    """And loses login, query and fragment."""
    assert shown == scrubbed(text)
