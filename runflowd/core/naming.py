"""Where a result goes: the input's relative path, mirrored, with a name of our own making.

Names are made from our own source path and a fixed table of extensions; no string from a server
ever becomes part of a path. Paths are relative, with `/` between their parts.

Two inputs never share an output. The first to ask for `x.webp` gets it; the next, `x.png`, becomes
`x (png).webp`; should that be gone too, a short hash of the input's path decides. The same path,
asked with the same names taken, always gives the same answer. "Taken" is compared by
`collision_key`, so `A.jpg` and `a.jpg`, or the NFC and NFD spelling of one name, count as the same
name: the output folder may be shared with a file system that cannot tell them apart.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING

from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runflowd.core.model import Rule

MAX_NAME_BYTES = 255
"""Longest file name on Linux file systems (`NAME_MAX` in limits.h)."""

TEMPORARY_PREFIX = ".runflowd-"
FAILURE_SUFFIX = ".failed.txt"
RECEIPT_SUFFIX = ".json"

EXTENSIONS = MappingProxyType(
    {
        "image/jpeg": "jpg",
        "image/png": "png",
        "image/webp": "webp",
        "image/gif": "gif",
        "image/tiff": "tiff",
        "image/bmp": "bmp",
        "image/avif": "avif",
        "image/heic": "heic",
        "image/jxl": "jxl",
        "image/svg+xml": "svg",
        "video/mp4": "mp4",
        "video/quicktime": "mov",
        "video/webm": "webm",
        "video/x-matroska": "mkv",
        "video/x-msvideo": "avi",
        "audio/mpeg": "mp3",
        "audio/wav": "wav",
        "audio/flac": "flac",
        "audio/ogg": "ogg",
        "audio/opus": "opus",
        "audio/mp4": "m4a",
        "audio/aac": "aac",
        "model/gltf-binary": "glb",
        "model/gltf+json": "gltf",
        "model/obj": "obj",
        "model/stl": "stl",
        "model/ply": "ply",
        "model/vnd.usdz+zip": "usdz",
        "application/pdf": "pdf",
        "application/zip": "zip",
        "application/json": "json",
        "application/xml": "xml",
        "text/plain": "txt",
        "application/octet-stream": "bin",
    }
)
"""The extension of each type that a result may have (`core.media.result_kind`); nothing else is written."""

NAMING_FIELDS = ("stem", "ext", "index", "dir", "rule")
"""What a rule's `name` pattern may hold in braces."""

_KNOWN_EXTENSIONS = frozenset(EXTENSIONS.values())
_SURROGATE_ESCAPE = "surrogateescape"
_HASH_LENGTH = 8
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,8}")


class UnsafePathError(RunflowdError):
    """A path would leave the output folder, or is no relative path at all."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"refused to make an output name for {path!r}: {reason}")


def nothing_taken(_path: str) -> bool:
    """The `taken` of an empty output folder."""
    return False


def naming_problem(pattern: str) -> str:
    """Given a rule's `name` pattern, return what is wrong with it as a sentence, or nothing."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError:
        return "has unbalanced braces; write for example {stem}.{ext}"

    fields = [name for _, name, _, _ in parts if name is not None]
    unknown = [name for name in fields if name not in NAMING_FIELDS]
    if unknown:
        return f"has the unknown field {{{unknown[0]}}}; there are {', '.join(f'{{{f}}}' for f in NAMING_FIELDS)}"
    if any(spec or conversion for _, _, spec, conversion in parts):
        return "takes plain fields only, such as {stem}, without : or !"
    if "stem" not in fields or not pattern.endswith(".{ext}") or fields.count("ext") != 1:
        return "must hold {stem}, so that results differ, and end in .{ext}, because the result decides its type"

    return _file_name_problem(pattern)


def _file_name_problem(pattern: str) -> str:
    if any(char in "/\\" or ord(char) < ord(" ") for char in pattern):
        return "is a file name, so it has no slash and no control characters; folders follow the input's"
    if pattern.startswith("."):
        return "starts with a dot, which would hide every result"

    return ""


