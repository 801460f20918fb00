"""What strangers can reach, as functions of bytes: each takes any input, or raises what is a defect.

A target runs the program's own readers and lets only the answers through that they promise. Whoever calls it
brings the bytes: Hypothesis in the suite, the loop of `python -m tests.fuzz`, or atheris.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pictures
from local_service import BASE, JPEG, Inbox, InProcess
from stage_rig import rule
from starlette.responses import JSONResponse

from runflowd.api import ApiError, Runflow, SecretKey, Service, callback_signature
from runflowd.config import load, load_override
from runflowd.config.yaml.source import load_bytes
from runflowd.control import server
from runflowd.control.command_context import CommandContext, Outside
from runflowd.control.registry import REGISTRY
from runflowd.core.media.image_type import SNIFF_BYTES, Whole, check, describe
from runflowd.core.outputs import extract
from runflowd.errors import ConfigError, Problem, RunflowdError
from runflowd.local.app import LocalService
from runflowd.local.http.control import until_idle
from runflowd.local.settings import LocalSettings
from runflowd.store import open_store
from runflowd.store.sqlite import connect
from runflowd.web.callback_endpoint import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from runflowd.config import Config
    from runflowd.core.model import Rule
    from runflowd.store import Connection

ROOT = Path(__file__).resolve().parents[2]

LARGEST_PIECE = 4 * 1024 * 1024
"""Bytes that the image reader may ask for at once: a TIFF's directory is the largest piece it takes."""


@dataclass(frozen=True, slots=True)
class Target:
    """`attempt` reads one input and raises only for a defect; `corpus` are inputs to begin with."""

    attempt: Callable[[bytes], None]
    corpus: Callable[[], Sequence[bytes]]


@cache
def scratch() -> Path:
    """A folder for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="runflowd-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    return folder


# YAML: `runflowd.yaml`, and the `_runflow.yaml` that anyone may write who sees a share.


def read_yaml(data: bytes) -> None:
    """Data, or a ConfigError whose problems all have a place; the whole way to a Config."""
    with suppress(ConfigError):
        source = load_bytes(data, "fuzz.yaml")
        json.dumps(source.data, allow_nan=False)
    file = scratch() / "fuzz.yaml"
    file.write_bytes(data)
    readers: tuple[Callable[[], object], ...] = (
        lambda: load(file),
        lambda: load_override(data.decode("utf-8", "replace"), "_runflow.yaml", _overridable()),
    )
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\xc2\x85") + data.count(b"\xe2\x80") + 2
    for reader in readers:
        problems: tuple[Problem, ...] = ()
        try:
            reader()
        except ConfigError as error:
            problems = error.problems or (Problem("", -1, 0, "", "a ConfigError without problems"),)
        places = {(problem.line, problem.column) for problem in problems} - {(0, 0)}  # what concerns the whole file
        assert all(1 <= line <= lines and column >= 1 for line, column in places), problems


@cache
def _overridable() -> Rule:
    return rule(scratch(), input={"prompt": "grey", "size": 3, "tags": ["a"]}, overridable=("prompt", "size", "tags"))


def yaml_corpus() -> list[bytes]:
    """The sample configurations, and texts that use what they do not."""
    samples = [path.read_bytes() for path in sorted((ROOT / "configs").rglob("*.yaml"))]
    return [
        *samples,
        b"prompt: grey marble\n",
        b"a: &x {b: [1, 2]}\nc: {<<: *x, d: *x}\n",
        b"? |\n  key\n: >-\n  folded\n",
        b"",
    ]


# The API's answers: every call, whatever the status, the headers and the body.


class Canned(httpx.AsyncBaseTransport):
    """Answers every request alike."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, content=self.body, request=request)


STATUSES = (200, 201, 202, 204, 301, 307, 400, 401, 402, 403, 404, 408, 409, 410, 413, 418, 422, 429, 500, 503)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"retry-after": "120"},
    {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "nonsense"},
    {"retry-after": "-1e999"},
    {"content-encoding": "gzip"},
    {"content-encoding": "deflate"},
    {"location": "http://169.254.169.254/?token=t", "x-request-id": "\x7f\x80"},
    {"content-type": "text/html"},
)
MOST_RESULTS = 4


