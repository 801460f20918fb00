"""How long a verdict takes on the page of a daemon: sent as a key sends it, with the screen of the next result."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx

from bench.configuration import configuration
from bench.processes import daemon
from bench.report import Figure, percentile
from runflowd.config import load
from runflowd.core.review import HELD_FOLDER
from runflowd.core.snapshot import to_text
from runflowd.store import open_store
from runflowd.store.outputs import collision
from runflowd.store.sealing import save_snapshot

if TYPE_CHECKING:
    from bench.report import Report
    from runflowd.core.model import Rule
    from runflowd.store import Connection

_ITEM = """
INSERT INTO item (id, rule, dir, basename, size, mtime_ns, inode, state, content, mime, snapshot_number,
                  reference, review, found_at, ready_at, ended_at)
VALUES (:id, 'bench', x'', :name, 5, 1, :id, 'done', unhex(printf('%064x', :id)), 'image/jpeg',
        (SELECT number FROM snapshot WHERE id = :snapshot),
        unhex(printf('%032x', :id)), 'waiting', :now, :now, :now)
"""
_OUTPUT = """
INSERT INTO output (root, relative, key, item, position, content, size, written_at, place)
VALUES (:root, :held, :key, :id, 0, unhex(:content), :size, :now, 'held')
"""
WAIT_TIMEOUT = 300.0
"""Seconds until the last result has to be in its place."""


def measure(report: Report, folder: Path, *, files: int) -> None:
    """Accept `files` held results one after the other, as fast as the page answers; they are moved meanwhile."""
    (folder / "in").mkdir(parents=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    document = json.loads(configuration("http://127.0.0.1:9", {"bench": (folder / "in", folder / "out")}))
    document |= {"web": {"listen": f"127.0.0.1:{port}"}, "state": str(folder / "state.db")}
    document["rules"]["bench"]["review"] = "hold"
    text = json.dumps(document)
    (folder / "config.yaml").write_text(text, "utf-8")
    rule = load(folder / "config.yaml").rules[0]
    _hold(Path(rule.output, HELD_FOLDER), files)
    anyio.run(_fill, folder / "state.db", rule, files)
    with daemon(folder, text) as running, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as page:
        running.until(lambda: "daemon.ready" in running.log.read_text("utf-8"), 60)
        spent, both = _judge(page, files)
        running.until(lambda: len(list((folder / "out").glob("*.jpg"))) == files, WAIT_TIMEOUT)
        running.end()
    report.add(
        f"review: {files:,} results by keys",
        Figure("a verdict, median", percentile(spent, 0.5) * 1000, "ms"),
        Figure("a verdict, 95 of 100", percentile(spent, 0.95) * 1000, "ms", "100"),
        Figure("with the next screen, median", percentile(both, 0.5) * 1000, "ms"),
        Figure("with the next screen, 95 of 100", percentile(both, 0.95) * 1000, "ms"),
    )


AS_A_KEY = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
"""The headers of a verdict by a key: its answer says by the status whether it counts."""


def _judge(page: httpx.Client, files: int) -> tuple[list[float], list[float]]:
    """Seconds of each verdict, and of each with the screen that follows it."""
    found = re.search(r'data-token="([^"]+)"', page.get(f"/files/{files}").text)
    assert found is not None, "the screen has keys"
    spent, both = list[float](), list[float]()
    for number in range(files, 0, -1):
        fields = {"token": found[1], "item": str(number), "back": "/"}
        began = time.perf_counter()
        answer = page.post("/accept", data=fields, headers=AS_A_KEY)
        spent.append(time.perf_counter() - began)
        answer.raise_for_status()
        if number > 1:
            page.get(f"/files/{number - 1}?state=To+review").raise_for_status()
            both.append(time.perf_counter() - began)
    return spent, both


def _hold(held: Path, files: int) -> None:
    held.mkdir(parents=True)
    for number in range(1, files + 1):
        (held / _name(number)).write_bytes(_content(number))


async def _fill(state: Path, rule: Rule, files: int) -> None:
    async with open_store(state) as store:
        await store.write(partial(_insert, rule=rule, files=files))


def _insert(connection: Connection, rule: Rule, files: int) -> None:
    snapshot, now = save_snapshot(connection, rule.name, to_text(rule)), time.time()
    for number in range(1, files + 1):
        content, relative = _content(number), f"{HELD_FOLDER}/{_name(number)}"
        facts = {"id": number, "now": now, "snapshot": snapshot, "name": _name(number).encode()}
        place = {"root": rule.output.encode(), "held": relative.encode(), "key": collision(f"{rule.output}/{relative}")}
        connection.raw.execute(_ITEM, facts)
        written = {"content": hashlib.sha256(content).hexdigest(), "size": len(content)}
        connection.raw.execute(_OUTPUT, {**facts, **place, **written})


def _name(number: int) -> str:
    return f"photo-{number:06}.jpg"


def _content(number: int) -> bytes:
    return f"result {number}".encode()
