"""Words become speech: a small network speaks English on the CPU, with the one voice that its package brings along."""

from __future__ import annotations

import io
import re
import textwrap
import threading
import unicodedata
import wave
from functools import cache
from typing import TYPE_CHECKING

import lameenc
import numpy as np
from hibari import Hibari

from runflowd.local.models.contract import EncodedFile, Json, ModelFailure, Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runflowd.local.models.planes import Floats


VOICE = "heart"
"""The voice inside the package. The others would be fetched from a network, which nothing here does."""

MAX_CHARACTERS = 5_000
"""About six minutes of speech."""

PIECE = 400
"""Phonemes that the voice says in one breath."""

MAX_PHONEMES = 9_000
"""About ten minutes: a thousand figures are an hour of speech, and a gigabyte while they are said."""

KILOBITS = 64
"""Of an MP3 a second: more is not heard in one voice at 24 kHz."""

_TOO_LONG = re.compile(r"\S{40}(?=\S)")
_TOO_LARGE = re.compile(r"\d(?:,?\d){11}(?=,?\d)")
"""Twelve digits: the voice has no word for what comes after some more."""

_LOCK = threading.Lock()
_SEED = 1
"""Of the breath in the voice: the same words give the same bytes."""


def text_to_speech(values: Mapping[str, Json], files: Mapping[str, bytes], weights: Path | None) -> Result:  # noqa: ARG001 - a Process
    """The text, spoken. Raises ModelFailure: TEXT_TOO_LONG, NOTHING_TO_SAY."""
    if len(given := str(values["text"])) > MAX_CHARACTERS:
        raise ModelFailure(
            "TEXT_TOO_LONG", f"The text has {len(given):,} characters; at most {MAX_CHARACTERS:,} are spoken at once."
        )
    text = readable(given)
    return Result((spoken(text, float(values["speed"]), str(values["output_format"])),), _doubts(text))


def spoken(text: str, speed: float, suffix: str, stem: str = "result_0") -> EncodedFile:
    """The text as a sound file, `mp3` or `wav`. Raises ModelFailure: TEXT_TOO_LONG, NOTHING_TO_SAY."""
    with _LOCK:  # the package says nothing about threads
        sound = _sound(text, speed)
    samples = (np.clip(sound, -1, 1) * 32_767).astype("<i2")
    data, mime = (_mp3(samples.tobytes()), "audio/mpeg") if suffix == "mp3" else (_wav(samples.tobytes()), "audio/wav")
    return EncodedFile(f"{stem}.{suffix}", mime, data, seconds=round(len(sound) / Hibari.sample_rate, 2))


def _sound(text: str, speed: float) -> Floats:
    """The samples, -1 to 1: said in pieces, since what is said at once takes memory, and figures make a long speech."""
    voice, noise = _voice(), np.random.default_rng(_SEED)
    sentences = voice.phonemize(text) if any(map(str.isalnum, text)) else []
    pieces = [piece for sentence in sentences for piece in textwrap.wrap(sentence, PIECE)]
    if sum(map(len, pieces)) > MAX_PHONEMES:
        raise ModelFailure("TEXT_TOO_LONG", "The text takes more than ten minutes to say; write figures shorter.")
    parts = [voice.from_ids(voice.ids(piece), speed, noise) for piece in pieces]
    if not any(map(len, parts)):
        raise ModelFailure("NOTHING_TO_SAY", "The text has no word that the voice, which is English, can say.")
    return np.concatenate(parts)


def readable(text: str) -> str:
    """The text without characters that nobody speaks: control, format and private ones, and lone surrogates.

    What no word or number is long enough for is cut: the voice reads it in a time that grows with its square.
    """
    plain = unicodedata.normalize("NFKC", text)  # a ligature is letters, a circled figure a figure
    shown = "".join(each for each in plain if each in "\n\t" or unicodedata.category(each)[0] != "C")
    return _TOO_LONG.sub(r"\g<0> ", _TOO_LARGE.sub(r"\g<0> ", shown)).strip()


@cache
def _voice() -> Hibari:
    return Hibari(voice=VOICE)


def _doubts(text: str) -> tuple[str, ...]:
    """What the run's log says of words that an English voice does not know how to say."""
    foreign = [each for each in text if each.isalpha() and not unicodedata.name(each, "").startswith("LATIN")]
    said = "".join(dict.fromkeys(foreign))[:12]
    return (f"The voice speaks English only; left out or misread: {said}.",) if said else ()


def _mp3(samples: bytes) -> bytes:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(Hibari.sample_rate)
    encoder.set_bit_rate(KILOBITS)
    encoder.set_quality(2)
    return bytes(encoder.encode(samples)) + bytes(encoder.flush())


def _wav(samples: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(Hibari.sample_rate)
        sound.writeframes(samples)
    return buffer.getvalue()
