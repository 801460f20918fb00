"""How whoever is refused is told: our script in JSON, a person by a screen, a program in a line of text.

The status says the same to each of them. Nobody is left at an address that has no screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from runflowd.web import screen
from runflowd.web.forms import is_from_script, parsed_form, way_back
from runflowd.web.refusal import Refused
from runflowd.web.rights import FOR_PROGRAMS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ExceptionHandler

NO_SCREEN = {
    404: "There is no such page.",
    405: "Nothing is shown at this address: a button of the page sends to it.",
}


async def answer_refusal(request: Request, refused: Exception) -> Response:
    """What was asked for is not done, and why."""
    assert isinstance(refused, Refused)
    back = refused.back or await _back(request)
    if refused.status == 401:
        return await _asked_to_log_in(request, refused, back)
    return await _answer(request, refused, back)


async def answer_unknown(request: Request, unknown: Exception) -> Response:
    """There is nothing at this address, or nothing that can be looked at."""
    assert isinstance(unknown, HTTPException)
    sentence = NO_SCREEN.get(unknown.status_code, unknown.detail)
    return await _answer(request, Refused(sentence, unknown.status_code, headers=unknown.headers), "/")


HANDLERS: dict[type[Exception], ExceptionHandler] = {Refused: answer_refusal, HTTPException: answer_unknown}
"""For Starlette."""


async def _asked_to_log_in(request: Request, refused: Refused, back: str) -> Response:
    """A person who goes to a page is led to the form, and from there to where they were."""
    headers, address = request.headers, request.url
    if shown := headers.get("hx-current-url"):  # a script asks, and goes on with the whole page
        parts = urlsplit(shown)
        back = _screen_at(parts.path, parts.query)
    elif request.method == "GET":
        back = _screen_at(address.path, address.query)
    login = "/login" if back == "/" else f"/login?to={quote(back)}"
    if request.method == "GET" and _goes_to_a_page(request):
        return RedirectResponse(login, 303)
    refused.headers["hx-redirect"] = login
    if address.path in FOR_PROGRAMS:
        refused.headers["www-authenticate"] = 'Basic realm="runflowd", charset="UTF-8"'
    return await _answer(request, refused, login)


def _screen_at(path: str, query: str) -> str:
    """The address of a screen, with the reason it asks for, without what it said once: that was for another session."""
    return screen.address(path, query, **{name: value for name, value in parse_qsl(query) if name == "why"})


async def _answer(request: Request, refused: Refused, back: str) -> Response:
    sentence, status, headers = str(refused), refused.status, refused.headers
    if is_from_script(request):
        return JSONResponse({"address": back, "said": sentence, "stale": refused.stale}, status, headers)
    if not _goes_to_a_page(request):
        return PlainTextResponse(f"{sentence}\n", status, headers)
    found = await screen.answer(request, "refused.html", screen="", sentence=sentence, back=back, status=status)
    found.status_code = status
    found.headers.update(headers)
    return found


def _goes_to_a_page(request: Request) -> bool:
    """Whether a person sees the answer, as a page of its own."""
    headers = request.headers
    goes_there = headers.get("sec-fetch-mode", "navigate") == "navigate" and "text/html" in headers.get("accept", "")
    return goes_there and request.url.path not in FOR_PROGRAMS


async def _back(request: Request) -> str:
    if request.method != "POST":
        return "/"
    try:
        return way_back(await parsed_form(request))
    except Refused:
        return "/"
