"""Uploads: each content once, as long as the service still holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from runflowd import files
from runflowd.api.errors import Expired, NotFound, Transient
from runflowd.core.recipe import FileFacts
from runflowd.failpoints import reach
from runflowd.store.facts import UploadedAsset, find_asset, save_asset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runflowd.api.values import Asset
    from runflowd.context import Context
    from runflowd.store import Connection
    from runflowd.store.items import Item

FRESH = 600.0
"""Seconds for which a signed URL is used without asking for a new one. The documentation says about
seven days in one place and "short" in another; ten minutes suits both."""

_PAUSES = (0.25, 0.75)
"""Seconds before the second and third try of one upload, as the service's own client does."""


class Uploads:
    """Brings contents to the service, a bounded number at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._room = anyio.CapacityLimiter(context.limits.uploads)

    async def url_of(self, root: str, item: Item, known: UploadedAsset | None) -> str:
        """A signed URL of the item's content at the service, uploading the file below `root` if need be.

        `known` is what the service was given before, as `Uploads.known` found it.
        Raises `files.Changed` when the file is no longer what was hashed, another
        `FileTrouble` when it cannot be read, `ApiError` when the service cannot take it.
        """
        if known and 0 <= self._context.clock.wall() - known.confirmed_at < FRESH:
            return known.url
        async with self._room:
            asset = await self._renewed(known) if known else None
            asset = asset or await self._persistently(root, item)
        # Recording waits for the disk, so it does not keep the next file from the network.
        await self._save(asset, item.content or "", item.mime)
        reach("asset.recorded")
        return asset.url

    async def known(self, items: list[Item]) -> dict[int, UploadedAsset]:
        """What the service was given before, by item id: one look into the store for all of a batch."""
        service = self._context.remote.name

        def read(connection: Connection) -> dict[int, UploadedAsset]:
            found = ((item.id, find_asset(connection, service, item.content or "", item.mime)) for item in items)
            return {number: asset for number, asset in found if asset is not None}

        return await self._context.store.read(read)

    async def _renewed(self, known: UploadedAsset) -> Asset | None:
        try:
            asset = await self._context.remote.api.asset(known.asset_id)
        except NotFound:
            return None
        return asset if asset.url else None

    async def _persistently(self, root: str, item: Item) -> Asset:
        for pause in _PAUSES:
            try:
                return await self._upload(root, item)
            except (Transient, Expired) as trouble:
                if isinstance(trouble, Transient) and trouble.status == 429:
                    raise
                await anyio.sleep(pause)
        return await self._upload(root, item)

    async def _upload(self, root: str, item: Item) -> Asset:
        api = self._context.remote.api
        name = FileFacts(item.path).value("file.name")[:500]
        session = await api.create_upload(name, item.mime, item.stat.size)
        await api.put(session, item.mime, item.stat.size, lambda: _chunks(root, item))
        reach("asset.uploaded")
        asset = await api.confirm(session.asset_id)
        reach("asset.confirmed")
        return asset

    async def _save(self, asset: Asset, content: str, mime: str) -> None:
        service, now = self._context.remote.name, self._context.clock.wall()
        await self._context.store.write(
            lambda connection: save_asset(connection, service, content, mime, asset.id, asset.url, now)
        )


async def _chunks(root: str, item: Item) -> AsyncIterator[bytes]:
    """The bytes of a file, which must be the bytes that were hashed."""
    reading = files.read_chunks(root, item.path, item.stat, sha256=item.content or "")
    left = item.stat.size
    try:
        while left and (chunk := await anyio.to_thread.run_sync(next, reading, b"")):
            left -= len(chunk)
            yield chunk
    finally:
        reading.close()
