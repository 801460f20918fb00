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

    async def url_of(self, root: str, item: Item) -> str:
        """A signed URL of the item's content at the service, uploading the file below `root` if need be.

        Raises `files.Changed` when the file is no longer what was hashed, another
        `FileTrouble` when it cannot be read, `ApiError` when the service cannot take it.
        """
        async with self._room:
            known = await self._known(item.content or "", item.mime)
            if known:
                return known
            for pause in _PAUSES:
                try:
                    return await self._upload(root, item)
                except (Transient, Expired) as trouble:
                    if isinstance(trouble, Transient) and trouble.status == 429:
                        raise
                    await anyio.sleep(pause)
            return await self._upload(root, item)

    async def _known(self, content: str, mime: str) -> str | None:
        context = self._context
        service = context.remote.name
        known = await context.store.read(lambda connection: find_asset(connection, service, content, mime))
        if known is None or 0 <= context.clock.wall() - known.confirmed_at < FRESH:
            return known.url if known else None
        return await self._renewed(known, content, mime)

    async def _renewed(self, known: UploadedAsset, content: str, mime: str) -> str | None:
        try:
            asset = await self._context.remote.api.asset(known.asset_id)
        except NotFound:
            return None
        if not asset.url:
            return None
        await self._save(asset, content, mime)
        return asset.url

    async def _upload(self, root: str, item: Item) -> str:
        api = self._context.remote.api
        name = FileFacts(item.path).value("file.name")[:500]
        session = await api.create_upload(name, item.mime, item.stat.size)
        await api.put(session, item.mime, item.stat.size, lambda: _chunks(root, item))
        reach("asset.uploaded")
        asset = await api.confirm(session.asset_id)
        reach("asset.confirmed")
        await self._save(asset, item.content or "", item.mime)
        reach("asset.recorded")
        return asset.url

    async def _save(self, asset: Asset, content: str, mime: str) -> None:
        service, now = self._context.remote.name, self._context.clock.wall()
        await self._context.store.write(
            lambda connection: save_asset(connection, service, content, mime, asset.id, asset.url, now)
        )


async def _chunks(root: str, item: Item) -> AsyncIterator[bytes]:
    """The bytes of a file, which must be the bytes that were hashed."""
    reading = files.read_chunks(root, item.path, item.stat, sha256=item.content or "")
    while chunk := await anyio.to_thread.run_sync(next, reading, b""):
        yield chunk
