"""`python -m bench.plain_aiohttp URL IN OUT WIDTH`: the whole exchange by the fastest well-kept client.

It knows everything in advance: no settling, no hashing, no state, no checks, no sync. What the daemon costs above this
is the price of its promises.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from bench.plain_script import BATCH, MODEL, POLL, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


class Loop:
    """One run over a folder."""

    def __init__(self, session: aiohttp.ClientSession, source: Path, target: Path, width: int) -> None:
        self.session = session
        self.source = source
        self.target = target
        self.width = width
        self.links: dict[str, str] = {}

    async def run(self) -> None:
        """Upload all, buy in hundreds while that goes on, fetch what is ready."""
        files = sorted(self.source.rglob("*.jpg"))
        batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        await self.each(self.upload, files)
        pages = [await self.bought(batch) for batch in batches]
        await self.each(self.download, [item for page in pages for item in page])

    async def each(self, work: Callable[[Any], Awaitable[None]], values: Iterable[Any]) -> None:
        """So many workers over one list."""
        left = iter(values)

        async def worker() -> None:
            for value in left:
                await work(value)

        await asyncio.gather(*(worker() for _ in range(self.width)))

    async def upload(self, file: Path) -> None:
        """The three steps of one upload."""
        data = file.read_bytes()  # noqa: ASYNC240  as plain as can be
        about = {"filename": file.name, "mime_type": "image/jpeg", "size_bytes": len(data)}
        session = await self.call("POST", "/v1/asset-uploads", json=about)
        async with self.session.put(session["upload_url"], data=data, headers={"Content-Type": "image/jpeg"}) as answer:
            answer.raise_for_status()
        asset = await self.call("POST", f"/v1/asset-uploads/{session['asset_id']}/confirmations", json={})
        self.links[str(file)] = asset["url"]

    async def bought(self, files: list[Path]) -> list[dict[str, Any]]:
        """One batch, from its purchase to its items."""
        items = [{"input": {"image_url": self.links[str(file)]}, "client_ref": str(file)} for file in files]
        batch = (await self.call("POST", f"/v1/models/{MODEL}/batches", json={"items": items}))["id"]
        while (await self.call("GET", f"/v1/batches/{batch}"))["status_code"] in {"queued", "running"}:  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        page = await self.call("GET", f"/v1/batches/{batch}/items?limit=100")
        found: list[dict[str, Any]] = page["items"]
        return found

    async def download(self, item: dict[str, Any]) -> None:
        """Fetch one result into its place."""
        path = self.target / Path(item["client_ref"]).relative_to(self.source)
        async with self.session.get(item["output"]["outputs"][0]["url"]) as answer:
            answer.raise_for_status()
            data = await answer.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        async with self.session.request(method, path, **more) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found


async def main(url: str, source: Path, target: Path, width: int) -> None:
    """Run over everything in `source`."""
    connector = aiohttp.TCPConnector(limit=width)
    async with aiohttp.ClientSession(url, connector=connector, headers={"Authorization": "Bearer bench"}) as session:
        watch = Watch()
        await Loop(session, source, target, width).run()
        watch.say()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
