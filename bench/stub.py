"""`python -m bench.stub [SECONDS]`: a service that costs next to nothing, so that what is measured is the client.

It hands images through: uploads are kept in memory and are the results. Requests are parsed in C and answered by a few
lines, each after SECONDS of latency. `GET /_ledger` tells how many requests came by route, and of purchases.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from functools import partial

import httptools

_JSON = b"Content-Type: application/json\r\n"


class Books:
    """What was uploaded and bought."""

    def __init__(self) -> None:
        self.url = ""
        self.contents: dict[str, bytes] = {}
        self.batches: list[list[dict[str, object]]] = []
        self.bought: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes, bytes]:  # noqa: PLR0911  a table
        """Status, further headers and body for a request."""
        match method, target.partition("?")[0].strip("/").split("/"):
            case "POST", ["v1", "asset-uploads"]:
                name = f"asset-{self._counted('POST asset-uploads')}"
                return self._json({"asset_id": name, "upload_url": f"{self.url}/content/{name}"}, 201)
            case "PUT", ["content", name]:
                self._counted("PUT content")
                self.contents[name] = body
                return 200, b"", b""
            case "POST", ["v1", "asset-uploads", name, "confirmations"]:
                self._counted("POST confirmations")
                return self._json({"id": name, "url": f"{self.url}/content/{name}"}, 201)
            case "POST", ["v1", "models", _, _, "batches"]:
                self._counted("POST batches")
                return self._json({"id": self._buy(json.loads(body)["items"]), "status_code": "queued"}, 201)
            case "GET", ["v1", "batches", number]:
                self._counted("poll")
                return self._json({"id": number, "status_code": "succeeded"})
            case "GET", ["v1", "batches", number, "items"]:
                self._counted("GET items")
                return self._json({"items": self.batches[int(number.removeprefix("batch-"))]})
            case "GET", ["content", name] if name in self.contents:
                self._counted("GET content")
                return 200, b"Content-Type: image/jpeg\r\n", self.contents.pop(name)
            case "GET", ["_ledger"]:
                return self._json({"requests": self.requests, "bought": list(self.bought.values())})
        self._counted(f"unknown {method} {target}")
        return self._json({"error": {"code": "NOT_FOUND", "message": "no such thing"}}, 404)

    def _buy(self, items: list[dict[str, dict[str, str]]]) -> str:
        links = [item["input"]["image_url"] for item in items]
        self.bought.update(links)
        self.batches.append(
            [
                {
                    "run_id": f"run-{len(self.batches)}-{number}",
                    "client_ref": item["client_ref"],
                    "sequence_index": number,
                    "status_code": "succeeded",
                    "output": {"outputs": [{"url": link, "mime_type": "image/jpeg"}]},
                    "cost": "0.018",
                }
                for number, (item, link) in enumerate(zip(items, links, strict=True))
            ]
        )
        return f"batch-{len(self.batches) - 1}"

    def _counted(self, route: str) -> int:
        self.requests[route] += 1
        return self.requests[route]

    @staticmethod
    def _json(value: object, status: int = 200) -> tuple[int, bytes, bytes]:
        return status, _JSON, json.dumps(value).encode()


class Exchange(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, books: Books, latency: float) -> None:
        self._books = books
        self._latency = latency

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._body = b"", list[bytes]()

    def on_url(self, url: bytes) -> None:
        """Part of its target."""
        self._url += url

    def on_body(self, piece: bytes) -> None:
        """Part of its body."""
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """It is whole: its effect is at once, its answer comes after the latency."""
        method, target = self._parser.get_method().decode(), self._url.decode()
        status, headers, body = self._books.answer(method, target, b"".join(self._body))
        head = b"HTTP/1.1 %d Said\r\n%bContent-Length: %d\r\n\r\n" % (status, headers, len(body))
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, partial(self._say, head, body))
        else:
            self._say(head, body)

    def _say(self, head: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.writelines([head, body])


async def main(latency: float) -> None:
    """Serve until SIGTERM."""
    books, loop = Books(), asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(partial(Exchange, books, latency), "127.0.0.1", 0, backlog=1000)
    books.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(json.dumps({"url": books.url}) + "\n")
    sys.stdout.flush()
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
