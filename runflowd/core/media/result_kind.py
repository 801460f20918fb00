"""What kind of file a result is: by its bytes, then by what the service declares, else unknown.

The table of signatures is short, since only what models make needs a name; everything else is delivered as `.bin`.

A text may stand in the place of a result for a while, as a proxy's error page does. It is no result where the service
declares a medium or the link names one, where it is a page, or where it says by itself that it is an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.media.image_bytes import CutShortError, DamagedError
from runflowd.core.media.image_type import SNIFF_BYTES, Doubt, NotAnImage, Partial, check, describe, sniff
from runflowd.core.media.signatures import mime_of
from runflowd.core.media.walkers import WALKERS
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


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An image of this MIME type that is odd, or seems to be cut: a result if a decoder opens it, else none."""

    mime: str
    reason: str


Found: TypeAlias = Kind | Unfit | InDoubt


def detect_kind(source: Source, declared: str = "", hint: str = "") -> Found:
    """What `source` is. `declared` is the MIME type that came with it, `hint` the file name in its link.

    Both are the service's word: they choose from a table of ours, and never become part of a path.
    """
    head = source.read(0, SNIFF_BYTES)
    if not head or not any(head):
        return Unfit("the file is empty" if not head else "the file holds only zeros")
    if sniff(head) is not None:
        return _image(source)
    if mime := mime_of(head):
        return _walked(source, mime)
    declared_type, named_type = _declared(declared), _BY_EXTENSION.get(hint.rpartition(".")[2].lower(), "")
    vague = declared_type in {"", UNKNOWN} or declared_type.startswith("text/")
    expected = (named_type or declared_type) if vague else declared_type
    if not _is_text(head):
        return Kind(expected or UNKNOWN)
    return _text(source, head, expected, (declared_type, named_type))


def _image(source: Source) -> Found:
    match check(source):
        case NotAnImage(reason) | Partial(reason):
            return Unfit(reason)
        case Doubt(kind, reason):
            return InDoubt(kind.mime, reason)
        case whole:
            return Kind(whole.type.mime)


def _walked(source: Source, mime: str) -> Found:
    """A medium that is no image: half of it is no result; one that is odd is delivered as it came."""
    try:
        if mime in WALKERS:
            WALKERS[mime](source)
    except CutShortError as error:
        return Unfit(str(error))
    except DamagedError:
        pass
    return Kind(mime)


def _text(source: Source, head: bytes, expected: str, promised: tuple[str, str]) -> Found:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return Kind("image/svg+xml")
    if reason := _no_result(head, text, promised):
        return Unfit(reason)
    if text.startswith((b"{", b"[")):
        return _json(source, expected)
    if expected in _TEXTUAL:
        return Kind(expected)
    return Kind("application/xml" if text.startswith(b"<") else "text/plain")


def _no_result(head: bytes, text: bytes, promised: tuple[str, str]) -> str:
    """Why a text cannot be a result, given the types that its answer and its link promise; "" if it can."""
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return f"{describe(head)}, which is no result"
    if text.startswith(b"<") and b"<error" in text:
        return "this is an error message of the storage"
    media = [each for each in promised if each.startswith(_MEDIA) and each not in _TEXTUAL]
    return f"{describe(head)}, where {EXTENSIONS[media[0]]} was to come" if media else ""


def _json(source: Source, expected: str) -> Found:
    if source.size > MAX_ERROR_BYTES:
        return Kind("model/gltf+json" if expected == "model/gltf+json" else "application/json")
    try:
        value = json.loads(source.read(0, source.size))
    except (ValueError, RecursionError):
        if expected in {"application/json", "model/gltf+json"}:
            return Unfit("this is JSON that is cut short or damaged")
        return Kind("text/plain")
    if isinstance(value, dict):
        if value.keys() & {"error", "errors"} or value.keys() >= {"code", "message"}:
            return Unfit("this is an error message in JSON")
        if isinstance(value.get("asset"), dict) and "version" in value["asset"]:
            return Kind("model/gltf+json")
    return Kind("application/json")


def _declared(text: str) -> str:
    """The declared type, if the table knows it; else "" for nothing."""
    mime = text.partition(";")[0].strip().lower()
    mime = _SYNONYMS.get(mime, mime)
    return mime if mime in EXTENSIONS else ""


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
