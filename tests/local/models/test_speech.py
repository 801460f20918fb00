"""Text to speech: the sound is decoded again and listened to, as far as arithmetic can."""

from __future__ import annotations

from typing import Any

import pytest
from probing import Sound, sound

from runflowd.local.models.catalog import catalog
from runflowd.local.models.contract import ModelFailure, Result
from runflowd.local.models.speech import MAX_CHARACTERS, readable

MODEL = catalog()["runflow/text-to-speech"]
WORDS = "Hello there. The mug costs $12.50 until March 3rd."


def said(text: str, **values: Any) -> Result:
    return MODEL.process(MODEL.values({"text": text, **values}), {})


def heard(text: str, **values: Any) -> Sound:
    return sound(said(text, **values).files[0].data)


@pytest.mark.parametrize(
    ("suffix", "mime", "codec"), [("mp3", "audio/mpeg", "mp3float"), ("wav", "audio/wav", "pcm_s16le")]
)
def test_it_is_a_sound_that_is_loud_and_as_long_as_it_says(suffix: str, mime: str, codec: str) -> None:
    """24 kHz, and speech in each third of it."""
    (made,) = said(WORDS, output_format=suffix).files
    heard = sound(made.data)

    assert (f"result_0.{suffix}", mime, codec, 24_000) == (made.name, made.mime_type, heard.codec, heard.rate)
    assert abs(heard.seconds - made.seconds) < 0.15
    assert all(heard.loudness(part / 3, (part + 1) / 3) > 0.02 for part in range(3))


def test_more_words_take_longer_and_a_quicker_voice_less() -> None:
    """As with people."""
    usual, twice, quick = heard(WORDS), heard(f"{WORDS} {WORDS}"), heard(WORDS, speed=2.0)

    assert 1.7 < twice.seconds / usual.seconds < 2.3
    assert quick.seconds < 0.7 * usual.seconds


def test_other_words_are_another_sound() -> None:
    """And the same words the same bytes, so that equal texts are equal results."""
    first, again, other = (said(text).files[0].data for text in ("yes", "yes", "no"))

    assert (True, False) == (first == again, first == other)


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b\x07", "....", "\U000f0000"])
def test_what_has_no_words_fails_and_says_so(text: str) -> None:
    """Instead of an empty file."""
    with pytest.raises(ModelFailure, match="no word") as caught:
        said(text)

    assert caught.value.code == "NOTHING_TO_SAY"


def test_a_text_that_is_too_long_fails_at_once() -> None:
    """With both numbers."""
    with pytest.raises(ModelFailure, match="5,001 characters; at most 5,000") as caught:
        said("a" * (MAX_CHARACTERS + 1))

    assert caught.value.code == "TEXT_TOO_LONG"


def test_figures_that_would_be_an_hour_of_speech_fail_before_it() -> None:
    """They fit into the letters that are taken, and into no memory."""
    with pytest.raises(ModelFailure, match="ten minutes") as caught:
        said("123456789012" * 400)

    assert caught.value.code == "TEXT_TOO_LONG"


ODD = (
    "x" * 300,
    "((" * 500 + "word",
    "1" * 100,
    "a\x00b",
    "\u2460st \ufb01ve",
    "https://a.b/" + "c" * 90,
    "=cmd|' /C calc'!A0",
)


@pytest.mark.parametrize("text", ODD)
def test_no_text_breaks_it(text: str) -> None:
    """It is spoken somehow."""
    assert said(text).files[0].seconds > 0


def test_letters_that_an_english_voice_misreads_are_told() -> None:
    """In the run's log."""
    assert ("The voice speaks English only; left out or misread: Приве.",) == said("Hello, Привеве").notes
    assert () == said("Hello, caf\u00e9").notes


def test_nobody_speaks_control_characters() -> None:
    """Line ends stay, since they are pauses."""
    assert "a\nbc" == readable("\x07a\n\u202eb\ud800c ")
