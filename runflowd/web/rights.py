"""Who asks, and what they may do. Every route says which right it needs (`GuardedRoute`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import wraps
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request], Awaitable[Response]]


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
    return PlainTextResponse(f"{found.name} may not do this: it takes the right {needed.word}.\n", 403)
