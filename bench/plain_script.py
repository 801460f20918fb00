"""What the plain programs beside the daemon have in common.

They know everything in advance: no settling, no hashing, no state, no checks, no sync. What the daemon costs above them
is the price of its promises.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

MODEL = "runflow/pass-through"
BATCH = 100
POLL = 0.25
"""Seconds between two polls of a batch."""


class Watch:
    """What a run takes, from here on: seconds on the wall, and of CPU."""

    def __init__(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def say(self) -> None:
        """Print it."""
        seconds, cpu = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu}) + "\n")


class Loop:
    """One run over a folder, so many requests at once; a subclass says by which client."""

    def __init__(self, source: Path, target: Path, width: int) -> None:
        self.source = source
        self.target = target
        self.width = width
        self.links: dict[str, str] = {}

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        raise NotImplementedError

    async def put(self, url: str, data: bytes, headers: dict[str, str]) -> None:
        """Upload one file."""
        raise NotImplementedError

    async def fetch(self, url: str) -> bytes:
        """Download one result."""
        raise NotImplementedError

    async def run(self) -> None:
        """Upload all, buy in hundreds, fetch what is ready."""
        watch = Watch()
        files = sorted(self.source.rglob("*.jpg"))
        await self._each(self._upload, files)
        pages = [await self._bought(files[start : start + BATCH]) for start in range(0, len(files), BATCH)]
        await self._each(self._download, [item for page in pages for item in page])
        watch.say()

    async def _each(self, work: Callable[[Any], Awaitable[None]], values: Iterable[Any]) -> None:
        """So many workers over one list."""
        left = iter(values)

        async def worker() -> None:
            for value in left:
                await work(value)

        await asyncio.gather(*(worker() for _ in range(self.width)))

    async def _upload(self, file: Path) -> None:
        """The three steps of one upload."""
        data = file.read_bytes()  # noqa: ASYNC240  as plain as can be
        about = {"filename": file.name, "mime_type": "image/jpeg", "size_bytes": len(data)}
        session = await self.call("POST", "/v1/asset-uploads", json=about)
        await self.put(session["upload_url"], data, {"Content-Type": "image/jpeg"})
        asset = await self.call("POST", f"/v1/asset-uploads/{session['asset_id']}/confirmations", json={})
        self.links[str(file)] = asset["url"]

    async def _bought(self, files: list[Path]) -> list[dict[str, Any]]:
        """One batch, from its purchase to its items."""
        items = [{"input": {"image_url": self.links[str(file)]}, "client_ref": str(file)} for file in files]
        batch = (await self.call("POST", f"/v1/models/{MODEL}/batches", json={"items": items}))["id"]
        while (await self.call("GET", f"/v1/batches/{batch}"))["status_code"] in {"queued", "running"}:  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        found: list[dict[str, Any]] = (await self.call("GET", f"/v1/batches/{batch}/items?limit=100"))["items"]
        return found

    async def _download(self, item: dict[str, Any]) -> None:
        """Fetch one result into its place."""
        path = self.target / Path(item["client_ref"]).relative_to(self.source)
        data = await self.fetch(item["output"]["outputs"][0]["url"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
