"""The ways to people, over real sockets and with real programs."""

from __future__ import annotations

import hmac
import json
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
from hostile_server import Behaviour, answer, drip, hang_up, hostile_server, stay_silent

from runflowd.api.errors import ApiError
from runflowd.api.hooks import Hooks
from runflowd.api.settings import Limits
from runflowd.config import Notify, Webhook
from runflowd.config.snapshot import AppriseTarget, Heartbeat
from runflowd.core.notices import Kind, Message
from runflowd.notify.channels import AppriseFailed, CommandFailed, post, run, send_by_apprise
from runflowd.notify.heartbeat import Heartbeats
from runflowd.observability.incidents import Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.store import open_store
from runflowd.store.notices import Notice
from runflowd.system.clock import Clock

pytestmark = pytest.mark.anyio

MESSAGE = Message(
    Kind.INCIDENT, "service", "UNREACHABLE", "no answer from https://a.test/x?sig=abc\n\x1b[1m", "Wait", 3, 1e9
)
NOTICE = Notice(1, "k-1", "webhook", 1e9, 0, 0.0, MESSAGE)
SOON = Limits(connect=2.0, idle=2.0, total=0.3)


async def test_a_message_is_json_that_the_secret_signs(tmp_path: Path) -> None:
    """The signature is over the very bytes of the body, so a receiver checks before it reads."""
    (tmp_path / "secret").write_text("topsecret\n")
    async with hostile_server(answer(b"ok")) as server, Hooks() as hooks:
        await post(hooks, Webhook(f"{server.url}/hook?a=b", str(tmp_path / "secret")), NOTICE)

    seen = server.seen[0]
    assert ("POST", "/hook?a=b", "application/json") == (seen.method, seen.target, seen.headers["content-type"])
    assert hmac.digest(b"topsecret", seen.body, "sha256").hex() == seen.headers["runflowd-signature"]
    assert ("k-1", "incident", 3) == tuple(json.loads(seen.body)[name] for name in ("id", "kind", "count"))


async def test_a_message_holds_no_secrets_and_no_escapes(tmp_path: Path) -> None:
    """What the service said may hold signed addresses; what a file is called may hold anything."""
    async with hostile_server(answer()) as server, Hooks() as hooks:
        await post(hooks, Webhook(server.url), NOTICE)

    body = server.seen[0].body.decode()
    assert "sig=abc" not in body
    assert "no answer from https://a.test/x?...\\\\n\\\\x1b[1m" in body
    assert "runflowd-signature" not in server.seen[0].headers


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(status=302, location="http://127.0.0.1:1/"), "answered 302.*redirects are not followed"),
        (answer(status=500), "answered 500"),
        (answer(status=404), "answered 404"),
        (hang_up, "cannot send the message: 127.0.0.1"),
        (stay_silent, "it took longer than allowed in total"),
        (drip(b"HTTP/1.1 200 OK\r\nx: "), "it took longer than allowed in total"),
    ],
    ids=["redirect", "500", "404", "hangs-up", "silent", "drips"],
)
async def test_an_address_that_does_not_take_it_is_reported_without_its_path(
    behaviour: Behaviour, expected: str
) -> None:
    """One request, a deadline for all of it, and no word of what may be a secret."""
    async with hostile_server(behaviour) as server, Hooks(SOON) as hooks:
        with pytest.raises(ApiError, match=expected) as told:
            await post(hooks, Webhook(f"{server.url}/services/T0/SECRET"), NOTICE)

    assert 1 == len(server.seen)
    assert "SECRET" not in str(told.value)
    assert "SECRET" not in repr(Webhook(f"{server.url}/services/T0/SECRET"))


def program(folder: Path, body: str) -> tuple[str, ...]:
    """A Python program, as a command."""
    path = folder / "tell"
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path), "--to", "$HOME; echo no shell")


async def test_a_program_gets_the_message_and_nothing_of_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON on its standard input, the gist in its environment, its arguments untouched by any shell."""
    monkeypatch.setenv("RUNFLOW_API_KEY", "rf_live_secret")
    command = program(
        tmp_path,
        f"import json, os, sys\nfound = [sys.argv[1:], json.load(sys.stdin), dict(os.environ)]\n"
        f"json.dump(found, open({str(tmp_path / 'seen')!r}, 'w'))",
    )

    await run(command, NOTICE)

    arguments, message, environment = json.loads((tmp_path / "seen").read_text())
    assert ["--to", "$HOME; echo no shell"] == arguments
    assert ("k-1", "UNREACHABLE") == (message["id"], message["code"])
    assert ("incident", "service", "UNREACHABLE", "3") == tuple(
        environment[f"RUNFLOWD_{name}"] for name in ("KIND", "SCOPE", "CODE", "COUNT")
    )
    assert "RUNFLOW_API_KEY" not in environment


@pytest.mark.parametrize(
    ("body", "within", "expected"),
    [
        ("import sys; print('no such room\\x1b'); sys.exit(3)", 60, r"tell ended with 3; it wrote: no such room\\x1b$"),
        ("print('x' * 10_000_000); raise SystemExit(1)", 60, r"ended with 1; it wrote: x{2000}$"),
        (
            "import time; print('hm', flush=True); time.sleep(600)",
            5,  # seconds that a busy machine may take to start a Python
            r"took longer than 5 seconds and was ended; it wrote: hm",
        ),
    ],
    ids=["says-no", "talks-much", "hangs"],
)
async def test_a_program_that_fails_is_reported_with_what_it_wrote(
    tmp_path: Path, body: str, within: int, expected: str
) -> None:
    """The beginning of it, on one line."""
    with pytest.raises(CommandFailed, match=expected):
        await run(program(tmp_path, body), NOTICE, within=within)


async def test_a_program_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """No process is left behind by a message."""
    body = f"""import os, time
