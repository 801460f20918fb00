"""Real recordings, whole and cut short: what is sent of them, with the real FFmpeg that PyAV brings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from encoded_recordings import CODECS, recording
from pictures import BytesSource

from runflowd.core.media.image_type import SNIFF_BYTES, Partial
from runflowd.core.media.input_type import UNMARKED_STILLNESS, Acceptable, Doubtful, announced, check
from runflowd.core.media.kinds import MediaKind
from runflowd.decoder import Decoder, Installed, Verdict, installed
from runflowd.files import ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORDED = (MediaKind.VIDEO, MediaKind.AUDIO)
CUTS = (30, 60, 90)
"""Per cent of a file that are left of it."""


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """A recording of each kind."""
    return {name: recording(name) for name in CODECS}


def cuts(data: bytes) -> list[bytes]:
    """What is left of a recording."""
    return [data[: len(data) * share // 100] for share in CUTS]


def verdicts(found: Iterable[bytes]) -> list[Verdict]:
    """What PyAV makes of these, as the daemon asks it."""
    opened = []
    for data in found:
        opened.append((os.memfd_create("recording"), announced(data[:SNIFF_BYTES])))
        os.write(opened[-1][0], data)
    try:
        return Decoder(Installed(av=installed().av)).judge(opened, "/media", ignore_progress)
    finally:
        for descriptor, _ in opened:
            os.close(descriptor)


def test_every_recording_is_read_to_its_end(whole: dict[str, bytes]) -> None:
    """Whatever its container and codec, within the memory that a decoder may use."""
    assert dict.fromkeys(whole, Verdict(decoded=True)) == dict(zip(whole, verdicts(whole.values()), strict=True))


def test_half_a_recording_is_not_read_to_its_end(whole: dict[str, bytes]) -> None:
    """Of the kinds that say how long they are: in an index, or in their packets."""
    kinds = ("faststart.mp4", "mp4", "mov", "webm", "mkv", "m4a", "flac")
    parts = {(name, share): data for name in kinds for share, data in zip(CUTS, cuts(whole[name]), strict=True)}

    found = dict(zip(parts, verdicts(parts.values()), strict=True))

    assert [] == [part for part, verdict in found.items() if verdict.decoded]
    assert "FFmpeg says: moov atom not found" == found["mp4", 60].words


@pytest.mark.parametrize("name", CODECS)
def test_a_whole_recording_is_sent_and_half_of_one_is_not(name: str, whole: dict[str, bytes]) -> None:
    """At once where its bytes say where it ends; where they do not, it must stand still first."""
    says_its_end = name not in {"flac", "mp3", "ogg"}

    first, *rest = (check(BytesSource(data), RECORDED) for data in [whole[name], *cuts(whole[name])])

    at_once = [each for each in rest if isinstance(each, Acceptable) and each.stillness < UNMARKED_STILLNESS]
    assert Acceptable(announced(whole[name]), UNMARKED_STILLNESS if name == "flac" else 0) == first
    assert [] == at_once
    assert not says_its_end or all(isinstance(each, Partial) for each in rest)


def test_an_odd_recording_that_ffmpeg_reads_is_whole(whole: dict[str, bytes]) -> None:
    """No walk understands it, so it is in doubt; FFmpeg passes over what is odd, and over a codec that it lacks."""
    odd = whole["mp4"].replace(b"\0\0\0\x08free", b"\0\0\0\x08\xffree", 1)

    doubt = check(BytesSource(odd), RECORDED)

    lacking = whole["wav"].replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x77\x77", 1)
    assert (Doubtful, [Verdict(decoded=True)] * 2) == (type(doubt), verdicts([odd, lacking]))
