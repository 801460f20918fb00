"""Makes previews of what comes in and goes out, behind everything else, and serves them by the hash of their content.

What is drawn is a matter of facts: the files that are under way or just done, as the state file has them, and what
somebody looks at now. A file is copied into memory and hashed on the way, so that what is drawn is what is on record.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack
from io import FileIO
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
import structlog
from starlette.responses import RedirectResponse, Response

from runflowd import files
from runflowd.core.lifecycle import ItemState
from runflowd.core.media.image_type import SNIFF_BYTES
from runflowd.core.media.input_type import announced
from runflowd.decoder.previewing import draw, draws
from runflowd.errors import StoreError
from runflowd.pipeline.wake_event import WakeEvent
from runflowd.store.browsing import Sought, older
from runflowd.store.contents import places_of
from runflowd.store.outputs import outputs_of
from runflowd.system.paths import cache_folder
from runflowd.web.assets import FOR_EVER, asset_address
from runflowd.web.preview_store import SIDES, PreviewStore

if TYPE_CHECKING:
    from starlette.requests import Request

    from runflowd.store import Connection
    from runflowd.store.contents import Place
    from runflowd.web.page_state import PageState

log = structlog.get_logger()

MAX_BYTES = 128 * 1024 * 1024
"""Bytes of a file that is drawn: it is in memory while it is."""

PIECE = 256 * 1024
"""Bytes copied at once."""

AT_ONCE = 8
"""Files that one process draws: starting it costs as much as drawing one."""

RECENT = 200
"""Files just done, and files under way, that are looked at for previews after each change."""

LOOK_INTERVAL = 1.0
"""Seconds between two looks at whether anything changed."""

PREVIEW_TIMEOUT = 20.0
"""Seconds that somebody who looks at a file waits for its preview; then there is a placeholder."""

FORGONE_FOR = 300.0
"""Seconds for which a content that could not be drawn is not tried again."""

MAX_FORGONE = 10_000

FOLDER_TIMEOUT = 10.0
"""Seconds that a folder has to give a file."""

UNDER_WAY = (ItemState.QUEUED, ItemState.SUBMITTED, ItemState.DOWNLOADING)

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Copy(NamedTuple):
    """A content in memory, open, with its MIME type and its length in bytes."""

    file: FileIO
    mime: str
    size: int


class Previews:
    """One maker for all who look; `most` bytes of previews are kept, none where that is 0."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._store = PreviewStore(cache_folder() / "previews")
        self._asked: dict[str, anyio.Event] = {}
        self._wake = WakeEvent()
        self._forgone: dict[str, float] = {}
        self._since = state.context.clock.wall()
        self._usable = True

    @property
    def on(self) -> bool:
        """Whether there are previews."""
        return self._usable and self._state.config().thumbnails > 0

    async def preview(self, request: Request) -> Response:
        """GET /previews/SIDE/HASH.webp: the preview of a content on record, drawn now if it is not there."""
        side, content = request.path_params["side"], request.path_params["content"]
        if side not in SIDES or not _HASH.fullmatch(content) or not self.on:
            return _none()
        data = await self._read(content, side)
        if data is None and not self._is_forgone(content):
            made = self._asked.setdefault(content, anyio.Event())
            self._wake.notify()
            with anyio.move_on_after(PREVIEW_TIMEOUT):
                await made.wait()
            data = await self._read(content, side)
        if data is None:
            return _none()
        return Response(data, media_type="image/webp", headers={"cache-control": FOR_EVER})

    def _is_forgone(self, content: str) -> bool:
        return self._state.context.clock.now() - self._forgone.get(content, -FORGONE_FOR) < FORGONE_FOR

    def _forgo(self, content: str) -> None:
        self._forgone.pop(content, None)
        self._forgone[content] = self._state.context.clock.now()
        if len(self._forgone) > MAX_FORGONE:
            del self._forgone[next(iter(self._forgone))]

    async def _read(self, content: str, side: int) -> bytes | None:
        return await anyio.to_thread.run_sync(self._store.read, content, side)

    async def run(self) -> None:
        """Draw until cancelled: what somebody waits for first, then what is new."""
        new: list[str] = []
        seen = -1
        while True:
            try:
                if not (self._asked or new) and self.on and seen != self._state.context.store.changes:
                    changes = self._state.context.store.changes
                    new = await self._new()
                    seen = changes
                if self._asked:
                    await self._make(list(self._asked))
                elif new:
                    del new[: await self._make(new)]
                else:
                    await self._wake.wait(LOOK_INTERVAL)
            except StoreError as error:
                self._state.context.log_throttle.error(str(error), action="store.failed", stage="previews")
                await anyio.sleep(LOOK_INTERVAL)

    async def _new(self) -> list[str]:
        """The contents that are under way, or were just delivered, and have no preview."""
        begun, since = self._since, self._state.context.clock.wall() - LOOK_INTERVAL

        def read(connection: Connection) -> list[str]:
            done = older(connection, Sought(states=(ItemState.DONE,), ended=(begun, float("inf"))), None, RECENT).items
            flying = older(connection, Sought(states=UNDER_WAY), None, RECENT).items
            results = [each.content_hash for item in done for each in outputs_of(connection, item.id)]
            return [*results, *(item.content_hash for item in [*flying, *done] if item.content_hash)]

        found = dict.fromkeys(await self._state.context.store.read(read))
        self._since = since
        missing = [each for each in found if not self._is_forgone(each)]
        return await anyio.to_thread.run_sync(lambda: [each for each in missing if not self._store.has(each)])

    async def _make(self, contents: list[str]) -> int:
        """Draw the first of these, as far as they can be found and drawn; give how many, of which no more is to be had.

        Whoever waits for them is told.
        """
        copies: dict[str, Copy] = {}
        taken = 0
        for content in contents[:AT_ONCE]:
            if sum(each.size for each in copies.values()) > MAX_BYTES:
                break
            taken += 1
            copy = await self._copy(content)
            if copy is not None:
                copies[content] = copy
        drawn = await self._drawn(copies)
        for content in contents[:taken]:
            if previews := drawn.get(content):
                await self._keep(content, dict(zip(SIDES, previews, strict=True)))
            else:
                self._forgo(content)
            if (event := self._asked.pop(content, None)) is not None:
                event.set()
        return taken

    async def _drawn(self, copies: dict[str, Copy]) -> dict[str, tuple[bytes, ...]]:
        try:
            found = await draw([(each.file.fileno(), each.mime) for each in copies.values()], SIDES) if copies else []
        finally:
            for each in copies.values():
                each.file.close()
        return dict(zip(copies, found, strict=True))

    async def _keep(self, content: str, previews: dict[int, bytes]) -> None:
        try:
            await anyio.to_thread.run_sync(self._store.put, content, previews, self._state.config().thumbnails)
        except OSError as error:
            self._usable = False
            log.warning(
                f"previews cannot be kept: {error}; there are none until the next start. Mend the folder, or say "
                "`web: {thumbnails: 0MiB}`",
                action="previews.off",
            )

    async def _copy(self, content: str) -> Copy | None:
        """The content in memory; None where no file on record has it, or it cannot be drawn."""
        context = self._state.context
        places = await context.store.read(lambda connection: places_of(connection, content, list(context.rules)))
        for place in places:
            rule = context.rules.get(place.rule)
            if rule is None:
                continue
            folder = context.io.written(rule) if place.root else context.io.watched(rule)
            with anyio.move_on_after(FOLDER_TIMEOUT):
                found = await folder.read(_copied, place, place.root or rule.watch, content)
                if found is not None:
                    return found
        return None


def _copied(place: Place, root: str, content: str) -> Copy | None:
    try:
        with files.open_source(root, place.relative) as source:
            mime = announced(source.read(0, SNIFF_BYTES))
            if source.size > MAX_BYTES or not draws(mime):
                return None
            with ExitStack() as stack:
                file = stack.enter_context(FileIO(os.memfd_create("preview"), "r+"))
                digest = hashlib.sha256()
                for offset in range(0, source.size, PIECE):
                    piece = source.read(offset, PIECE)
                    digest.update(piece)
                    file.write(piece)
                if digest.hexdigest() == content:
                    stack.pop_all()
                    return Copy(file, mime, source.size)
    except files.FileError:
        pass
    return None


def _none() -> Response:
    return RedirectResponse(asset_address("kind-image.svg"), 303)
