"""GET /files/ITEM/SIDE/POSITION: the original bytes of a file or of its result, whole or in part.

Only what the state file has on record is served, from below the folders of rules in force, and no link is followed
(`runflowd.files`). Who wrote such a file is a stranger: it is an attachment wherever it is opened by itself, its type
is what its bytes say, and a browser is told to believe that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from runflowd import files
from runflowd.core.media.image_type import SNIFF_BYTES
from runflowd.core.media.input_type import announced
from runflowd.core.printable import printable
from runflowd.store.items import item_by_id
from runflowd.store.outputs import outputs_of
from runflowd.web.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from runflowd.core.model import Rule, Stat
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store import Connection
    from runflowd.web.page_state import PageState

PIECE = 512 * 1024
"""Bytes read at once."""

SHOWN_KINDS = ("image/", "video/", "audio/")
"""What a browser may show or play; everything else is bytes."""

BYTES = "application/octet-stream"

_SANDBOX = {"content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'"}

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
"""One range; several at once, and whatever else, are answered by the whole, as is allowed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, and by whose calls it is read."""

    root: str
    relative: str
    folder: FolderIo


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place now."""

    stat: Stat
    mime: str


class Media:
    """Serves originals."""

    def __init__(self, state: PageState) -> None:
        self._state = state

    async def original(self, request: Request) -> Response:
        """The file (`input/0`) or a result (`output/N`) of an item, or the `Range` of it that is asked for."""
        number, side, position = (request.path_params[name] for name in ("item", "side", "position"))
        place = await self.place(number, side, position)
        if place is None:
            raise _missing("There is no such file on record, or its rule is not configured any more.")
        try:
            found = await place.folder.read(_look, place)
        except files.FileError as error:
            raise _missing(str(error)) from error
        if found is None:
            raise _missing("The file is not there any more.")
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        return _answer(place, found, (asked[1], asked[2]) if asked else None)

    async def place(self, number: int, side: str, position: int) -> Place | None:
        """Where a file of an item is that the state file and the configuration both know."""

        def read(connection: Connection) -> tuple[str, str, str] | None:
            item = item_by_id(connection, number)
            if item is None or side not in {"input", "output"}:
                return None
            if side == "input":
                return (item.rule, "", item.path) if position == 0 else None
            paths = [each.path for each in outputs_of(connection, number) if each.position == position]
            return (item.rule, paths[0].root, paths[0].relative) if paths else None

        known = await self._state.context.store.read(read) if number < 1 << 63 else None
        rule = self._state.context.rules.get(known[0]) if known else None
        return _place(rule, known[1], known[2], self._state) if rule and known else None


def _place(rule: Rule, root: str, relative: str, state: PageState) -> Place:
    guard = state.context.io
    return Place(root, relative, guard.written(rule)) if root else Place(rule.watch, relative, guard.watched(rule))


def _look(place: Place) -> Found | None:
    stat = files.stat(place.root, place.relative)
    if stat is None:
        return None
    mime = announced(files.read_span(place.root, place.relative, stat, 0, SNIFF_BYTES))
    return Found(stat, mime if mime.startswith(SHOWN_KINDS) else BYTES)


def _missing(sentence: str) -> Refused:
    return Refused(printable(sentence), 404, back="/files")


def _answer(place: Place, found: Found, asked: tuple[str, str] | None) -> Response:
    """The whole file or the part that is asked for (RFC 9110, section 14)."""
    size = found.stat.size
    name = printable(place.relative.rpartition("/")[2])
    headers = {
        **_SANDBOX,
        "accept-ranges": "bytes",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    begin, end = _span(*asked, size) if asked else (0, size)
    if asked and begin >= end:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    headers["content-length"] = str(end - begin)
    if asked:
        headers["content-range"] = f"bytes {begin}-{end - 1}/{size}"
    body = _pieces(place, found, begin, end)
    return StreamingResponse(body, 206 if asked else 200, headers=headers, media_type=found.mime)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """The bytes of a range, its end excluded: from `first` to `last`, or without `first` the last so many."""
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


async def _pieces(place: Place, found: Found, begin: int, end: int) -> AsyncGenerator[bytes]:
    """The bytes of a file as long as it stays what it was; else the answer breaks off, which its length gives away."""
    while begin < end:
        length = min(PIECE, end - begin)
        piece = await place.folder.read(files.read_span, place.root, place.relative, found.stat, begin, length)
        if not piece:
            return
        yield piece
        begin += len(piece)
