"""Who asks, and what they may do. Every route says which right it needs (`GuardedRoute`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import wraps
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request], Awaitable[Response]]


FOR_PROGRAMS = frozenset({"/metrics", "/status.json"})
"""What programs ask for, which say name and password each time. It changes nothing, so no foreign page gains by it."""


class Right(IntEnum):
    """What somebody may do on the page; each includes those before it."""

    ANYBODY = 0
    SEE = 1
    REVIEW = 2
    SPEND = 3

    @property
    def word(self) -> str:
        """How people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the name of a user, or "" where nobody has to say it. `token` stands in the forms of their pages."""

    name: str
    right: Right
    token: str = field(repr=False)

    @property
    def who(self) -> str:
        """Who it was, for the log and for what is written down."""
        return self.name or "page"


class GuardedRoute(Route):
    """A route for those who have the right that it needs."""

    def __init__(self, path: str, handler: Handler, needed: Right, methods: Sequence[str] = ("GET",)) -> None:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            return refused(request, needed) or await handler(request)

        super().__init__(path, guarded, methods=list(methods))
        self.needed = needed


_GIVEN_BY = {
    Right.SEE: "`runflowd user change NAME --may see`",
    Right.REVIEW: "`runflowd user change NAME --may review`",
    Right.SPEND: "`runflowd user change NAME --may spend`",
}


def visitor(request: Request) -> Visitor:
    """Who asks, as the guard in front of all routes found out."""
    found = request.state.visitor
    assert isinstance(found, Visitor)
    return found


def refused(request: Request, needed: Right) -> Response | None:
    """The answer to somebody who may not do this, None for those who may."""
    found = visitor(request)
    if found.right >= needed:
        return None
    if not found.name:
        return _asked_to_log_in(request)
    if found.right == Right.ANYBODY:
        return PlainTextResponse(
            f"The proxy says that you are {found.name}, and no such user is known here. Whoever looks after this "
            f"machine adds them with `runflowd user add {found.name} --may see --no-password`.\n",
            403,
        )
    return PlainTextResponse(
        f"{found.name} may not do this: it takes the right {needed.word}. Whoever looks after this machine gives it "
        f"with {_GIVEN_BY[needed]}.\n",
        403,
    )


def _asked_to_log_in(request: Request) -> Response:
    """A person who goes to a page is led to the form; a script and a program are told by the status."""
    headers, address = request.headers, request.url
    goes_there = headers.get("sec-fetch-mode", "navigate") == "navigate" and "text/html" in headers.get("accept", "")
    if request.method == "GET" and goes_there and address.path not in FOR_PROGRAMS:
        to = f"{address.path}?{address.query}" if address.query else address.path
        return RedirectResponse("/login" if to == "/" else f"/login?to={quote(to)}", 303)
    # htmx goes where HX-Redirect leads, as a whole page.
    challenge = {"www-authenticate": 'Basic realm="runflowd", charset="UTF-8"'} if address.path in FOR_PROGRAMS else {}
    return PlainTextResponse("Log in at /login.\n", 401, {"hx-redirect": "/login", **challenge})
