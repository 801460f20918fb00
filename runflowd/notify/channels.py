"""The ways to people: an address that takes JSON, a program, and the services that Apprise knows."""

from __future__ import annotations

import hmac
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from runflowd import __version__
from runflowd.config import apprise_address, notify_secret
from runflowd.core.notices import Kind, sentence_of
from runflowd.core.printable import printable, scrubbed
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from anyio.abc import Process

    from runflowd.api.hooks import Hooks
    from runflowd.config import Notify, Webhook
    from runflowd.config.snapshot import AppriseTarget
    from runflowd.store.notices import Notice

SIGNATURE_HEADER = "Runflowd-Signature"

RUN_TIMEOUT = 30.0
"""Seconds that the program gets."""

LAST_WORDS = 1.0
"""Seconds for which the output of a program that has ended is still read."""

MAX_OUTPUT = 2000
"""Bytes of the program's output that are kept, for the log if it fails."""

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""The program's environment; keys, sockets and credentials of the daemon are none of its business."""

_TO_APPRISE = (*_PASSED_ON, "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

_APPRISE_PROCESS = str(Path(__file__).with_name("apprise_process.py"))

_TYPES = {
    Kind.INCIDENT: "failure",
    Kind.RESOLVED: "success",
    Kind.FOLDER: "success",
    Kind.TEST: "info",
    Kind.DIGEST: "info",
}
"""Apprise's word for each kind of message, from which services choose a colour or a sign; others are warnings."""


class CommandFailed(RunflowdError):
    """The program could not be run, took too long, or said no."""

    def __init__(self, program: str, what: str, output: bytes = b"") -> None:
        said = _readable(output)
        super().__init__(f"{printable(program)} {what}" + (f"; it wrote: {said}" if said else ""))


class AppriseFailed(RunflowdError):
    """The service did not take the message, or Apprise could not be asked to send it."""


async def deliver(hooks: Hooks, notify: Notify, notice: Notice) -> None:
    """Send a message over its channel. Raises `RunflowdError` when that failed."""
    if notice.channel == "webhook" and notify.webhook:
        await post(hooks, notify.webhook, notice)
    elif notice.channel == "command" and notify.command:
        await run(notify.command, notice)
    elif target := next((each for each in notify.apprise if each.channel == notice.channel), None):
        await send_by_apprise(target, notice)


def payload(notice: Notice) -> dict[str, Any]:
    """A message as both channels give it: plain data, with the gist in `text`."""
    host = socket.gethostname()
    facts = {name: _shown(value) for name, value in asdict(notice.message).items()}
    since = datetime.fromtimestamp(notice.message.since, UTC).isoformat(timespec="seconds")
    at = datetime.fromtimestamp(notice.at, UTC).isoformat(timespec="seconds")
    text = _shown(sentence_of(notice.message, host))
    return {"id": notice.key, "text": text, **facts, "since": since, "at": at, "host": host, "version": __version__}


def _shown(value: Any) -> Any:
    return printable(scrubbed(value)) if isinstance(value, str) else value


async def post(hooks: Hooks, webhook: Webhook, notice: Notice) -> None:
    """Send a message to an address. Raises `ApiError`, or `CredentialError` when the secret cannot be read."""
    body = json.dumps(payload(notice)).encode()
    secret = await anyio.to_thread.run_sync(notify_secret, webhook)
    signature = {SIGNATURE_HEADER: hmac.digest(secret.secret.encode(), body, "sha256").hex()} if secret else {}
    await hooks.post("send the message", webhook.url, body, signature)


async def run(command: tuple[str, ...], notice: Notice, *, within: float = RUN_TIMEOUT) -> None:
    """Run a program for a message; after `within` seconds it is ended with all it started. Raises `CommandFailed`."""
    found = payload(notice)
    environment = {f"RUNFLOWD_{name.upper()}": str(found[name]) for name in ("kind", "scope", "code", "count", "text")}
    code, output = await _run(command, _passed(_PASSED_ON) | environment, json.dumps(found).encode(), within)
    if code is None:
        raise CommandFailed(command[0], f"took longer than {within:g} seconds and was ended", output)
    if code:
        raise CommandFailed(command[0], f"ended with {code}", output)


async def send_by_apprise(target: AppriseTarget, notice: Notice, *, within: float = RUN_TIMEOUT) -> None:
    """Hand a message to Apprise. Raises `AppriseFailed`, or `CredentialError` when the address cannot be read."""
    found = payload(notice)
    address = (await anyio.to_thread.run_sync(apprise_address, target)).secret
    message = {
        "address": address,
        "title": f"runflowd on {found['host']}: {notice.message.kind}",
        "body": "\n".join(found[name] for name in ("message", "remedy") if found[name]),
        "type": _TYPES.get(notice.message.kind, "warning"),
    }
    command = (sys.executable, "-I", _APPRISE_PROCESS)
    code, output = await _run(command, _passed(_TO_APPRISE), json.dumps(message).encode(), within)
    if code is None:
        raise AppriseFailed(f"no answer within {within:g} seconds")
    if code:
        raise AppriseFailed(_readable(output) or f"Apprise's process ended with {code}")


def _readable(output: bytes) -> str:
    """What a program wrote, fit for a log."""
    return scrubbed(printable(output.decode("utf-8", "replace").strip()))


def _passed(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


async def _run(
    command: tuple[str, ...], environment: dict[str, str], message: bytes, within: float
) -> tuple[int | None, bytes]:
    """Run a program with a message on its input: its exit code, None where it took too long, and what it wrote."""
    try:
        process = await anyio.open_process(
            command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=environment, cwd="/", start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(command[0], f"cannot be run: {getattr(error, 'strerror', None) or error}") from None
    output = bytearray()
    try:
        with anyio.move_on_after(within) as deadline:
            await _converse(process, message, output)
    finally:
        await _clear(process)

    return None if deadline.cancelled_caught else process.returncode, bytes(output)


async def _converse(process: Process, message: bytes, output: bytearray) -> None:
    """Hand the message over, keep the beginning of what is said, and wait for the end of the program itself."""
    heard = anyio.Event()

    async def listen() -> None:
        assert process.stdout is not None
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                piece = await process.stdout.receive()
                output.extend(piece[: MAX_OUTPUT - len(output)])
        heard.set()

    async def speak() -> None:
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.send(message)
        await process.stdin.aclose()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        group.start_soon(speak)
        await process.wait()
        with anyio.move_on_after(LAST_WORDS):  # what it left running may hold its output open for ever
            await heard.wait()
        group.cancel_scope.cancel()


async def _clear(process: Process) -> None:
    """End a program that still runs, with all that it started, and wait for it."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
