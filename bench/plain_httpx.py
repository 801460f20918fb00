"""`python -m bench.plain_httpx URL IN OUT WIDTH`: the same exchange as `plain_aiohttp`, by httpx."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from bench.plain_script import BATCH, MODEL, POLL, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


class Loop:
    """One run over a folder."""

    def __init__(self, client: httpx.AsyncClient, source: Path, target: Path, width: int) -> None:
        self.client = client
        self.source = source
        self.target = target
        self.width = width
        self.links: dict[str, str] = {}

    async def run(self) -> None:
        """Upload all, buy in hundreds, fetch what is ready."""
        files = sorted(self.source.rglob("*.jpg"))
        await self.each(self.upload, files)
        pages = [await self.bought(files[start : start + BATCH]) for start in range(0, len(files), BATCH)]
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
        headers = {"Content-Type": "image/jpeg"}
        (await self.client.put(session["upload_url"], content=data, headers=headers)).raise_for_status()
        asset = await self.call("POST", f"/v1/asset-uploads/{session['asset_id']}/confirmations", json={})
        self.links[str(file)] = asset["url"]

    async def bought(self, files: list[Path]) -> list[dict[str, Any]]:
        """One batch, from its purchase to its items."""
        items = [{"input": {"image_url": self.links[str(file)]}, "client_ref": str(file)} for file in files]
        batch = (await self.call("POST", f"/v1/models/{MODEL}/batches", json={"items": items}))["id"]
        while (await self.call("GET", f"/v1/batches/{batch}"))["status_code"] in {"queued", "running"}:  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        found: list[dict[str, Any]] = (await self.call("GET", f"/v1/batches/{batch}/items?limit=100"))["items"]
        return found

    async def download(self, item: dict[str, Any]) -> None:
        """Fetch one result into its place."""
        path = self.target / Path(item["client_ref"]).relative_to(self.source)
        answer = await self.client.get(item["output"]["outputs"][0]["url"])
        answer.raise_for_status()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.content)

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        answer = await self.client.request(method, path, **more)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


async def main(url: str, source: Path, target: Path, width: int) -> None:
    """Run over everything in `source`."""
    limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
    headers = {"Authorization": "Bearer bench"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60.0) as client:
        watch = Watch()
        await Loop(client, source, target, width).run()
        watch.say()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
