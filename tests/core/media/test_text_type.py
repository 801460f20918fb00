"""Which bytes are words for an input, and what is said of those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import BytesSource

from runflowd.core.media.image_bytes import CutShortError, DamagedError
from runflowd.core.media.image_type import Partial
from runflowd.core.media.input_type import UNMARKED_STILLNESS, Acceptable, NotAccepted, check, kinds_under
from runflowd.core.media.kinds import MediaKind
from runflowd.core.media.text_type import MAX_TEXT_BYTES, text_of

TEXT = (MediaKind.TEXT,)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Hello, world\n", "Hello, world"),
        (b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe\r\nzwei\r\n\r\n", "Grüße\nzwei"),
        (b"\tindented ${file.url} $\n", "\tindented ${file.url} $"),
    ],
    ids=["plain", "with BOM and CRLF", "with what looks like a placeholder"],
)
def test_the_words_are_what_a_reader_sees(data: bytes, expected: str) -> None:
    """Neither the byte order mark nor the way an editor ends lines is part of what is said."""
    assert expected == text_of(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("Grüße".encode("latin-1"), "byte 0xFC at offset 2 (line 1, byte 3 of it) is no UTF-8: save the text as UTF-8"),
        (
            "eins\nGrüße".encode("cp1252"),
            "byte 0xFC at offset 7 (line 2, byte 3 of it) is no UTF-8: save the text as UTF-8",
        ),
        ("hi".encode("utf-16"), "the text is UTF-16, not UTF-8: save it again as UTF-8"),
        (b"a\n\x00b", "byte 0x00 at offset 2 (line 2, byte 1 of it) has no place in a text"),
        (b" \n\t\n", "the text holds nothing but blanks"),
    ],
    ids=["Latin-1", "Windows on the second line", "UTF-16", "NUL", "blank"],
)
def test_what_is_no_text_says_where(data: bytes, reason: str) -> None:
    """An editor can be opened at the place, and the remedy is named."""
    with pytest.raises(DamagedError) as refused:
        text_of(data)

    assert reason == str(refused.value)


@given(st.text(min_size=1), st.integers(1, 3))
def test_a_text_cut_within_a_character_is_not_damaged(words: str, missing: int) -> None:
    """It may still be growing: only bytes that can never become UTF-8 are refused."""
    data = f"{words}\N{GRINNING FACE}".encode()[:-missing]

    with pytest.raises((CutShortError, DamagedError)) as refused:
        text_of(data)

    assert "is no UTF-8" not in str(refused.value)


def test_a_text_rests_on_stillness() -> None:
    """Every part of a text is a text."""
    assert Acceptable("text/plain", UNMARKED_STILLNESS) == check(BytesSource(b"Hello"), TEXT)


def test_half_a_character_at_the_end_is_waited_for() -> None:
    """The rest of it may come."""
    assert isinstance(check(BytesSource("Hellö".encode()[:-1]), TEXT), Partial)


def test_a_text_beyond_the_limit_is_refused_unread() -> None:
    """With its size and the limit."""
    found = check(BytesSource(b"a" * (MAX_TEXT_BYTES + 1)), TEXT)

    assert NotAccepted("the text has 65,537 bytes; at most 65,536 are taken: shorten it") == found


def test_a_text_of_exactly_the_limit_is_taken() -> None:
    """The limit is what is taken, not what is refused."""
    assert isinstance(check(BytesSource(b"a" * MAX_TEXT_BYTES), TEXT), Acceptable)


def test_other_media_are_no_text() -> None:
    """A PDF may well be readable, but nobody means its bytes."""
    assert isinstance(check(BytesSource(b"%PDF-1.4\nhello"), TEXT), NotAccepted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", [MediaKind.IMAGE]), ("a.TXT", [MediaKind.IMAGE, MediaKind.TEXT]), ("notes", [MediaKind.IMAGE])],
)
def test_beside_other_kinds_only_a_name_makes_a_text(name: str, expected: list[MediaKind]) -> None:
    """A web page saved as a photo is a broken photo, not words."""
    assert expected == list(kinds_under(name, (MediaKind.IMAGE, MediaKind.TEXT)))
