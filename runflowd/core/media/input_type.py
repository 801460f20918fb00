"""What a dropped file is, recognised by its bytes: of a kind that its rule takes or not, and whole or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runflowd.core.media import image_type
from runflowd.core.media.image_bytes import CutShortError, DamagedError, End
from runflowd.core.media.image_type import SNIFF_BYTES, Doubt, ImageType, NotAnImage, Partial, describe, sniff
from runflowd.core.media.kinds import MediaKind
from runflowd.core.media.signatures import FIRST_BOXES, mime_of
from runflowd.core.media.text_type import TEXT_MIME, TEXT_SUFFIXES, text_end
from runflowd.core.media.walkers import WALKERS
from runflowd.core.naming import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Collection

    from runflowd.core.media.image_bytes import Source

UNMARKED_STILLNESS = 10.0
"""Seconds without change after which a file whose bytes cannot say where it ends counts as whole."""

STREAMED_STILLNESS = 60.0
"""The same where the file is of a kind that is written piece by piece, or says that it should be longer."""

DOUBT_STILLNESS = 10.0
"""Seconds without change after which a decoder is asked about what is odd."""

HOLE_STILLNESS = 60.0
"""Seconds without change after which zeros within an image count as what is meant: it may as well be a flat area."""

_IMAGE_SUFFIXES = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "tif", "tiff", "bmp", "heic", "heif", "avif")


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A whole file of this MIME type, once it has stood still for `stillness` seconds; 0 where its end is marked."""

    mime: str
    stillness: float = 0.0


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """Nothing that the rule takes, or damaged beyond waiting; `reason` is a clause for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Of this MIME type, and whole only if a decoder says so and it has stood still for `stillness` seconds then."""

    mime: str
    reason: str
    stillness: float


Check: TypeAlias = Acceptable | Partial | NotAccepted | Doubtful


def media_kind(mime: str) -> MediaKind | None:
    """The kind that a MIME type is of; None if no rule can take it."""
    return _KINDS.get(mime)


def announced(head: bytes) -> str:
    """The MIME type that a file's first bytes announce; "" if no rule can take what they announce."""
    if image := sniff(head):
        return image.mime
    mime = mime_of(head)
    if mime not in _KINDS or head[8:12] == b"crx ":
        return ""
    return "" if mime == "audio/mpeg" and not _is_sound(head) else mime


def check(source: Source, accept: Collection[MediaKind]) -> Check:
    """Say whether `source` is a whole file of a kind in `accept`. `source.read` may raise; nothing else here does."""
    head = source.read(0, SNIFF_BYTES)
    mime = announced(head)
    kind = media_kind(mime)
    if kind in accept and mime in WALKERS:
        return _walked(source, mime)
    if MediaKind.TEXT in accept and not mime:  # its name says so (`kinds_under`), or nothing else is taken
        return _walked(source, TEXT_MIME)
    if kind not in accept and MediaKind.IMAGE not in accept and (beginning := _beginning(head, accept)):
        return beginning
    if MediaKind.IMAGE in accept or (head and not any(head)):
        return _image(source, head, accept)
    return NotAccepted(words(head))


def words(head: bytes) -> str:
    """What the first bytes seem to be, as a clause: "this is a PDF document"."""
    if image := sniff(head):
        return f"this is a {image.label} image"
    return describe(head)


def promising_suffixes(accept: Collection[MediaKind]) -> frozenset[str]:
    """File-name suffixes, without dot, that promise a file of one of these kinds."""
    marked = {suffix for mime, found in _SUFFIXES.items() if _KINDS[mime] in accept for suffix in found}
    return frozenset(marked | set(_IMAGE_SUFFIXES if MediaKind.IMAGE in accept else ()))


def kinds_under(name: str, accept: Collection[MediaKind]) -> Collection[MediaKind]:
    """The kinds that a file of this name is asked for: nothing in its bytes marks a text, so `a.jpg` is none."""
    if set(accept) == {MediaKind.TEXT}:
        return accept
    suffix = name.lower().rpartition(".")[2]
    return accept if suffix in TEXT_SUFFIXES else [kind for kind in accept if kind is not MediaKind.TEXT]


