"""What kind of file a result is: by its bytes, then by what the service declares, else unknown.

Signatures are a table of ours: the packages that tell kinds by content are either abandoned (filetype, python-magic:
no release since 2022) or grade their guesses, and a result that is paid for needs one answer. The table is short,
since only what models make needs a name; everything else is delivered as `.bin`.

A text may stand in the place of a result for a while, as a proxy's error page does. It is no result where the service
declares a medium or the link names one, where it is a page, or where it says by itself that it is an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.media.image_type import SNIFF_BYTES, NotAnImage, Partial, check, describe, sniff
from runflowd.core.naming import EXTENSIONS

if TYPE_CHECKING:
    from runflowd.core.media.image_type import Source

UNKNOWN = "application/octet-stream"

MAX_ERROR_BYTES = 64 * 1024
"""A JSON text larger than that is no error message."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a whole result is: its MIME type, a key of `EXTENSIONS`."""

    mime: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """What cannot be a result: `reason` is a clause for people."""

    reason: str


Found: TypeAlias = Kind | Unfit


def kind_of(source: Source, declared: str = "", hint: str = "") -> Found:
    """What `source` is. `declared` is the MIME type that came with it, `hint` the file name in its link.

    Both are the service's word: they choose from a table of ours, and never become part of a path.
    """
    head = source.read(0, SNIFF_BYTES)
    if not head or not any(head):
        return Unfit("the file is empty" if not head else "the file holds only zeros")
    if sniff(head) is not None:
        match check(source):
            case NotAnImage(reason) | Partial(reason):
                return Unfit(reason)
            case whole:
                return Kind(whole.type.mime)
    if mime := _by_signature(head):
        return Kind(mime)
    expected = _expected(declared, hint)
    if not _is_text(head):
        return Kind(expected or UNKNOWN)
    return _text(source, head, expected)


def _by_signature(head: bytes) -> str:
    return next(filter(None, (read(head) for read in _SIGNATURES)), "")


def _box(head: bytes) -> str:
    return _BRANDS.get(head[8:12], "video/mp4") if head[4:8] == b"ftyp" else ""


def _riff(head: bytes) -> str:
    return {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12], "") if head[:4] == b"RIFF" else ""


def _ebml(head: bytes) -> str:
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return ""
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _ogg(head: bytes) -> str:
    if not head.startswith(b"OggS"):
        return ""
    return "audio/opus" if b"OpusHead" in head[:64] else "audio/ogg"


def _zip(head: bytes) -> str:
    if not head.startswith(b"PK\x03\x04"):
        return ""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")].lower()
    return "model/vnd.usdz+zip" if first.endswith((b".usdc", b".usda", b".usd")) else "application/zip"


def _frame(head: bytes) -> str:
    """A frame: eleven or twelve bits of synchronisation, the version, the layer, which is III for MP3 and none for AAC.

    ISO/IEC 11172-3 section 2.4.1.3, ISO/IEC 13818-7 section 6.2.1.
    """
    first = int.from_bytes(head[:2], "big")
    return "audio/mpeg" if first & 0xFFE6 == 0xFFE2 else "audio/aac" if first & 0xFFF6 == 0xFFF0 else ""


def _magic(head: bytes) -> str:
    return next((mime for magic, mime in _MAGIC if head.startswith(magic)), "")


def _text(source: Source, head: bytes, expected: str) -> Found:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return Kind("image/svg+xml")
    if reason := _no_result(head, text, expected):
        return Unfit(reason)
    if text.startswith((b"{", b"[")):
        return _json(source, expected)
    if expected in _TEXTUAL:
        return Kind(expected)
    return Kind("application/xml" if text.startswith(b"<") else "text/plain")


def _no_result(head: bytes, text: bytes, expected: str) -> str:
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return f"{describe(head)}, which is no result"
    if text.startswith(b"<") and b"<error" in text:
        return "this is an error message of the storage"
    if expected.startswith(_MEDIA) and expected not in _TEXTUAL:
        return f"{describe(head)}, where {EXTENSIONS[expected]} was to come"
    return ""


def _json(source: Source, expected: str) -> Found:
    if source.size > MAX_ERROR_BYTES:
        return Kind("model/gltf+json" if expected == "model/gltf+json" else "application/json")
    try:
        value = json.loads(source.read(0, source.size))
    except (ValueError, RecursionError):
        return Kind("text/plain")
    if isinstance(value, dict):
        if value.keys() & {"error", "errors"} or value.keys() >= {"code", "message"}:
            return Unfit("this is an error message in JSON")
        if isinstance(value.get("asset"), dict) and "version" in value["asset"]:
            return Kind("model/gltf+json")
    return Kind("application/json")


def _expected(declared: str, hint: str) -> str:
    """The type that the service leads to expect; "" when it says nothing that the table knows."""
    mime = declared.partition(";")[0].strip().lower()
    mime = _SYNONYMS.get(mime, mime)
    if mime in EXTENSIONS and mime != UNKNOWN and not mime.startswith("text/"):
        return mime
    return _BY_EXTENSION.get(hint.rpartition(".")[2].lower(), "" if mime not in EXTENSIONS else mime)


def _is_text(head: bytes) -> bool:
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(head) == SNIFF_BYTES  # a character may be cut at the end
    return True


_MEDIA = ("image/", "video/", "audio/", "model/", "application/pdf", "application/zip")
_TEXTUAL = frozenset({"image/svg+xml", "model/gltf+json", "model/obj", "model/stl", "model/ply", "text/plain"})

_BRANDS = {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}
"""Brands of ISO base media files that are no MP4 video (https://mp4ra.org)."""

_SIGNATURES = (_box, _riff, _ebml, _ogg, _zip, _frame, _magic)

_MAGIC = (
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"glTF", "model/gltf-binary"),
    (b"%PDF-", "application/pdf"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
)

_SYNONYMS = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "video/matroska": "video/x-matroska",
    "video/avi": "video/x-msvideo",
    "model/gltf+binary": "model/gltf-binary",
    "application/x-zip-compressed": "application/zip",
    "text/xml": "application/xml",
    "text/json": "application/json",
}

_BY_EXTENSION = {extension: mime for mime, extension in EXTENSIONS.items()} | {
    "jpeg": "image/jpeg",
    "tif": "image/tiff",
}
