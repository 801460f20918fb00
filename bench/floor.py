"""`python -m bench.floor URL IN OUT`: the same exchange by the shortest program that could work.

It knows everything in advance: no settling, no hashing, no state, no checks, no fsync; the same
requests, the same concurrency. What the daemon costs above this is the price of its promises.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx

MODEL = "runflow/pass-through"
BATCH = 100
UPLOADS, DOWNLOADS, SUBMITTING = 8, 8, 4
"""The daemon's own limits."""

POLL = 0.25
"""Seconds between two polls of a batch."""


class Floor:
    """One run over a folder."""

    def __init__(self, client: httpx.AsyncClient, source: Path, target: Path) -> None:
        self.client = client
        self.source = source
        self.target = target
        self.uploads = anyio.CapacityLimiter(UPLOADS)
        self.downloads = anyio.CapacityLimiter(DOWNLOADS)
        self.submitting = anyio.CapacityLimiter(SUBMITTING)

    async def run(self, files: list[Path]) -> None:
        """Send every file and fetch every result."""
        async with anyio.create_task_group() as group:
            for start in range(0, len(files), BATCH):
                group.start_soon(self.batch, files[start : start + BATCH])

    async def batch(self, files: list[Path]) -> None:
        """Buy one batch and deliver it."""
        async with self.submitting:
            urls: dict[Path, str] = {}
            async with anyio.create_task_group() as group:
                for file in files:
                    group.start_soon(self.upload, file, urls)
            items = [{"input": {"image_url": urls[file]}, "client_ref": str(file)} for file in files]
            answer = await self.call("POST", f"/v1/models/{MODEL}/batches", json={"items": items})
        await self.ended(f"/v1/batches/{answer['id']}")
        page = await self.call("GET", f"/v1/batches/{answer['id']}/items", params={"limit": "100"})
        async with anyio.create_task_group() as group:
            for item in page["items"]:
                group.start_soon(self.download, item["client_ref"], item["output"]["outputs"][0]["url"])

    async def ended(self, batch: str) -> None:
        """Poll until a batch has ended."""
        while True:
            status = (await self.call("GET", batch))["status_code"]
            if status not in {"queued", "running"}:
                return
            await anyio.sleep(POLL)

    async def upload(self, file: Path, urls: dict[Path, str]) -> None:
        """The three steps of one upload."""
        async with self.uploads:
            data = await anyio.to_thread.run_sync(file.read_bytes)
            about = {"filename": file.name, "mime_type": "image/jpeg", "size_bytes": len(data)}
            session = await self.call("POST", "/v1/asset-uploads", json=about)
            put = httpx.Request("PUT", session["upload_url"], content=data, headers={"Content-Type": "image/jpeg"})
            (await self.client.send(put)).raise_for_status()
            asset = await self.call("POST", f"/v1/asset-uploads/{session['asset_id']}/confirmations", json={})
            urls[file] = asset["url"]

    async def download(self, source: str, url: str) -> None:
        """Fetch one result into its place."""
        path = self.target / Path(source).relative_to(self.source)
        async with self.downloads:
            answer = await self.client.send(httpx.Request("GET", url))
            answer.raise_for_status()
            await anyio.to_thread.run_sync(_write, path, answer.content)

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        answer = await self.client.request(method, path, **more)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def main(url: str, source: Path, target: Path) -> None:
    """Run over everything in `source`."""
    files = await anyio.to_thread.run_sync(lambda: sorted(source.rglob("*.jpg")))
    # Shorter than a server keeps them: this loop repeats nothing that a closing connection swallowed.
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=40, keepalive_expiry=3.0)
    headers = {"Authorization": "Bearer bench"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60.0) as client:
        await Floor(client, source, target).run(files)
    sys.stdout.write(json.dumps({"done": True}) + "\n")
    sys.stdout.flush()
    signal.pause()  # until whoever measures has read what was used


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
