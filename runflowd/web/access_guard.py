"""Finds out who asks, before any route is reached. What they may do, each route says itself (`rights`)."""

from __future__ import annotations

import base64
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

from runflowd.core.printable import printable
from runflowd.web.logins import TooManyTries
from runflowd.web.peer import peer_of
from runflowd.web.refusal import Refused
from runflowd.web.refusal_answer import answer_refusal
from runflowd.web.rights import FOR_PROGRAMS, Right, Visitor
from runflowd.web.users_file import UsersUnusable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runflowd.web.logins import Logins
    from runflowd.web.page_state import PageState
    from runflowd.web.peer import Peer
    from runflowd.web.users_file import User

FROM_ELSEWHERE = (
    "Only this machine is served here, and who comes by https through the proxy that `web.proxy` names, if it says so "
    "in X-Forwarded-For and X-Forwarded-Proto."
)


class AccessGuard:
    """ASGI middleware: puts `visitor` and `peer` into the state of the request, and `visitor_now` to ask again.

    Without users everybody on this machine may do everything. With users nobody may do anything before it is known
    who they are: by a session, by a proxy's word, or, for programs, by name and password with each request.
    """

    def __init__(self, app: ASGIApp, state: PageState, logins: Logins) -> None:
        self._app = app
        self._state = state
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        access = self._state.config().access
        peer = peer_of(scope, access)
        if not peer.near and not (access.users_file and peer.secure):
            # A listener that others reach has users, and what is in the clear comes through the proxy only. An edit
            # that takes either away counts at once, some moments before the listener is where it then should be.
            await self._refuse(Refused(FROM_ELSEWHERE, 403), scope, peer, receive, send)
            return
        try:
            known = await self._known(scope, peer, person=_is_a_person(scope, Headers(scope=scope)))
        except TooManyTries as tries:
            waits = Refused(str(tries), 429, headers={"retry-after": f"{tries.wait:.0f}"})
            await self._refuse(waits, scope, peer, receive, send)
            return
        again = partial(self._known, scope, peer, person=False)
        scope.setdefault("state", {}).update(visitor=known, peer=peer, visitor_now=again)
        await self._app(scope, receive, send)

    async def _refuse(self, refused: Refused, scope: Scope, peer: Peer, receive: Receive, send: Send) -> None:
        nobody = Visitor("", Right.ANYBODY, self._logins.token_for(""))
        scope.setdefault("state", {}).update(visitor=nobody, peer=peer)
        await (await answer_refusal(Request(scope, receive), refused))(scope, receive, send)

    async def _known(self, scope: Scope, peer: Peer, *, person: bool) -> Visitor:
        """Who asks, as things stand now. Raises `TooManyTries`."""
        logins, headers = self._logins, Headers(scope=scope)
        if not self._state.config().access.users_file:
            return Visitor("", Right.SPEND if peer.near else Right.ANYBODY, self._state.token)
        nobody = Visitor("", Right.ANYBODY, logins.token_for(""))
        try:
            users = await logins.users()
        except UsersUnusable:
            # An incident says so, and nobody is known until it is mended; then those are who were logged in before.
            users = {}
        if peer.user:
            said = users.get(peer.user)
            right = said.right if said else Right.ANYBODY
            return Visitor(printable(peer.user[:64]), right, logins.token_for(peer.user))
        if not users:
            return nobody
        if user := await self._program(scope, headers, peer):
            return Visitor(user.name, user.right, "")
        secret = cookie(headers, session_cookie(peer))
        session = logins.sessions.find(secret, users, self._state.context.clock.now(), person=person)
        return Visitor(session.user.name, session.user.right, session.token) if session else nobody

    async def _program(self, scope: Scope, headers: Headers, peer: Peer) -> User | None:
        """Who a program says it is (RFC 7617), on the routes that are made for programs and change nothing."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scope["path"] not in FOR_PROGRAMS or scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # no base64, no text
            return None
        return await self._logins.prove_again(name, password, peer.address)


def session_cookie(peer: Peer) -> str:
    """The name of the cookie. With https it is one that nothing but this page can set (RFC 6265bis)."""
    return "__Host-runflowd" if peer.secure else "runflowd"


def cookie(headers: Headers, name: str) -> str:
    """A cookie of a request, "" without it."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_a_person(scope: Scope, headers: Headers) -> bool:
    """Whether somebody did this: pressed a button or went to a page. Scripts that renew a page fetch it otherwise."""
    return scope["method"] != "GET" or headers.get("sec-fetch-mode", "navigate") == "navigate"
