"""Who asks, and what they may do. Every route says which right it needs (`GuardedRoute`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import wraps
from typing import TYPE_CHECKING

from starlette.routing import Route

from runflowd.web.refusal import Refused

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
    """A route for those who have the right that it needs; others are `Refused`."""

    def __init__(self, path: str, handler: Handler, needed: Right, methods: Sequence[str] = ("GET",)) -> None:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            ensure_right(visitor(request), needed)
            return await handler(request)

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


async def may_still(request: Request, needed: Right) -> bool:
    """Whether who began this request has the right even now: their session may be over, or their right taken away."""
    now: Visitor = await request.state.visitor_now()
    return now.right >= needed


def ensure_right(found: Visitor, needed: Right) -> None:
    """Raise `Refused` for somebody who may not do this."""
    if found.right >= needed:
        return
    if not found.name:
        raise Refused("You are not logged in, or not any more, so nothing was done. Log in at /login.", 401)
    if found.right == Right.ANYBODY:
        raise Refused(
            f"The proxy says that you are {found.name}, and no such user is known here. Whoever looks after this "
            f"machine adds them with `runflowd user add {found.name} --may see --no-password`.",
            403,
        )
    raise Refused(
        f"{found.name} may not do this: it takes the right {needed.word}. Whoever looks after this machine gives it "
        f"with {_GIVEN_BY[needed]}.",
        403,
    )
