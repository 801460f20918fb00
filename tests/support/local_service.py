"""The local service for tests: in process over ASGI, or as a process of its own on a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self

import httpx

from runflowd.local.app import LocalService
from runflowd.local.http.control import ledger, until_idle
from runflowd.local.jobs.deliveries import Reply
from runflowd.local.settings import LocalSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from runflowd.local.context import Service

BASE = "http://local.test"
TOKEN = "rf_live_test"
KEY = {"Authorization": f"Bearer {TOKEN}"}
FRESH = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: one kept open may be closed by the service just when it is used again."""
JPEG = b"\xff\xd8\xff\xe0 a photo that nobody decodes \xff\xd9"
PASS_THROUGH = "/v1/models/runflow/pass-through"


class InProcess(httpx.ASGITransport):
    """ASGI in process, where a cut connection looks as it does on a socket, and answers are dated as a server does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await super().handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx.ReadError(str(error), request=request) from error
        service: Service = self.app.state.service  # type: ignore[attr-defined]  # the service's own app
        answer.headers["date"] = formatdate(service.clock(), usegmt=True)
        return answer


@dataclass
class Inbox:
    """Receives callbacks in the place of the network; `statuses` are its answers in turn, then 200."""

    statuses: list[int] = field(default_factory=list)
    posts: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Take one callback."""
        self.posts.append((url, body, dict(headers)))
        return Reply(self.statuses.pop(0) if self.statuses else 200)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What came, parsed."""
        return [json.loads(body) for _, body, _ in self.posts]


@dataclass
class Caller:
    """A client of one local service, with the calls that most tests begin with."""

    service: Service
    http: httpx.AsyncClient
    inbox: Inbox

    async def upload(self, data: bytes = JPEG, name: str = "a.jpg", mime: str = "image/jpeg") -> dict[str, Any]:
        """The three steps; returns the asset."""
        announced = {"filename": name, "mime_type": mime, "size_bytes": len(data)}
        opened = (await self.http.post("/v1/asset-uploads", json=announced)).json()
        put = self.http.build_request("PUT", opened["upload_url"], content=data, headers={"Content-Type": mime})
        del put.headers["Authorization"]
        (await self.http.send(put)).raise_for_status()
        confirmed = await self.http.post(f"/v1/asset-uploads/{opened['asset_id']}/confirmations", json={})
        return dict(confirmed.raise_for_status().json())

    async def batch(self, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Create a pass-through batch in the guide's form; returns the answer's JSON."""
        headers = more.pop("headers", None)
        body = {"items": [{"input": item} for item in items], **more}
        answer = await self.http.post(f"{PASS_THROUGH}/batches", json=body, headers=headers)
        return dict(answer.raise_for_status().json())

    async def get(self, path: str) -> Any:
        """The JSON of a successful GET."""
        return (await self.http.get(path)).raise_for_status().json()

    async def fetch(self, url: str) -> httpx.Response:
        """GET a signed URL, without the key."""
        request = self.http.build_request("GET", url)
        del request.headers["Authorization"]
        return await self.http.send(request)

    async def idle(self) -> None:
        """Wait until every run has ended and every callback left."""
        assert await until_idle(self.service, 10.0)

    def ledger(self) -> dict[str, Any]:
        """What was charged."""
        return ledger(self.service)


@asynccontextmanager
async def local_service(
    folder: Path, *, clock: Callable[[], float] = time.time, inbox: Inbox | None = None, **settings: Any
) -> AsyncIterator[Caller]:
    """A running service in this process and a client of it."""
    received = inbox or Inbox()
    async with (
        LocalService(LocalSettings(folder, **settings), clock=clock, send=received.send) as local,
        httpx.AsyncClient(transport=InProcess(local.app), base_url=BASE, headers=KEY) as http,
    ):
        yield Caller(local.service, http, received)


class ServiceProcess:
    """`python -m runflowd.local` with its own interpreter, to be killed at will."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "runflowd.local", "--folder", str(folder), "--api-key", TOKEN]
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]
        self.http = httpx.Client(base_url=self.url, headers=KEY, timeout=60.0, limits=FRESH)
        self.bare = httpx.Client(timeout=60.0, limits=FRESH)

    def upload(self, data: bytes = JPEG, name: str = "a.jpg", mime: str = "image/jpeg") -> dict[str, Any]:
        """The three steps; returns the asset."""
        announced = {"filename": name, "mime_type": mime, "size_bytes": len(data)}
        opened = self.http.post("/v1/asset-uploads", json=announced).json()
        self.bare.put(opened["upload_url"], content=data, headers={"Content-Type": mime}).raise_for_status()
        confirmed = self.http.post(f"/v1/asset-uploads/{opened['asset_id']}/confirmations", json={})
        return dict(confirmed.raise_for_status().json())

    def control(self, **switches: Any) -> dict[str, Any]:
        """Switch API variants, faults or the balance."""
        return dict(self.http.post("/_control", json=switches).raise_for_status().json())

    def idle(self) -> None:
        """Wait until every run has ended and every callback left."""
        self.http.get("/_control/idle").raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """What was charged."""
        return dict(self.http.get("/_control/ledger").json())

    def kill(self) -> None:
        """SIGKILL: nothing gets a chance to tidy up."""
        self.process.kill()
        self._close()

    def stop(self) -> tuple[int, str]:
        """SIGTERM; returns the exit code and what stood on stderr."""
        self.process.terminate()
        return self._close()

    def _close(self) -> tuple[int, str]:
        self.http.close()
        self.bare.close()
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
