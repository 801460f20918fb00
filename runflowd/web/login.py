"""Logging in and out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog
from starlette.responses import RedirectResponse, Response

from runflowd.web.access_guard import cookie, session_cookie
from runflowd.web.forms import ensure_ours, field, led, parsed_form, read_form
from runflowd.web.logins import TooManyTries
from runflowd.web.refusal import Refused
from runflowd.web.rights import GuardedRoute, Right, visitor
from runflowd.web.screen import answer
from runflowd.web.users_file import UsersUnusable

if TYPE_CHECKING:
    from starlette.requests import Request

    from runflowd.web.logins import Logins
    from runflowd.web.page_state import PageState
    from runflowd.web.peer import Peer

log = structlog.get_logger()

FAMILIAR = "-familiar"
"""What the name of the cookie ends with that tells a browser which its user has logged in with before."""

YEAR = 365 * 86400

WRONG = "Name or password is wrong."
UNUSABLE = "Nobody can log in: the file of users cannot be used. `runflowd status` says why."


class Login:
    """The routes for it."""

    def __init__(self, state: PageState, logins: Logins) -> None:
        self._state = state
        self._logins = logins

    def routes(self) -> list[GuardedRoute]:
        """Logging in is for anybody, logging out for who is in."""
        return [
            GuardedRoute("/login", self.show, Right.ANYBODY),
            GuardedRoute("/login", self.enter, Right.ANYBODY, methods=["POST"]),
            GuardedRoute("/logout", self.leave, Right.SEE, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /login: the form; `?to=` is where it leads."""
        to = destination(request.query_params.get("to", ""))
        if visitor(request).right > Right.ANYBODY:
            return RedirectResponse(to, 303)
        return await page(request, to)

    async def enter(self, request: Request) -> Response:
        """POST /login: begin a session, always a new one, whatever the browser had before."""
        form = await parsed_form(request)
        to, name, peer = destination(field(form, "to")), field(form, "name"), request.state.peer
        try:
            ensure_ours(request, form)
        except Refused as refused:
            return await page(request, to, name, str(refused), refused.status)
        familiar = cookie(request.headers, session_cookie(peer) + FAMILIAR)
        try:
            user = await self._logins.prove(name, field(form, "password"), peer.address, familiar)
        except TooManyTries as tries:
            said = f"There were too many tries. The next one can be made in {tries.wait:.0f} seconds."
            return await page(request, to, name, said, 429)
        except UsersUnusable:
            return await page(request, to, name, UNUSABLE, 503)
        if user is None:
            return await page(request, to, name, WRONG, 401)
        log.info("logged in", action="login.done", who=user.name, address=peer.address)
        entered = RedirectResponse(to, 303)
        secret = self._logins.sessions.open(user, self._state.context.clock.now())
        _keep(entered, peer, session_cookie(peer), secret)
        _keep(entered, peer, session_cookie(peer) + FAMILIAR, self._logins.familiar_mark(user), YEAR)
        return entered

    async def leave(self, request: Request) -> Response:
        """POST /logout: end the session."""
        await read_form(request)
        peer = request.state.peer
        self._logins.sessions.close(cookie(request.headers, session_cookie(peer)))
        log.info("logged out", action="login.ended", who=visitor(request).who)
        left = led(request, "/login", 200)
        _keep(left, peer, session_cookie(peer), "", 0)
        return left


def destination(to: str) -> str:
    """A path of this page, and none that a browser takes for another site's; "/" for anything else."""
    return to if re.fullmatch(r"/(?!/)[!-\[\]-~]{0,1000}", to) else "/"


async def page(request: Request, to: str, name: str = "", said: str = "", status: int = 200) -> Response:
    """The form, with what is wrong if it was used."""
    found = await answer(request, "login.html", screen="", to=to, name=name[:64], wrong=said)
    found.status_code = status
    return found


def _keep(given: Response, peer: Peer, name: str, value: str, seconds: int | None = None) -> None:
    """Have the browser keep a cookie that no script reads and no other site's page sends."""
    given.set_cookie(name, value, seconds, secure=peer.secure, httponly=True, samesite="strict")
