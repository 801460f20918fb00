"""A file on a screen: what it is, where its bytes and its pictures are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.naming import EXTENSIONS
from runflowd.decoder.previewing import draws
from runflowd.web.formatting import bytes_in_words, shown
from runflowd.web.preview_store import SIDES

if TYPE_CHECKING:
    from runflowd.store.items import Item
    from runflowd.store.outputs import Output

_MIME_OF = {extension: mime for mime, extension in EXTENSIONS.items()}

BY_BROWSERS = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp"}
    | {"video/mp4", "video/webm", "video/quicktime", "video/x-matroska"}
    | {"audio/mpeg", "audio/wav", "audio/mp4", "audio/flac", "audio/ogg", "audio/opus", "audio/aac"}
)
"""What a browser can show or play by itself."""


_MAY_BE_CLEAR = frozenset({"image/png", "image/webp", "image/gif", "image/avif", "image/tiff", "image/heic"})
"""Types that have an alpha channel, or may have one."""


@dataclass(frozen=True, slots=True)
class Medium:
    """One file. `small` and `large` are the addresses of its previews, "" for none; `original` that of its bytes.

    `kind` is image, video, audio or other; `plays` says whether a browser can show the original, `clear` whether what
    stands behind it may be seen through it.
    """

    name: str
    kind: str
    original: str
    plays: bool
    small: str
    large: str
    size: str
    clear: bool


def source_of(item: Item, *, previews: bool) -> Medium:
    """The file that an item is about."""
    return _medium(
        f"/files/{item.id}/input/0", item.path, item.mime, item.content_hash or "", item.stat.size, previews=previews
    )


def result_of(output: Output, *, previews: bool) -> Medium:
    """A result; its name tells its type, since runflowd itself chose the extension."""
    mime = _MIME_OF.get(output.path.relative.rpartition(".")[2], "")
    address = f"/files/{output.item}/output/{output.position}"
    return _medium(address, output.path.relative, mime, output.content_hash, output.size, previews=previews)


def _medium(address: str, path: str, mime: str, content: str, size: int, *, previews: bool) -> Medium:
    kind = mime.partition("/")[0]
    drawn = previews and content and draws(mime)
    small, large = (f"/previews/{side}/{content}.webp" if drawn else "" for side in SIDES)
    return Medium(
        name=shown(path),
        kind=kind if kind in {"image", "video", "audio"} and mime != "image/svg+xml" else "other",
        original=address,
        plays=mime in BY_BROWSERS,
        small=small,
        large=large,
        size=bytes_in_words(size),
        clear=mime in _MAY_BE_CLEAR,
    )
