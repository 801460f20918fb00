"""Uploads: each content once, as long as the service still holds it."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import anyio

from runflowd.api.errors import Expired, Gone, NotFound, Rejected
from runflowd.core.links import REFERENCE, ages, is_fresh
from runflowd.store.links import UploadedAsset, find_assets, learn_life, link_life, save_assets
from runflowd.system.failpoints import reach

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from runflowd.api.values import Asset
    from runflowd.pipeline.context import Context
    from runflowd.pipeline.dispatch.content import Body, Content, Read
    from runflowd.pipeline.io_guard import FolderIo
    from runflowd.store import Connection


T = TypeVar("T")

READ_TIMEOUT = 5.0
"""Seconds that a disk has for its next piece, the first time; twice as many after each time that it was late."""


class Stalled(Exception):
    """The disk did not answer in time: the upload is begun anew when it does."""


_PAUSES = (0.25, 0.75)
"""Seconds before the second and third try of one upload, as the service's own client does."""


MAX_BROUGHT = 1000
"""Contents uploaded last that are remembered. One more upload of one that is forgotten costs time and no money."""


class _NotArrived(Exception):
    """The bytes were sent, and the service says that it has none: something between us took them and said yes."""

    def __init__(self, refusal: Rejected) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


@dataclass(frozen=True, slots=True)
class Link:
    """What stands for an upload in an input; made at `made_at` (epoch seconds), None for what never ages."""

    url: str
    made_at: float | None


@dataclass(frozen=True, slots=True)
class _Confirmed:
    """An upload that the service confirmed at `now` (epoch seconds)."""

    asset: Asset
    content: str
    mime: str
    now: float

    @property
    def uploaded(self) -> UploadedAsset:
        """As it is remembered."""
        return UploadedAsset(self.asset.id, self.asset.url, self.now)


class Uploads:
    """Brings contents to the service, a bounded number at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._room = anyio.Semaphore(context.limits.uploads, fast_acquire=True)
        self._under_way: dict[tuple[str, str, str], anyio.Event] = {}
        self._brought: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def link_of(
        self,
        content: Content,
        known: UploadedAsset | None,
        folder: FolderIo,
        *,
        unreadable: int = 0,
        by_reference: bool = False,
    ) -> Link:
        """A link to a content at the service, or with `by_reference` its name there, uploading it if need be.

        `folder` is where the content lies, `known` what the service was given before, as `Uploads.known` found it;
        `unreadable` how often the service could not read it: first the link is to blame, then the upload.
        Raises `files.Changed` when a file is no longer what was hashed, another
        `FileError` when it cannot be read, `ApiError` when the service cannot take it.
        """
        if known and known.url and not unreadable:
            return _link(known.asset_id, known.url, known.confirmed_at, by_reference=by_reference)
        async with self._alone(content):
            if (content.key, content.mime) in self._brought:  # perhaps since this batch asked what is known
                known = (await self.known([content])).get(content.key, known)
            if known and known.url and not unreadable:
                return _link(known.asset_id, known.url, known.confirmed_at, by_reference=by_reference)
            asset = await self._renewed(known) if known and unreadable < 2 else None
            asset = asset or await self._from_disk(content, folder)
            # Recording waits for the disk, so it does not keep the next file from the network.
            made_at = await self._save(asset, content.key, content.mime)
        reach("asset.recorded")
        return _link(asset.id, asset.url, made_at, by_reference=by_reference)

    @asynccontextmanager
    async def _alone(self, content: Content) -> AsyncGenerator[None]:
        """One upload of a content at a time, as when two rules take the same file; another disk is not waited for."""
        name = content.root, content.key, content.mime
        while name in self._under_way:
            await self._under_way[name].wait()
        ended = self._under_way[name] = anyio.Event()
        try:
            yield
        finally:
            del self._under_way[name]
            ended.set()

    async def known(self, contents: Iterable[Content]) -> dict[str, UploadedAsset]:
        """What the service was given before, by content: one look into the store for all of a batch.

        A link that is too old to be sent is left out of it.
        """
        service, now = self._context.service.name, self._context.clock.wall()

        def read(connection: Connection) -> dict[str, UploadedAsset]:
            life = link_life(connection, service)
            found = find_assets(connection, service, ((content.key, content.mime) for content in contents))
            return {
                key: asset if is_fresh(asset.confirmed_at, life, now) else replace(asset, url="")
                for (key, _), asset in found.items()
            }

        return await self._context.store.read(read)

    async def are_fresh(self, links: Iterable[Link]) -> bool:
        """Whether all of these may still be sent."""
        service, now = self._context.service.name, self._context.clock.wall()
        life = await self._context.store.read(lambda connection: link_life(connection, service))
        return all(is_fresh(link.made_at, life, now) for link in links)

    async def _renewed(self, known: UploadedAsset) -> Asset | None:
        try:
            async with self._room:
                asset = await self._context.service.api.asset(known.asset_id)
        except NotFound:
            return None
        return asset if asset.url else None

    async def _from_disk(self, content: Content, folder: FolderIo) -> Asset:
        """Upload what a disk gives. While it does not answer it is waited for without a place and without a request."""
        for late in count():
            if late or not folder.answered_lately:
                await folder.read(content.check)
            with suppress(Stalled):
                async with self._room:
                    return await self._persistently(content, partial(_within, folder, READ_TIMEOUT * 2**late))
        raise AssertionError("it goes on until the disk answers")

    async def _persistently(self, content: Content, read: Read) -> Asset:
        async with content.opened(read) as body:
            for pause in _PAUSES:
                try:
                    return await self._upload(content, body)
                except (Expired, Gone, _NotArrived):
                    await anyio.sleep(pause)
            try:
                return await self._upload(content, body)
            except _NotArrived as last:
                raise last.refusal from None

    async def _upload(self, content: Content, body: Body) -> Asset:
        api = self._context.service.api
        session = await api.create_upload(content.name, content.mime, body.size)
        await api.put(session, content.mime, body.size, body.chunks)
        reach("asset.uploaded")
        try:
            asset = await api.confirm(session.asset_id)
        except Rejected as refusal:
            raise _NotArrived(refusal) from refusal
        reach("asset.confirmed")
        return asset

    async def _save(self, asset: Asset, content: str, mime: str) -> float:
        """Remember an upload and what its link tells of itself; give when that was made."""
        now = self._context.clock.wall()
        await self._context.store.write_together(self._record, _Confirmed(asset, content, mime, now))
        self._brought[content, mime] = None
        while len(self._brought) > MAX_BROUGHT:
            self._brought.popitem(last=False)
        return now

    def _record(self, connection: Connection, confirmed: Sequence[_Confirmed]) -> list[None]:
        service = self._context.service.name
        lives = [each.asset.life for each in confirmed if each.asset.life is not None]
        assets = {(each.content, each.mime): each.uploaded for each in confirmed}
        save_assets(connection, service, assets)
        learn_life(connection, service, min(lives, default=None))
        return [None] * len(confirmed)


def _link(asset: str, url: str, made_at: float, *, by_reference: bool) -> Link:
    chosen = f"{REFERENCE}{asset}" if by_reference else url
    return Link(chosen, made_at if ages(chosen) else None)


async def _within(folder: FolderIo, seconds: float, call: Callable[..., T], *given: object) -> T:
    """Run a blocking call to a folder: a disk that does not answer must not keep the network from other rules' files.

    Raises `Stalled`.
    """
    with anyio.move_on_after(seconds):
        return await folder.read(call, *given)
    raise Stalled
