"""Where the results are in a model's output, whatever shape this model gives it.

Every model has its own: `image_urls`, `outputs[].url`, a workflow's own keys, a bare string. The shape
is not declared anywhere, so it is searched: well-known keys first, in the order first-party code looks
them up, and the first that yields anything wins; failing those, every other key in document order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runflowd.core.model import Json

PARTIAL_RESULT = "PARTIAL_RESULT"
"""The code of an item whose run gave some of its outputs and not the others."""

_KNOWN = ("outputs", "output", "image_urls", "images", "image", "url", "output_url", "output_urls", "image_url")
_ADDRESS = ("url", "image_url", "output_url", "signed_url", "download_url", "href", "src", "uri")
"""Keys under which one entry gives its address; its other addresses (thumbnails) are not results."""

_NAME = ("filename", "file_name", "name")
_DEEPEST = 6
_MOST = 500
_LONGEST_URL = 16_384
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SCHEMES = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class OutputRef:
    """One result: where it is, and the last part of its name as a hint for people and suffixes.

    `url` is https, http or a data URI and may carry a permission, so the repr leaves it out.
    `name_hint` is the server's word: at most 120 characters without separators, never a path.
    """

    url: str = field(repr=False)
    name_hint: str


def extract(output: Json, select: str = "") -> tuple[OutputRef, ...]:
    """Return the results in `output`, in the service's order, each address once.

    `select` is a glob such as `result_*`, matched against the last part of each URL's path (decoded,
    without the query; an inline result goes by its name hint). It then searches every key, since
    whoever writes one knows what the model returns. Nothing in `output` can make this raise.
    """
    found = _everything(output) if select else _first_known(output) or _everything(output)
    once: dict[str, OutputRef] = {}
    for ref in found:
        once.setdefault(ref.url, ref)
    return tuple(ref for ref in once.values() if not select or fnmatchcase(ref.name_hint, select))


def listed(output: Json) -> int:
    """How many entries the list of results in `output` has, those that lead nowhere included; 0 without a list."""
    if isinstance(output, list):
        return len(output)
    lists = (output[key] for key in _KNOWN if isinstance(output.get(key), list)) if isinstance(output, dict) else ()
    return next((len(each) for each in lists), 0)


def renewed(before: Sequence[OutputRef], index: int, after: Sequence[OutputRef]) -> OutputRef | None:
    """The entry of `after`, a later reading of the same output, that is the same result as `before[index]`.

    Names count first, since a reading may have another order; results of one name keep their order. Where
    names change with each reading, the place tells, as long as none was added or taken away.
    """
    name = before[index].name_hint
    same = [ref for ref in after if ref.name_hint == name]
    turn = sum(ref.name_hint == name for ref in before[:index])
    if turn < len(same):
        return same[turn]
    return after[index] if len(after) == len(before) and not same else None


def _first_known(output: Json) -> list[OutputRef]:
    if not isinstance(output, dict):
        return []
    known = (_bounded(_walk(output[key], 1)) for key in _KNOWN if key in output)
    return next((refs for refs in known if refs), [])


def _everything(output: Json) -> list[OutputRef]:
    if not isinstance(output, dict):
        return _bounded(_walk(output, 0))
    keys = [key for key in _KNOWN if key in output] + [key for key in output if key not in _KNOWN]
    return _bounded(ref for key in keys for ref in _walk(output[key], 1))


def _bounded(refs: Iterator[OutputRef]) -> list[OutputRef]:
    return list(islice(refs, _MOST))


def _walk(value: Json, depth: int) -> Iterator[OutputRef]:
    if isinstance(value, str):
        yield from _from_text(value, "")
    elif depth >= _DEEPEST:
        return
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, depth + 1)
    elif isinstance(value, dict):
        own = _own_address(value)
        if own is not None:
            yield own
            return
        for one in value.values():
            yield from _walk(one, depth + 1)


def _own_address(entry: dict[str, Json]) -> OutputRef | None:
    name = next((entry[key] for key in _NAME if isinstance(entry.get(key), str)), "")
    for key in _ADDRESS:
        value = entry.get(key)
        if isinstance(value, str):
            for ref in _from_text(value, name):
                return ref
    return None


def _from_text(text: str, name: str) -> Iterator[OutputRef]:
    url = text.strip()
    start = url[:16].lower()
    if start.startswith("data:") and "," in url[:1000]:
        yield OutputRef(url, _hint(name))
    elif start.startswith(_SCHEMES) and len(url) <= _LONGEST_URL and not _UNFIT.search(url):
        yield OutputRef(url, _last_part(url))


def _last_part(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return _hint(unquote(path.rstrip("/").rpartition("/")[2]))


def _hint(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(letter for letter in last if letter.isprintable())[:120]
    return plain if plain.strip(". ") else ""
