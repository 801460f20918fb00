"""A rule's `input` template, filled in for one file.

A template may hold placeholders in any text value, at any depth:

    ${file.url} ${file.text} ${file.name} ${file.stem} ${file.dir} ${file.path} ${files.NAME.url}
    ${zip.url} ${zip.file} ${zip.files.NAME}

`${file.text}` is what stands in a text file. The last line is for models that take one archive
instead of addresses: runflowd makes a zip of the file and the reference files that are named, and
puts in its address and the names inside it.

`Template.resolve` fills in what the file's path tells and leaves the URLs symbolic, because they are minted
per upload and expire, and the text, which the hash of the file's content stands for: the *symbolic*
input is what is hashed and stored. `bind` puts both in just before posting. In symbolic text every
`$` that is data is doubled, so a file named `${file.url}.jpg` is inserted as data and never expanded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import TYPE_CHECKING

from runflowd.core.suggestion import closest

if TYPE_CHECKING:
    from runflowd.core.model import Json

FILE_URL = "file.url"
"""The symbol that stands for the URL of the uploaded file."""

FILE_TEXT = "file.text"
"""The symbol that stands for the words in a text file."""

ZIP_URL = "zip.url"
"""The symbol that stands for the URL of an archive with the file and its references."""

ZIP_FILE = "zip.file"
"""The symbol that stands for the file's name inside that archive."""

_FIELDS = MappingProxyType({f"file.{name}": f"{{{name}}}" for name in ("name", "stem", "dir", "path")})
"""What the path of a file fills in, as a format string that `file_facts` are put into."""

_TEMPLATE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_SYMBOLIC = re.compile(r"\$\$|\$\{([^{}]*)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class UnknownUrlError(KeyError):
    """A symbolic input names a URL that was not given to `bind`: a fault of the caller."""


class Template:
    """A rule's `input`, parsed once and filled in for file after file."""

    def __init__(self, written: Mapping[str, Json]) -> None:
        self.written = written
        self.placeholders = placeholders(written)
        self._formats = _map_texts(written, _as_format)

    def resolve(self, path: str, overrides: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """The symbolic input for the file at a path relative to its watched folder, with what its folder overrides."""
        formats = {**self._formats, **_map_texts(overrides or {}, _as_format)}
        facts = {field: _as_data(value) for field, value in file_facts(path).items()}
        return {key: _map_texts(value, lambda text: text.format_map(facts)) for key, value in formats.items()}


def file_facts(path: str) -> dict[str, str]:
    """What stands for `file.name`, `file.stem`, `file.dir` and `file.path` of the file at a relative path.

    Text for a remote service: NFC, with undecodable bytes shown as U+FFFD.
    """
    path = unicodedata.normalize("NFC", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", path))
    folder, _, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return {"name": name, "stem": stem if dot and stem else name, "dir": folder, "path": path}


def template_problems(template: Json, files: Sequence[str]) -> list[tuple[tuple[str | int, ...], str]]:
    """Given a template and the names of the rule's reference files, return (path, sentence) per mistake."""
    bundled = (ZIP_URL, ZIP_FILE, *(f"zip.files.{name}" for name in files))
    known = (FILE_URL, FILE_TEXT, *_FIELDS, *(f"files.{name}.url" for name in files), *bundled)

    return [
        (path, sentence)
        for path, text in _texts(template, ())
        for match in _TEMPLATE.finditer(text)
        if (sentence := _placeholder_problem(match, known))
    ]


def placeholders(template: Json) -> frozenset[str]:
    """The names of all placeholders in a template, such as `{"file.url", "file.stem"}`."""
    return _names(_TEMPLATE, template)


def symbols(symbolic: Json) -> frozenset[str]:
    """The names of the URLs that `bind` needs for a symbolic input: `{"file.url", "files.logo.url"}`."""
    return _names(_SYMBOLIC, symbolic)


def sends_the_file(names: AbstractSet[str]) -> bool:
    """Whether any of these placeholders or symbols brings the dropped file to the model."""
    return not names.isdisjoint({FILE_URL, ZIP_URL})


def tells_files_apart(names: AbstractSet[str]) -> bool:
    """Whether any of these placeholders makes the input of one file differ from that of the file beside it."""
    return not names.isdisjoint({FILE_URL, ZIP_URL, FILE_TEXT, "file.name", "file.stem", "file.path"})


def keys_that_send_the_file(template: Json) -> frozenset[str]:
    """The names of the inputs, at any depth, that the address of the file stands under."""
    return frozenset(
        next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        for path, text in _texts(template, ())
        if FILE_URL in placeholders(text)
    )


def uploads_in(symbolic: Json) -> frozenset[str]:
    """The symbols of an input that stand for links to uploads: the file, an archive, reference files."""
    return frozenset(name for name in symbols(symbolic) if name.endswith(".url"))


def links_given(symbolic: Json) -> list[str]:
    """The web addresses that an input holds of itself, without their queries."""
    texts = (text for _, text in _texts(symbolic, ()))

    return [text.partition("?")[0] for text in texts if text.startswith(("https://", "http://"))]


def references_in(names: AbstractSet[str]) -> frozenset[str]:
    """The names of the reference files that these placeholders or symbols use."""
    addressed = {name[len("files.") : -len(".url")] for name in names if name.startswith("files.")}
    bundled = {name[len("zip.files.") :] for name in names if name.startswith("zip.files.")}

    return frozenset(addressed | bundled)


def bind(symbolic: Json, urls: Mapping[str, str]) -> Json:
    """Given a symbolic input and a URL per symbol, return the input to post; raise UnknownUrlError."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        if name not in urls:
            raise UnknownUrlError(name)

        return urls[name]

    return _map_texts(symbolic, lambda text: _substitute(_SYMBOLIC, text, fill, str))


def _placeholder_problem(match: re.Match[str], known: Sequence[str]) -> str:
    name = match[1]
    if name is None or (name in known and match[2]):
        return ""
    if not match[2]:
        return f"the placeholder ${{{name[:40]} is never closed; add }} or write $${{ for a plain ${{"

    if near := closest(name, known, cutoff=0.5):
        return f"unknown placeholder ${{{name}}}; did you mean ${{{near}}}?"

    choices = ", ".join(f"${{{choice}}}" for choice in known)

    return f"unknown placeholder ${{{name}}}; there are {choices}; write $${{ for a plain ${{"


def _as_format(text: str) -> str:
    """A text of a template as a format string for `file_facts`: data, with its placeholders for URLs symbolic."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$${{"
        return _FIELDS.get(name) or _escaped(f"${{{name}}}")

    return _substitute(_TEMPLATE, text, fill, lambda plain: _escaped(_as_data(plain)))


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _as_data(text: str) -> str:
    return text.replace("$", "$$")


def _names(pattern: re.Pattern[str], value: Json) -> frozenset[str]:
    matches = (match for _, text in _texts(value, ()) for match in pattern.finditer(text))

    return frozenset(match[1] for match in matches if match[1] is not None)


def _substitute(
    pattern: re.Pattern[str], text: str, fill: Callable[[re.Match[str]], str], plain: Callable[[str], str]
) -> str:
    """Replace each match by `fill` and pass the text in between through `plain`, in one pass."""
    parts, start = [], 0
    for match in pattern.finditer(text):
        parts += [plain(text[start : match.start()]), fill(match)]
        start = match.end()

    return "".join([*parts, plain(text[start:])])


def _texts(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(part, (*path, key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _texts(part, (*path, index))


def _map_texts(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map_texts(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(part, change) for part in value]

    return value
