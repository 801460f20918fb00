"""Which right each address takes, and what becomes of those who have less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from web_rig import site_over

from runflowd.web.app import Application
from runflowd.web.refusal_answer import HANDLERS
from runflowd.web.rights import GuardedRoute, Right, Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

FOR_ANYBODY = {"/healthz", "/readyz", "/callbacks/runflow", "/static/{mark}/{name:path}", "/login"}
"""What needs no user: two words about health, callbacks, which prove themselves, files of the program, and the form."""


async def test_every_address_says_which_right_it_takes(tmp_path: Path) -> None:
    """A route without one would be open to everybody who reaches the page."""
    async with site_over(tmp_path) as site:
        routes = Application(site).routes()

    assert FOR_ANYBODY == {each.path for each in routes if each.needed == Right.ANYBODY}
    assert {"/logout"} == {each.path for each in routes if "POST" in (each.methods or ()) and each.needed == Right.SEE}


@pytest.mark.parametrize("has", [Right.SEE, Right.REVIEW, Right.SPEND])
@pytest.mark.parametrize("needed", list(Right))
async def test_a_right_includes_those_below_it(has: Right, needed: Right) -> None:
    """See, review and spend are one ladder."""
    answer = await asked_as(Visitor("anna", has, "token"), needed)

    assert (200 if has >= needed else 403) == answer.status_code


async def asked_as(who: Visitor, needed: Right) -> httpx.Response:
    """What a visitor gets from a route that takes a right."""

    async def handler(_: Request) -> PlainTextResponse:
        return PlainTextResponse("done")

    inner = Starlette(routes=[GuardedRoute("/", handler, needed)], exception_handlers=HANDLERS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"visitor": who}
        await inner(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get("/")
