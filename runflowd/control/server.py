"""The daemon's side of the control socket: one route for each command, over the store that the stages use.

Whoever may open the socket may ask; that is a matter of its mode and of the folder it lies in.
"""

from __future__ import annotations

import grp
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runflowd import __version__
from runflowd.control.carrying_out import Commands
from runflowd.control.client import MISDIRECTED
from runflowd.control.refusal import CommandRefused
from runflowd.control.socket_path import sun_path
from runflowd.errors import RunflowdError
from runflowd.system.paths import control_socket
from runflowd.web.address import Bound, bind_unix
from runflowd.web.body_limit import BodyRefused, read_body
from runflowd.web.uvicorn_runner import UvicornRunner

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from runflowd.app.reload import Reloading
    from runflowd.control.command_context import Answer, Parameters
    from runflowd.pipeline.context import Context

log = structlog.get_logger()

MAX_BODY_BYTES = 1 << 20
BODY_TIMEOUT = 10.0

MODE, MODE_OF_SERVICE = 0o600, 0o660
"""The user's own daemon obeys the user. The system's obeys the group OPERATORS as well, so that operators need no
root; without that group it obeys its user alone."""

OPERATORS = "runflowd-operators"
"""The group that may give orders to the system's daemon. Whoever drops files is in another one."""


class Control:
    """Answers commands for the running daemon of one configuration."""

    def __init__(self, context: Context, source: Path, reloading: Reloading) -> None:
        self._context = context
        self._source = os.path.abspath(source)  # noqa: PTH100  pathlib's would follow links
        self._reloading = reloading
        self._started = context.clock.now()
        self.commands = Commands(context, lambda: reloading.config, self._about)

    def asgi(self, *, guarded: bool) -> ASGIApp:  # noqa: ARG002  a unix socket is guarded by its mode
        """The routes."""
        return Starlette(routes=[Route("/{name}", self.answer, methods=["POST"])])

    def is_shared(self, address: str) -> bool:  # noqa: ARG002  there is no address in a unix socket
        """Everybody comes by the same socket."""
        return True

    async def run_beside(self) -> None:
        """Nothing but answers."""

    async def answer(self, request: Request) -> Response:
        """POST /COMMAND: `config` says which daemon is meant, `parameters` what is asked."""
        try:
            place, parameters = _asked(await read_body(request, most=MAX_BODY_BYTES, seconds=BODY_TIMEOUT))
        except BodyRefused as refused:
            return _refusal(str(refused), 1, refused.status)
        except (ValueError, TypeError):
            return _refusal("that was no request for a command", 2, 400)
        if not _same_place(place, self._source):
            return _refusal("this daemon serves another configuration", 1, MISDIRECTED)
        try:
            name = request.path_params["name"]
            return JSONResponse(await (self._reload() if name == "reload" else self.commands(name, parameters)))
        except CommandRefused as refused:
            return _refusal(str(refused), refused.exit_code, 409)
        except RunflowdError as error:
            log.warning(str(error), action="control.failed", command=request.path_params["name"])
            return _refusal(str(error), 75, 503)

    async def _reload(self) -> Answer:
        await self._reloading.now()
        return {"problems": list(self._reloading.problems), "rules": sorted(self._context.rules)}

    def _about(self) -> Answer:
        """What the daemon says of itself, and has learned of the service; seconds since its start and since 1970."""
        pace = self._context.service.api.pace()
        return {
            "pid": os.getpid(),
            "version": __version__,
            "uptime": round(self._context.clock.now() - self._started, 1),
            "unwritten": self._context.store.unwritten,
            "settling": {name: len(paths) for name, paths in self._context.settling.items()},
            "config": {
                "source": self._source,
                "taken_at": self._reloading.taken_at,
                "problems": list(self._reloading.problems),
            },
            "service": {"allowed": pace.allowed, "rate": pace.rate, "refused": pace.refused, "at_once": pace.at_once},
        }


async def serve_control(control: Control, source: Path, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
    """Listen until cancelled. Without a socket commands still work over the state file, so that is no reason to end."""
    path = control_socket(source)
    try:
        bound = await anyio.to_thread.run_sync(_listen, path)
    except OSError as error:
        why = f"{path}: cannot be listened on ({error.strerror or error}); commands use the state file instead"
        log.warning(why, action="control.closed")
        task_status.started()
        return
    log.info("control socket open", action="control.open", path=str(path))
    await UvicornRunner(control, [bound]).run(task_status=task_status)


def _listen(path: Path) -> Bound:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with sun_path(path) as reachable:
        bound = bind_unix(reachable, MODE)
        if os.environ.get("RUNTIME_DIRECTORY"):
            _open_to_operators(reachable)
    return Bound(bound.socket, str(path))


def _open_to_operators(path: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(OPERATORS).gr_gid)
        Path(path).chmod(MODE_OF_SERVICE)
    except (KeyError, PermissionError) as error:
        why = f"only its own user may use the control socket: there is no group {OPERATORS}, or runflowd is not in it"
        log.warning(why, action="control.closed_to_group", reason=str(error))


def _asked(body: bytes) -> tuple[str, Parameters]:
    """Which configuration is meant, and the parameters. Raises ValueError or TypeError for anything else."""
    try:
        asked = json.loads(body)
        json.dumps(asked, ensure_ascii=False).encode()  # fails over half a character, which no table and no path takes
    except RecursionError:
        raise ValueError from None
    match asked:
        case {"config": str(place), "parameters": dict(parameters)} if "\0" not in place:
            return place, parameters
    raise TypeError


def _same_place(asked: str, ours: str) -> bool:
    return asked == ours or os.path.realpath(asked) == os.path.realpath(ours)


def _refusal(sentence: str, exit_code: int, status: int) -> Response:
    return JSONResponse({"error": sentence, "exit_code": exit_code}, status, {"connection": "close"})
