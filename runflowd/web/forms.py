"""What a button of the page sends: taken from a page of ours alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, RedirectResponse

from runflowd.web import screen
from runflowd.web.body_limit import BodyRefused, read_body
from runflowd.web.host_guard import same_origin, token_matches
from runflowd.web.refusal import Refused
from runflowd.web.rights import visitor

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MAX_FORM_BYTES = 64 * 1024
"""A prompt of 10,000 letters among them, each of which may take six bytes of a form."""

_OURS = re.compile(r"/(files(/[0-9]{1,18}(/redo)?)?|spend)?", re.ASCII)
"""The screens that a button leads back to."""

FOREIGN = "This was not sent by a page of runflowd, so nothing was done. Open the page itself, and press it there."
STALE = "The daemon was restarted since this page was loaded, so nothing was done. Reload the page and try again."

Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a form from our page that has the token of who sends it. Raises `Refused` for any other."""
    form = await parsed_form(request)
    ensure_ours(request, form)
    return form


def ensure_ours(request: Request, form: Form) -> None:
    """Raise `Refused` unless this is a form of a page that we gave to who sends it."""
    if not same_origin(request.headers):
        raise Refused(FOREIGN, 403, back=way_back(form))
    if not token_matches(field(form, "token"), visitor(request).token):
        raise Refused(STALE, 403, back=way_back(form), stale=True)


async def parsed_form(request: Request) -> Form:
    """The fields of any form, whoever made it. Raises `Refused` for what is too large or does not come to its end."""
    try:
        return parse_qs((await read_body(request, most=MAX_FORM_BYTES, seconds=5.0)).decode("utf-8", "replace"))
    except BodyRefused as refused:
        raise Refused(f"{refused}.", refused.status, back="/", headers={"connection": "close"}) from refused


def field(form: Form, name: str) -> str:
    """A field of a form; "" where it is not there."""
    return form.get(name, [""])[0]


def way_back(form: Form, name: str = "back", **more: str) -> str:
    """The address of the screen that a form names, with `more` in its query; the first screen for any other.

    `back` is where it was pressed, `onward` where it leads to once it is done, if that is elsewhere.
    """
    path, _, query = (field(form, name) or field(form, "back")).partition("?")
    return screen.address(path, query, **more) if _OURS.fullmatch(path) else screen.address("/", "", **more)


def is_from_script(request: Request) -> bool:
    """Whether our script asks, which stays on its page and is told in JSON."""
    return request.headers.get("accept") == "application/json"


def led(request: Request, address: str, status: int) -> Response:
    """A browser is led on, never left at an address that has no screen; our script is told where to, and `status`."""
    if is_from_script(request):
        return JSONResponse({"address": address}, status)
    return RedirectResponse(address, 303)
