"""`python -m bench.plain_httpx URL IN OUT WIDTH`: the same exchange as `plain_aiohttp`, by httpx."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx

from bench.plain_script import Loop


class HttpxLoop(Loop):
    """By httpx."""

    def __init__(self, client: httpx.AsyncClient, source: Path, target: Path, width: int) -> None:
        super().__init__(source, target, width)
        self._client = client

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        answer = await self._client.request(method, path, **more)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, url: str, data: bytes, headers: dict[str, str]) -> None:
        """Upload one file."""
        (await self._client.put(url, content=data, headers=headers)).raise_for_status()

    async def fetch(self, url: str) -> bytes:
        """Download one result."""
        answer = await self._client.get(url)
        answer.raise_for_status()
        return answer.content


async def main(url: str, source: Path, target: Path, width: int) -> None:
    """Run over everything in `source`."""
    limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
    headers = {"Authorization": "Bearer bench"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60.0) as client:
        await HttpxLoop(client, source, target, width).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