def fitting_name(name: str, mime: str) -> str:
    """A file name to upload under: what is no image gets the extension of its content where it has another."""
    suffixes = _SUFFIXES.get(mime, ())
    if not suffixes or name.lower().rpartition(".")[2] in suffixes:
        return name
    return f"{name}.{EXTENSIONS[mime]}"


def _walked(source: Source, mime: str) -> Check:
    try:
        end = text_end(source) if mime == TEXT_MIME else WALKERS[mime](source)
    except CutShortError as error:
        return Partial(str(error))
    except DamagedError as error:
        if media_kind(mime) not in {MediaKind.VIDEO, MediaKind.AUDIO}:
            return NotAccepted(str(error))
        return Doubtful(mime, str(error), STREAMED_STILLNESS)
    return Acceptable(mime, _STILLNESS[end])


def _image(source: Source, head: bytes, accept: Collection[MediaKind]) -> Check:
    match image_type.check(source):
        case Partial() as partial:
            return partial
        case NotAnImage(reason):
            return _beginning(head, accept) or NotAccepted(reason)
        case Doubt(kind, reason, cut, hole):
            return Doubtful(kind.mime, reason, HOLE_STILLNESS if cut or hole else DOUBT_STILLNESS)
        case whole:
            return Acceptable(whole.type.mime, HOLE_STILLNESS if whole.hole else 0.0)


def _beginning(head: bytes, accept: Collection[MediaKind]) -> Partial | None:
    """A file too short to tell what it is, which may become what is accepted; None for any other."""
    if 0 < len(head) < _SHORTEST and set(accept) - {MediaKind.IMAGE, MediaKind.TEXT} and _begins(head):
        return Partial(f"the file ends after {len(head)} bytes, before it can be recognised")
    return None


def _begins(head: bytes) -> bool:
    """Whether a few bytes may be the beginning of a kind that only more of them tell."""
    return any(magic.startswith(head[: len(magic)]) for magic in _BEGINNINGS) or any(
        head[4:8] == kind[: max(0, len(head) - 4)] for kind in (b"ftyp", *FIRST_BOXES)
    )


def _is_sound(head: bytes) -> bool:
    """Whether what looks like MP3 is: two bytes of synchronisation alone stand at the head of many a file.

    ISO/IEC 11172-3 section 2.4.2.3: bit rate, sampling rate and emphasis have values that are not used.
    """
    if head.startswith(b"ID3"):
        return True
    if len(head) < 4 or head[1] & 0x18 == 0x08:
        return False
    return head[2] >> 4 not in {0, 15} and head[2] & 0x0C != 0x0C and head[3] & 3 != 2


_SHORTEST = 64
"""Bytes that tell every kind."""

_BEGINNINGS = (b"RIFF", b"RF64", b"BW64", b"\x1aE\xdf\xa3", b"OggS", b"ID3", b"fLaC", b"glTF", b"%PDF-")

_SUFFIXES: dict[str, tuple[str, ...]] = {
    "video/mp4": ("mp4", "m4v"),
    "video/quicktime": ("mov", "qt"),
    "video/webm": ("webm",),
    "video/x-matroska": ("mkv",),
    "audio/mpeg": ("mp3",),
    "audio/wav": ("wav", "wave"),
    "audio/mp4": ("m4a", "m4b"),
    "audio/flac": ("flac",),
    "audio/ogg": ("ogg", "oga"),
    "audio/opus": ("opus", "ogg"),
    "application/pdf": ("pdf",),
    "model/gltf-binary": ("glb",),
    TEXT_MIME: TEXT_SUFFIXES,
}

_KINDS: dict[str, MediaKind] = {
    **{image.mime: MediaKind.IMAGE for image in ImageType},
    **dict.fromkeys(("video/mp4", "video/quicktime", "video/webm", "video/x-matroska"), MediaKind.VIDEO),
    **{mime: MediaKind.AUDIO for mime in _SUFFIXES if mime.startswith("audio/")},
    "application/pdf": MediaKind.DOCUMENT,
    "model/gltf-binary": MediaKind.MODEL,
    TEXT_MIME: MediaKind.TEXT,
}

_STILLNESS = {End.MARKED: 0.0, End.OPEN: UNMARKED_STILLNESS, End.STREAMED: STREAMED_STILLNESS}
