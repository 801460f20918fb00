"""Whatever was paid for gets a name of our table; only what cannot be a result is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import recordings
from hypothesis import given
from hypothesis import strategies as st
from pictures import odd_gif

from runflowd.core.media.result_kind import InDoubt, Kind, Unfit, detect_kind
from runflowd.core.naming import EXTENSIONS

if TYPE_CHECKING:
    from runflowd.core.media.result_kind import Found


class Bytes:
    """Content in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on."""
        return self._content[offset : offset + length]


def found(content: bytes, declared: str = "", hint: str = "") -> Found:
    """What a result of this content is."""
    return detect_kind(Bytes(content), declared, hint)


ZIP = b"PK\x03\x04" + bytes(22) + b"\x09\x00\x00\x00"
END = b"PK\x05\x06" + bytes(18)
SIGNED = {
    "mp4": recordings.mp4(),
    "mov": recordings.mp4(b"qt  "),
    "m4a": recordings.mp4(b"M4A "),
    "webm": recordings.webm(),
    "mkv": recordings.webm(doctype=b"matroska"),
    "avi": recordings.wav().replace(b"WAVE", b"AVI "),
    "wav": recordings.rf64(),
    "mp3": b"\xff\xfb\x90\x00\x00\x00\x00",
    "aac": b"\xff\xf1\x50\x80\x00\x00\x00",
    "flac": b"fLaC\x00\x00\x00\x22",
    "ogg": recordings.ogg(b"\x01vorbis"),
    "opus": recordings.ogg(b"OpusHead"),
    "glb": recordings.glb(),
    "zip": recordings.archive(),
    "usdz": ZIP + b"shoe.usdc" + END,
    "pdf": recordings.pdf(),
}
CUT = ("mp4", "mov", "m4a", "webm", "mkv", "avi", "wav", "glb", "zip", "usdz", "pdf")


@pytest.mark.parametrize("extension", CUT)
def test_half_a_medium_is_no_result(extension: str) -> None:
    """A body that ends too early is fetched again, however its kind was declared."""
    data = SIGNED[extension]

    assert isinstance(found(data[: len(data) * 6 // 10]), Unfit)


def test_a_medium_of_another_make_than_is_known_is_delivered() -> None:
    """It was paid for, and nothing says that any of it is missing."""
    assert Kind("video/x-matroska") == found(b"\x1aE\xdf\xa3\x80" + b"\x42\x86\x81\x01" * 40)


@pytest.mark.parametrize("extension", SIGNED)
def test_bytes_tell_the_kind_whatever_is_declared(extension: str) -> None:
    """A label may be wrong; a signature is not."""
    assert (extension, extension) == tuple(
        EXTENSIONS[kind.mime]
        for kind in (found(SIGNED[extension]), found(SIGNED[extension], "image/png", "x.png"))
        if isinstance(kind, Kind)
    )


@pytest.mark.parametrize(
    ("content", "declared", "hint", "extension"),
    [
        (b'{"caption": "a red shoe"}', "application/json", "", "json"),
        (b'[{"label": "shoe", "score": 0.98}]', "", "", "json"),
        (b'{"asset": {"version": "2.0"}}', "application/octet-stream", "", "gltf"),
        (b"a red shoe on a white ground", "text/plain; charset=utf-8", "", "txt"),
        (b"a red shoe on a white ground", "", "", "txt"),
        ("Schuhgröße".encode(), "text/plain", "", "txt"),
        (b"o shoe\nv 0 0 1\nv 0 1 0\nf 1 2 3\n", "model/obj", "", "obj"),
        (b"o shoe\nv 0 0 1\nv 0 1 0\nf 1 2 3\n", "text/plain", "shoe.obj", "obj"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "", "", "svg"),
        (b'<?xml version="1.0"?><COLLADA/>', "", "", "xml"),
        (b"\x00\x01\x02\x03unheard of", "model/ply", "", "ply"),
        (b"\x00\x01\x02\x03unheard of", "", "scan.stl", "stl"),
        (b"\x00\x01\x02\x03unheard of", "application/x-new; v=1", "clip.../../x.exe", "bin"),
        (b"latin-1: \xe9t\xe9 and more", "", "", "bin"),
    ],
)
def test_what_has_no_signature_goes_by_its_text_and_then_by_what_is_declared(
    content: bytes, declared: str, hint: str, extension: str
) -> None:
    """What nothing tells is delivered as `.bin`, and no string of the service's becomes an extension."""
    kind = found(content, declared, hint)

    assert isinstance(kind, Kind), kind
    assert extension == EXTENSIONS[kind.mime]


@pytest.mark.parametrize(
    ("content", "declared", "hint"),
    [
        (b"", "image/png", ""),
        (bytes(600), "video/mp4", ""),
        (b"<!DOCTYPE html><html><body>Sign in", "", ""),
        (b"<html>502 Bad Gateway</html>", "video/mp4", "clip.mp4"),
        (b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>', "application/xml", ""),
        (b"Service Unavailable", "image/png", ""),
        (b"Service Unavailable", "text/plain", "result_1.png"),
        (b'{"error": "not ready"}', "application/json", ""),
        (b'{"code": "E1", "message": "later"}', "application/json", ""),
        (b'{"caption": "x"}', "video/mp4", ""),
        (b'{"id": "0', "application/json", "result_1.jpg"),
        (b'{"id": "0', "application/json", ""),
        (b'{"caption": "x"}', "application/json", "result_1.jpg"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg", ""),
        (b"Service Unavailable", "image/png", "answer.txt"),
    ],
)
def test_what_cannot_be_a_result_is_refused(content: bytes, declared: str, hint: str) -> None:
    """Nothing, a page, an error, half an image, or a sentence where a medium was to come."""
    assert isinstance(found(content, declared, hint), Unfit)


def test_an_odd_image_is_a_result_only_if_a_decoder_opens_it() -> None:
    """It was paid for, so a decoder is asked before it is refused."""
    assert InDoubt("image/gif", "the GIF is damaged at byte 781") == found(odd_gif(), "image/gif")


def test_a_large_json_is_an_answer_and_no_error() -> None:
    """It is not read into memory to be looked at."""
    content = json.dumps({"error": "x" * 70_000}).encode()

    assert Kind("application/json") == found(content)


def test_a_character_at_the_edge_of_what_is_looked_at_is_no_damage() -> None:
    """The first bytes end in the middle of a character."""
    assert Kind("text/plain") == found(b"a" * 511 + "ü".encode() + b" and on")


@given(st.binary(max_size=700), st.text(max_size=30), st.text(max_size=30))
def test_no_bytes_and_no_words_make_it_fail(content: bytes, declared: str, hint: str) -> None:
    """The service is a stranger."""
    kind = found(content, declared, hint)

    assert isinstance(kind, Unfit | InDoubt) or kind.mime in EXTENSIONS