def output_path(
    rule: Rule,
    relative: str,
    extension: str,
    index: int = 0,
    count: int = 1,
    taken: Callable[[str], bool] = nothing_taken,
) -> str:
    """Where one result of `relative` goes, relative to the rule's output folder.

    `extension` is a value of EXTENSIONS. `index` counts the outputs of one item from 0, of `count`.
    `taken` says whether a path belongs to another input or a foreign file; compare by
    `collision_key`. Raise UnsafePathError if the input path could leave the folder.
    """
    if extension not in _KNOWN_EXTENSIONS:
        raise UnsafePathError(relative, f"{extension!r} is not an extension that runflowd writes")
    if not 0 <= index < count:
        raise ValueError(f"output {index} of {count} does not exist")

    folder, name = _split(relative)
    for mark in _marks(relative, name):
        path = _join(folder, _name(rule, folder, name, extension, index, count, mark))
        if not taken(path):
            return path

    raise UnsafePathError(relative, "every name it could get is taken")


def marked(relative: str, mark: str) -> str:
    """The path with `~` and a mark before its extension, for a second file that would have the same one."""
    folder, _, name = relative.rpartition("/")
    stem, _, extension = name.rpartition(".")
    if stem and _EXTENSION.fullmatch(extension):
        return _join(folder, _fitted(stem, f"~{mark}.{extension}"))
    return _join(folder, _fitted(name, f"~{mark}"))


def failure_note(relative: str) -> str:
    """Where the failure of `relative` is noted, relative to the output folder: `photo.jpg.failed.txt`."""
    folder, name = _split(relative)

    return _join(folder, _fitted(name, FAILURE_SUFFIX))


def receipt_names(relative: str, rule: str) -> Iterator[str]:
    """Where the receipt of `relative` may go below a receipts folder, the best name first: `photo.jpg.json`.

    Rules may share that folder: what another rule has, or somebody else, is passed over for a name with the rule's.
    """
    folder, name = _split(relative)
    short = _digest(f"{rule}/{relative}")[:_HASH_LENGTH]
    marks = ("", f" ({rule})", f" ({rule} {short})", *(f" ({rule} {short} {number})" for number in range(2, 100)))
    return (_join(folder, _fitted(name, f"{mark}{RECEIPT_SUFFIX}")) for mark in marks)


def collision_key(path: str) -> str:
    """Paths with equal keys may be the same file on some file system: case and Unicode form folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _split(relative: str) -> tuple[str, str]:
    """Folder and name of a relative path; raise UnsafePathError unless each part is an ordinary name."""
    parts = relative.split("/")
    if "\0" in relative:
        raise UnsafePathError(relative, "it holds a NUL byte")
    if any(part in {"", ".", ".."} for part in parts):
        raise UnsafePathError(relative, "it is absolute, empty or climbs out of its folder")

    return "/".join(parts[:-1]), parts[-1]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _marks(relative: str, name: str) -> Iterator[str]:
    """What tells this input's result from another's: nothing, its extension, a hash, a counted hash."""
    _, _, extension = name.rpartition(".")
    kind = extension.lower() if _EXTENSION.fullmatch(extension) and "." in name[1:] else "file"
    short = _digest(relative)[:_HASH_LENGTH]
    yield ""
    yield f" ({kind})"
    yield f" ({kind} {short})"
    for number in range(2, 1000):
        yield f" ({kind} {short} {number})"


def _name(rule: Rule, folder: str, name: str, extension: str, index: int, count: int, mark: str) -> str:
    stem, dot, _ = name.rpartition(".")
    facts = {
        "index": str(index + 1),
        "dir": folder.rpartition("/")[2] or rule.name,
        "rule": rule.name,
    }
    numbered = f"-{index + 1}" if count > 1 and index and "{index}" not in rule.naming else ""
    whole = rule.naming.removesuffix(".{ext}").format(**facts, stem=stem if dot and stem else name)

    return _fitted(whole, f"{numbered}{mark}.{extension}")


def _fitted(stem: str, suffix: str) -> str:
    """`stem` + `suffix` within 255 bytes; a longer stem is cut at a character and marked by its hash."""
    room = MAX_NAME_BYTES - len(suffix.encode())
    if len(stem.encode(errors=_SURROGATE_ESCAPE)) <= room:
        return stem + suffix

    room -= 1 + _HASH_LENGTH
    kept = stem.encode(errors=_SURROGATE_ESCAPE)[:room]
    # A character cut in half would come back as stray bytes; bytes that were stray before are kept.
    while not stem.startswith(kept.decode(errors=_SURROGATE_ESCAPE)):
        kept = kept[:-1]

    return f"{kept.decode(errors=_SURROGATE_ESCAPE)}-{_digest(stem)[:_HASH_LENGTH]}{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors=_SURROGATE_ESCAPE)).hexdigest()