async def _results(api: Runflow) -> None:
    """Items, and the downloads that their outputs lead to."""
    for item in (await api.items("b")).items[:MOST_RESULTS]:
        for output in extract(item.output)[:MOST_RESULTS]:
            async with api.download(output.url, 10_000) as download:
                async for _ in download.chunks:
                    pass


CALLS: tuple[Callable[[Runflow], Awaitable[object]], ...] = (
    lambda api: api.create_upload("a.jpg", "image/jpeg", 3),
    lambda api: api.confirm("a"),
    lambda api: api.asset("a"),
    lambda api: api.create_batch("a/b", b"{}", "k"),
    lambda api: api.create_run("a/b", b"{}", "k"),
    lambda api: api.batch("b"),
    _results,
    lambda api: api.run("r"),
    lambda api: api.find_runs("ref"),
    lambda api: api.credit(),
    lambda api: api.model("a/b"),
    lambda api: api.me(),
    lambda api: api.models(),
    lambda api: api.create_callback_secret("x"),
)


def read_answer(data: bytes) -> None:
    """Three bytes choose call, status and headers, the rest is the body: a value, or an ApiError."""
    loop, canned, api = _client()
    call, status, headers = (data[:3] + b"\0\0\0")[:3]
    canned.status, canned.headers = STATUSES[status % len(STATUSES)], HEADERS[headers % len(HEADERS)]
    canned.body = data[3:]
    with suppress(ApiError):
        loop.run(_awaited(CALLS[call % len(CALLS)](api)))


async def _awaited(call: Awaitable[object]) -> None:
    await call


@cache
def _client() -> tuple[asyncio.Runner, Canned, Runflow]:
    canned = Canned()
    loop = asyncio.Runner()
    atexit.register(loop.close)
    return loop, canned, Runflow(Service(BASE, api_key=SecretKey("rf_live_test")), transport=canned)


class Recording(InProcess):
    """The local service, and all that it said."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.said: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        self.said.append(await answer.aread())
        return answer


@cache
def answer_corpus() -> tuple[bytes, ...]:
    """What the local service answers in the life of a batch, each before several calls and statuses."""
    said = _heard()[0]
    choices = [bytes((index % len(CALLS), 0, 0)) for index in range(len(said))]
    return tuple(choice + body for choice in {*choices, b"\x06\0\0", b"\3\x10\0"} for body in said)


@cache
def _heard() -> tuple[list[bytes], list[bytes]]:
    return asyncio.run(_conversation())


async def _conversation() -> tuple[list[bytes], list[bytes]]:
    """The answers of the local service, and the callbacks it sent."""
    inbox = Inbox()
    settings = LocalSettings(scratch() / "service")
    async with LocalService(settings, send=inbox.send) as local:
        wire = Recording(local.app)
        async with Runflow(Service(BASE, api_key=SecretKey("rf_live_test")), transport=wire) as api:

            async def chunks() -> AsyncIterator[bytes]:
                yield JPEG

            session = await api.create_upload("a.jpg", "image/jpeg", len(JPEG))
            await api.put(session, "image/jpeg", len(JPEG), chunks)
            url = (await api.confirm(session.asset_id)).url
            items = [{"input": {"image_url": url}, "client_ref": ref} for ref in ("one", "two")]
            body = {"items": items, "callback_url": "http://127.0.0.1:9/callbacks/runflow"}
            with suppress(ApiError):
                await api.create_callback_secret("fuzz")
            bought = await api.create_batch("runflow/pass-through", json.dumps(body).encode(), "k")
            await until_idle(local.service, 10)
            page = await api.items(bought.id)
            for call in (
                api.batch(bought.id),
                api.run(page.items[0].run_id),
                api.find_runs("one"),
                api.credit(),
                api.me(),
            ):
                await call
            await api.model("runflow/pass-through")
            with suppress(ApiError):
                await api.create_batch("runflow/pass-through", b"{}", "other")
        return [said for said in wire.said if said != JPEG], [body for _, body, _ in inbox.posts]


# Images: from a share, and from the service.


@dataclass
class Watched:
    """Bytes as an `imagetype.Source` that counts what is asked of it."""

    data: bytes
    reads: int = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on."""
        assert 0 <= offset, offset
        assert 0 <= length <= LARGEST_PIECE, length
        self.reads += 1
        return self.data[offset : offset + length]


