"""`python -m bench.plain_aiohttp URL IN OUT WIDTH`: the whole exchange by the fastest well-kept client."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp

from bench.plain_script import Loop


class AiohttpLoop(Loop):
    """By aiohttp."""

    def __init__(self, session: aiohttp.ClientSession, source: Path, target: Path, width: int) -> None:
        super().__init__(source, target, width)
        self._session = session

    async def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """One API call."""
        async with self._session.request(method, path, **more) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def put(self, url: str, data: bytes, headers: dict[str, str]) -> None:
        """Upload one file."""
        async with self._session.put(url, data=data, headers=headers) as answer:
            answer.raise_for_status()

    async def fetch(self, url: str) -> bytes:
        """Download one result."""
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            data: bytes = await answer.read()
            return data


async def main(url: str, source: Path, target: Path, width: int) -> None:
    """Run over everything in `source`."""
    connector = aiohttp.TCPConnector(limit=width)
    async with aiohttp.ClientSession(url, connector=connector, headers={"Authorization": "Bearer bench"}) as session:
        await AiohttpLoop(session, source, target, width).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