if not os.fork():
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
time.sleep(60)"""
    with pytest.raises(CommandFailed):
        await run(program(tmp_path, body), NOTICE, within=1)

    with anyio.fail_after(60):
        while _lives(int((tmp_path / "pid").read_text())):
            await anyio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("command", [("/no/such/program",), ("/etc/hostname",), ("a\0b",)])
async def test_a_program_that_cannot_be_run_is_reported(command: tuple[str, ...]) -> None:
    """It is not there, or no program."""
    with pytest.raises(CommandFailed, match="cannot be run"):
        await run(command, NOTICE)


def apprise_at(folder: Path, address: str) -> AppriseTarget:
    """A service that Apprise reaches, whose address is in a file."""
    (folder / "address").write_text(f"{address}\n")
    return AppriseTarget("studio", str(folder / "address"))


async def test_apprise_gets_title_text_and_type(tmp_path: Path) -> None:
    """Over the real library, by the service of its that posts JSON."""
    async with hostile_server(answer(b"ok")) as server:
        address = server.url.replace("http://", "json://") + "/T0/s3cr3t"
        notice = replace(NOTICE, message=replace(MESSAGE, message="the disk is full", remedy="Free some"))
        await send_by_apprise(apprise_at(tmp_path, address), notice)

    seen = json.loads(server.seen[0].body)
    assert ("/T0/s3cr3t", "failure") == (server.seen[0].target, seen["type"])
    assert (f"runflowd on {socket.gethostname()}: incident", "the disk is full\nFree some") == (
        seen["title"],
        seen["message"],
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("json://{host}/T0/s3cr3t-path", "Failed to send JSON POST notification: error=307"),
        ("nonsense-s3cr3t", "holds no address that Apprise knows"),
        ("slack://s3cr3t", "holds no address that Apprise knows"),
    ],
    ids=["refused", "no-address", "half-an-address"],
)
async def test_apprise_says_why_not_without_the_address(tmp_path: Path, address: str, expected: str) -> None:
    """An address is a password; a redirect, which could carry it elsewhere, is not followed."""
    async with hostile_server(answer(status=307, location="http://127.0.0.1:1/")) as server:
        target = apprise_at(tmp_path, address.format(host=server.url.removeprefix("http://")))
        with pytest.raises(AppriseFailed, match=expected) as told:
            await send_by_apprise(target, NOTICE)

    assert "s3cr3t" not in str(told.value)


async def test_apprise_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The other messages wait for this one."""
    async with hostile_server(stay_silent) as server:
        target = apprise_at(tmp_path, server.url.replace("http://", "json://"))
        with pytest.raises(AppriseFailed, match=r"no answer within 0\.1 seconds"):
            await send_by_apprise(target, NOTICE, within=0.1)


async def test_the_sign_of_life_is_given_only_while_every_stage_works(tmp_path: Path) -> None:
    """A monitor must ring when a stage is stuck; a monitor that is away is told once."""
    alive: list[bool] = [True, False]
    lines: list[Any] = []
    async with open_store(tmp_path / "state.db") as store, hostile_server(answer(status=503), answer()) as server:
        clock = Clock()
        context = Context(store, clock, Incidents(store, clock), ServiceClient("test", None), {})  # type: ignore[arg-type]
        context.incidents.notify = Notify(heartbeat=Heartbeat(f"{server.url}/ping", 0.01))
        async with Hooks() as hooks, anyio.create_task_group() as group:
            with structlog.testing.capture_logs() as lines:
                group.start_soon(Heartbeats(context, lambda: len(server.seen) < 5 or alive[1], hooks).run)
                with anyio.fail_after(60):
                    while len(server.seen) < 5:
                        await anyio.sleep(0.01)
                await anyio.sleep(0.1)
            group.cancel_scope.cancel()

    assert 5 == len(server.seen)
    assert {("GET", "/ping")} == {(each.method, each.target) for each in server.seen}
    assert ["heartbeat.failed", "heartbeat.resolved"] == [line["action"] for line in lines]