def read_image(data: bytes) -> None:
    """A verdict with a reason; bounded pieces, and never more of them than the file can have parts."""
    source = Watched(data)
    found = check(source)
    assert isinstance(found, Whole) or found.reason.isprintable()
    assert describe(data[:SNIFF_BYTES])
    assert source.reads <= 4 * len(data) + 1000, source.reads


def image_corpus() -> list[bytes]:
    """A small image of each type, and some unusual ones."""
    image = pictures.noise(8, 6)
    unusual = [
        pictures.encoded(image, "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
        pictures.encoded(image, "TIFF", big_tiff=True),
        pictures.encoded(image, "TIFF", save_all=True, append_images=[image]),
        pictures.encoded(image, "GIF", save_all=True, append_images=[image]),
        pictures.encoded(image.convert("RGBA"), "WEBP", lossless=True),
    ]
    return [*pictures.every_type(8, 6).values(), *unusual, b"II*\0", b"RIFF", b"%PDF-1.7", b""]


# Callbacks: the body, before and after its signature is known to be good.


def read_callback(data: bytes) -> None:
    """Ids that a database takes, or none; whatever the signature looks like."""
    assert len(data) <= MAX_BYTES
    signature = data[:64].decode("latin-1")
    if callback_signature.well_formed(signature):
        verification = callback_signature.Verification(signature, ["whsec_one", "whsec_two"])
        verification.update(data)
        assert not verification.holds()
    hint = callback_signature.read_hint(data)
    if hint is not None:
        assert all(word.isprintable() and word.encode() is not None for word in (hint.batch, hint.run))


@cache
def callback_corpus() -> tuple[bytes, ...]:
    """The callbacks of the local service."""
    return (*_heard()[1], b'{"batch_id": "b1", "run_id": null}', b"f" * 64 + b'{"run_id": "\\ud800"}')


# The control socket: whoever may connect may ask, so a mistake must cost an answer and not the daemon.


def read_command(data: bytes) -> None:
    """Any body under any command: an answer that can be sent, or a refusal."""
    try:
        place, parameters = server._asked(data)
    except (ValueError, TypeError):
        return
    server._same_place(place, "/etc/runflowd/runflowd.yaml")
    connection, config = _desk()
    for name, asked in REGISTRY.items():
        connection.raw.execute("BEGIN IMMEDIATE")
        try:
            desk = CommandContext(connection, scratch() / "state.db", config.essentials, 1.8e9)
            found = asked.handler()(desk, parameters)
            JSONResponse(found.look() if isinstance(found, Outside) else found)
        except RunflowdError as refusal:
            JSONResponse({"error": str(refusal), "command": name})
        finally:
            connection.raw.execute("ROLLBACK")


@cache
def _desk() -> tuple[Connection, Config]:
    """A state file with nothing in it, and the configuration of a rule."""

    async def make() -> None:
        async with open_store(scratch() / "state.db"):
            pass

    asyncio.run(make())
    folder = scratch()
    text = (
        f"service: local\nrules:\n  studio: {{watch: {folder}/in, output: {folder}/out, model: runflow/pass-through}}\n"
    )
    (folder / "desk.yaml").write_text(text)
    connection = connect(folder / "state.db")
    atexit.register(connection.raw.close)
    return connection, load(folder / "desk.yaml")


def command_corpus() -> list[bytes]:
    """Requests as the commands make them."""
    asked: list[dict[str, Any]] = [
        {"rule": "studio", "patterns": ["*.jpg"], "buy": True},
        {"rules": ["studio"], "reason": "stock-taking"},
        {"everything": True, "state": "failed", "batch": "b", "after": 3, "limit": 10},
        {"items": [{"id": 1, "reference": "r"}], "missing": True, "buy_again": False},
    ]
    return [json.dumps({"config": "/etc/runflowd/runflowd.yaml", "parameters": each}).encode() for each in asked]


TARGETS = {
    "yaml": Target(read_yaml, yaml_corpus),
    "answers": Target(read_answer, answer_corpus),
    "images": Target(read_image, image_corpus),
    "callbacks": Target(read_callback, callback_corpus),
    "control": Target(read_command, command_corpus),
}
