"""The two ways to people: an address that takes JSON, and a program."""

from __future__ import annotations

import hmac
import json
import os
import signal
import socket
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from subprocess import PIPE, STDOUT
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from runflowd import __version__
from runflowd.config import notify_secret
from runflowd.core.notices import sentence_of
from runflowd.core.printable import printable, scrubbed
from runflowd.errors import RunflowdError

if TYPE_CHECKING:
    from anyio.abc import Process

    from runflowd.api.hooks import Hooks
    from runflowd.config import Webhook
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


class CommandFailed(RunflowdError):
    """The program could not be run, took too long, or said no."""

    def __init__(self, program: str, what: str, output: bytes = b"") -> None:
        said = scrubbed(printable(output.decode("utf-8", "replace").strip()))
        super().__init__(f"{printable(program)} {what}" + (f"; it wrote: {said}" if said else ""))


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
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        process = await anyio.open_process(
            command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=passed | environment, cwd="/", start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(command[0], f"cannot be run: {getattr(error, 'strerror', None) or error}") from None
    output = bytearray()
    try:
        with anyio.move_on_after(within) as deadline:
            await _converse(process, json.dumps(found).encode(), output)
    finally:
        await _clear(process)
    if deadline.cancelled_caught:
        raise CommandFailed(command[0], f"took longer than {within:g} seconds and was ended", bytes(output))
    if process.returncode:
        raise CommandFailed(command[0], f"ended with {process.returncode}", bytes(output))


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
