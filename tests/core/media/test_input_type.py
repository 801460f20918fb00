"""What a rule takes is told by content, and whole files by their end, where they have one."""

from __future__ import annotations

import pytest
import recordings
from hypothesis import given
from hypothesis import strategies as st
from pictures import BytesSource, box, jpeg

from runflowd.core.media.image_type import Partial
from runflowd.core.media.input_type import (
    STREAMED_STILLNESS,
    UNMARKED_STILLNESS,
    Acceptable,
    Doubtful,
    NotAccepted,
    announced,
    check,
    fitting_name,
    media_kind,
    promising_suffixes,
)
from runflowd.core.media.kinds import MediaKind, in_words

ALL = tuple(MediaKind)
marked = pytest.mark.parametrize("name", recordings.MARKED)


@marked
def test_a_whole_file_is_whole(name: str) -> None:
    """Nothing is waited for beyond `settle` where the end is marked."""
    assert Acceptable(name.partition(",")[0]) == check(BytesSource(recordings.MARKED[name]), ALL)


@marked
@given(share=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_every_part_of_a_file_with_an_end_is_partial(name: str, share: float) -> None:
    """However little is missing, and however little is there."""
    data = recordings.MARKED[name]
    cut = data[: max(1, int(len(data) * share))]

    found = check(BytesSource(cut), (media_kind(name.partition(",")[0]),))  # type: ignore[arg-type]

    if name == "video/mp4, in fragments" and isinstance(found, Acceptable):
        assert found.stillness == STREAMED_STILLNESS  # a file cut between two fragments is one of fewer fragments
    else:
        assert isinstance(found, Partial)


@marked
def test_one_missing_byte_is_enough(name: str) -> None:
    """The very last byte counts, whatever else the rule takes."""
    assert isinstance(check(BytesSource(recordings.MARKED[name][:-1]), ALL), Partial)


@pytest.mark.parametrize("name", recordings.UNMARKED)
def test_what_has_no_end_marker_rests_on_stillness(name: str) -> None:
    """A part of it is such a file too, so it is waited for longer."""
    data = recordings.UNMARKED[name]

    assert Acceptable(name.partition(",")[0], UNMARKED_STILLNESS) == check(BytesSource(data), ALL)


@pytest.mark.parametrize("name", recordings.STREAMED)
def test_what_is_written_piece_by_piece_is_waited_for_much_longer(name: str) -> None:
    """Between two pieces of a stream, or within what should be longer, a pause may last."""
    data = recordings.STREAMED[name]

    assert Acceptable(name.partition(",")[0], STREAMED_STILLNESS) == check(BytesSource(data), ALL)


@pytest.mark.parametrize("name", recordings.ENDED)
def test_sound_that_says_how_long_it_is_is_whole_at_once_and_half_of_it_is_not(name: str) -> None:
    """Its first frame, or its last page, tells."""
    data = recordings.ENDED[name]

    assert Acceptable(name) == check(BytesSource(data), ALL)
    for share in (30, 60, 90, 99):
        found = check(BytesSource(data[: len(data) * share // 100]), ALL)
        assert isinstance(found, Acceptable)
        assert found.stillness > 0


def test_bytes_behind_the_last_box_are_no_part_of_a_recording() -> None:
    """All media that the description names lie before them."""
    assert Acceptable("video/mp4") == check(BytesSource(recordings.split_mp4() + b"some words of a server"), ALL)


def test_a_box_that_is_cut_is_no_stray_word() -> None:
    """What it describes may be missing, whatever the description names."""
    cut = recordings.split_mp4() + box(b"udta", bytes(900))[:300]

    assert isinstance(check(BytesSource(cut), ALL), Partial)


@pytest.mark.parametrize("rest", [b"\n2 0 obj\n<< /B 2 >>\nendobj\n", b"\nxref\n0 1\n", b"\nstartxref\n90"])
def test_a_document_cut_within_its_second_revision_is_partial(rest: bytes) -> None:
    """The end marker that is there is that of the first."""
    assert isinstance(check(BytesSource(recordings.pdf() + rest), ALL), Partial)


@pytest.mark.parametrize("rest", [b"", b"\n", b"\n<!-- served in 3 ms -->"])
def test_a_document_that_ends_with_a_revision_is_only_waited_for(rest: bytes) -> None:
    """Another revision may follow, and words behind it may be the beginning of one: nothing says how long it is."""
    assert Acceptable("application/pdf", UNMARKED_STILLNESS) == check(BytesSource(recordings.pdf() + rest), ALL)


def test_a_revision_behind_a_linearized_document_is_waited_for() -> None:
    """Its length is that of the first, so it is as any other."""
    data = recordings.linearized_pdf() + b"2 0 obj\nendobj\nstartxref\n9\n%%EOF\n"

    assert Acceptable("application/pdf", UNMARKED_STILLNESS) == check(BytesSource(data), ALL)


@pytest.mark.parametrize("name", ["video/mp4, in front", "audio/mpeg", "audio/flac", "audio/opus"])
def test_reserved_space_at_the_end_of_compressed_media_is_partial(name: str) -> None:
    """A copier that reserves space first makes a file of full size at once."""
    data = recordings.fast_mp4() if "mp4" in name else recordings.UNMARKED[name]
    if "mp4" in name:
        head = data[: data.index(b"mdat") - 4]
        data = head + (8 + 100_000).to_bytes(4, "big") + b"mdat" + recordings.CONTENT + bytes(98_000)
    else:
        data += bytes(20_000)

    assert isinstance(check(BytesSource(data), ALL), Partial)


def test_silence_at_the_end_of_uncompressed_sound_is_only_waited_for() -> None:
    """Zeros are silence as well as reserved space: a doubt becomes neither for ever nor at once."""
    data = recordings.wav() + bytes(50_000)
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]

    assert Acceptable("audio/wav", UNMARKED_STILLNESS) == check(BytesSource(data), ALL)


@pytest.mark.parametrize("size", [0, 36, 0xFFFF_FFFF])
def test_a_recorder_that_writes_the_size_last_is_waited_for(size: int) -> None:
    """A WAV whose header says less than there is, or nothing, is still being recorded or was streamed."""
    data = recordings.wav()

    found = check(BytesSource(data[:4] + size.to_bytes(4, "little") + data[8:]), ALL)

    assert Acceptable("audio/wav", UNMARKED_STILLNESS) == found


def test_a_linearized_document_is_partial_before_its_length() -> None:
    """It has an end marker near its beginning, and says how long it is."""
    data = b"%PDF-1.7\n1 0 obj\n<< /Linearized 1 /L 90000 /H [1 2] >>\nendobj\n%%EOF\n"

    assert isinstance(check(BytesSource(data), ALL), Partial)


def test_a_movie_whose_last_box_runs_to_the_end_is_waited_for() -> None:
    """Its media have no length of their own."""
    data = recordings.fast_mp4()
    at = data.index(b"mdat") - 4

    found = check(BytesSource(data[:at] + bytes(4) + data[at + 4 :]), ALL)

    assert Acceptable("video/mp4", UNMARKED_STILLNESS) == found


@pytest.mark.parametrize(
    ("accept", "data", "reason"),
    [
        ((MediaKind.VIDEO,), jpeg(), "this is a JPEG image"),
        ((MediaKind.IMAGE,), recordings.pdf(), "this is a PDF document"),
        ((MediaKind.AUDIO,), b"hello" * 20, "this is text"),
        ((MediaKind.AUDIO, MediaKind.IMAGE), recordings.glb(), "this is a 3D model"),
        ((MediaKind.AUDIO,), b"", "the file is empty"),
    ],
)
def test_what_the_rule_does_not_take_is_not_accepted(accept: tuple[MediaKind, ...], data: bytes, reason: str) -> None:
    """It says what it seems to be."""
    assert NotAccepted(reason) == check(BytesSource(data), accept)


@pytest.mark.parametrize("text", ["a moov of words", "the mdat is there and all the rest"])
def test_a_text_is_no_old_movie(text: str) -> None:
    """Four letters in a text are no box."""
    assert not announced(text.encode())


@pytest.mark.parametrize("data", [b"\xff\xfb\x00\x64", b"\xff\xfb\xf0\x64", b"\xff\xfb\x9c\x64", b"\xff\xeb\x90\x64"])
def test_two_bytes_are_not_enough_for_a_sound(data: bytes) -> None:
    """Values that the standard does not use tell other binary files from MP3 (ISO/IEC 11172-3)."""
    assert not announced(data + bytes(60))


def test_camera_raw_is_no_video() -> None:
    """A CR3 is an ISO base media file too."""
    assert not announced(recordings.mp4(b"crx "))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1aE\xdf\xa3webm", b"RIFF0000WAVE", b"\0\0\0\x08ftyp"]))
def test_hostile_bytes_get_a_verdict(data: bytes, start: bytes) -> None:
    """No bytes make it raise."""
    assert isinstance(check(BytesSource(start + data), ALL), Acceptable | Partial | NotAccepted | Doubtful)


def test_names_promise_what_the_rule_takes() -> None:
    """A photo under a rule for sound is nobody's failure."""
    found = promising_suffixes((MediaKind.AUDIO,))

    assert (True, True, False, False) == ("mp3" in found, "ogg" in found, "jpg" in found, "mp4" in found)


@pytest.mark.parametrize(
    ("name", "mime", "expected"),
    [
        ("a.MP4", "video/mp4", "a.MP4"),
        ("a.m4v", "video/mp4", "a.m4v"),
        ("clip", "video/quicktime", "clip.mov"),
        ("a.jpg", "audio/wav", "a.jpg.wav"),
        ("a.jpeg", "image/png", "a.jpeg"),
    ],
)
def test_an_upload_has_the_extension_of_its_content(name: str, mime: str, expected: str) -> None:
    """Models tell video and sound by the name in the address; images stay as they were dropped."""
    assert expected == fitting_name(name, mime)


def test_kinds_are_said_in_words() -> None:
    """In the order of the kinds, as people list things."""
    assert "images, videos and audio files" == in_words((MediaKind.AUDIO, MediaKind.IMAGE, MediaKind.VIDEO))
