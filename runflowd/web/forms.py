"""What a button of the page sends: taken from a page of ours alone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse

from runflowd.web.body_limit import BodyRefused, read_body
from runflowd.web.host_guard import same_origin, token_matches
from runflowd.web.rights import visitor

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_FORM_BYTES = 16 * 1024

Form = dict[str, list[str]]


async def read_form(request: Request) -> Form | PlainTextResponse:
    """The fields of a form from our page that has the token of who sends it, else the answer that refuses it."""
    try:
        form = parse_qs((await read_body(request, most=MAX_FORM_BYTES, seconds=5.0)).decode("utf-8", "replace"))
    except BodyRefused as refused:
        return PlainTextResponse(f"{refused}\n", refused.status, {"connection": "close"})
    if not same_origin(request.headers) or not token_matches(field(form, "token"), visitor(request).token):
        return PlainTextResponse("This form is not from the page as it is now. Reload the page and try again.\n", 403)
    return form


def field(form: Form, name: str) -> str:
    """A field of a form; "" where it is not there."""
    return form.get(name, [""])[0]
