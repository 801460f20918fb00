"""A whole day with every secret there is, after which none of them stands where people or programs look."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from daemon_process import FRESH, Installation, Service, picture, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API_KEY = "rf_live_5ecre7ap1keyvalue"
CALLBACK_SECRET = "whsec_5ecre7callbackvalue"
SIGNATURE = re.compile(rb"signature(?:=|%3D|%253D)([\w%-]{8,})", re.IGNORECASE)


def free_port() -> int:
    """A port that nobody has at the moment."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def told_by_commands(installation: Installation) -> bytes:
    """What the commands for people and programs say, on both outputs."""
    said = b""
    for words in (("status",), ("status", "--json"), ("list", "--json")):
        command = [sys.executable, "-m", "runflowd", *words, "-c", str(installation.config)]
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "RUNFLOW_API_KEY": API_KEY})
        said += done.stdout + done.stderr
    return said


def told_by_the_web(port: int) -> bytes:
    """The page, the status and the metrics."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, limits=FRESH) as web:
        return b"".join(web.get(path).raise_for_status().content for path in ("/", "/status.json", "/metrics"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that knows a key which stands in nothing else."""
    with Service(tmp_path / "service", "--api-key", API_KEY) as made:
        yield made


def test_no_secret_is_ever_reported(
    installation: Installation, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API key, callback secret and signed links: not in the log at its most talkative, on a page, in a command's
    answer or in a note; the keys not in the state file either (scenario 117).
    """
    port = free_port()
    secret = installation.folder / "callback-secret"
    secret.write_text(f"{CALLBACK_SECRET}\n")
    secret.chmod(0o600)
    callbacks = {"public_url": f"http://127.0.0.1:{port}", "secret_file": str(secret)}
    installation.configure_rules(
        {"one": installation.rule()},
        service={"url": service.url, "allow_http": True, "callbacks": callbacks},
        web={"listen": f"127.0.0.1:{port}"},
    )
    expired = {"route": "GET /storage/*", "kind": "status", "status": 403, "count": 1}
    refused = {"route": "POST /v1/models/*/batches", "kind": "status", "status": 500, "count": 1}
    service.faults(expired, refused, runs=({"match": "*bad*", "kind": "fail", "message": f"key {API_KEY} is bad"},))
    for name in ("a.jpg", "bad.jpg"):
        installation.write(name, picture())
    daemon = installation.start(RUNFLOW_API_KEY=API_KEY)
    until(lambda: len(installation.items()) == 2 and _ended(installation), "both files have ended")
    until((installation.output / "bad.jpg.failed.txt").exists, "the note is there")
    told = told_by_commands(installation) + told_by_the_web(port)
    assert daemon.stop() == 0
    told += installation.log.read_bytes() + (installation.output / "bad.jpg.failed.txt").read_bytes()
    kept = b"".join(path.read_bytes() for path in installation.state.parent.iterdir())

    assert (b"item.done" in told and b"item.failed" in told) or b"batch.results" in told
    assert [] == [word for word in (API_KEY, CALLBACK_SECRET) if word.encode() in told + kept]
    assert [] == SIGNATURE.findall(told)


def _ended(installation: Installation) -> bool:
    return {row["state"] for row in installation.items().values()} == {"done", "failed"}
