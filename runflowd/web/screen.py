"""What every screen is made with: the templates, and the answer that carries one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from runflowd import __version__
from runflowd.web.assets import asset_address
from runflowd.web.flash import flashed, offered
from runflowd.web.formatting import breakable, plural, shown, with_commands
from runflowd.web.rights import Right, visitor

if TYPE_CHECKING:
    from starlette.requests import Request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of the screens: nothing inline, nothing from elsewhere."""

SAYING = ("did", "count", "message", "seal", "then", "why")
"""What stands in an address only to say once what was done, or why it was not, and what may follow."""

_SAID = {
    "retried": "Another try for {}.",
    "bought": "{} will be bought again.",
    "rerun": "{} will run again under the rule as it is now.",
    "approved": "{} may pass.",
    "accepted": "{} accepted.",
    "rejected": "{} rejected.",
    "undone": "{} to be reviewed again.",
    "paused": "Paused.",
    "resumed": "Resumed.",
}
"""What an action that is done says; whoever makes a link to a screen chooses among these words and a number."""


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("runflowd.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(breakable=breakable, with_commands=with_commands, shown=shown)
    environment.globals.update(asset=asset_address, version=__version__, saying=" ".join(SAYING))
    return environment


def render(template: str, **values: Any) -> str:
    """The whole document. Raises jinja2's `UndefinedError` where a value is missing."""
    return _templates().get_template(template).render(values)


async def answer(request: Request, template: str, **values: Any) -> HTMLResponse:
    """A screen as the answer to who asked for it."""
    who = visitor(request)
    asked = request.query_params
    common = {
        "here": address(request.url.path, request.url.query),
        "said": said(asked.get("did", ""), asked.get("count", "")),
        "message": flashed(asked.get("message", ""), asked.get("seal", ""), who.token),
        "then": offered(asked.get("then", ""), who.token).split("-"),
        "why": None,
        "token": who.token,
        "may_see": who.right >= Right.SEE,
        "may_spend": who.right >= Right.SPEND,
        "user": who.name,
        "may_leave": bool(who.name and not request.state.peer.user),
        "may_review": who.right >= Right.REVIEW,
    }
    html = await anyio.to_thread.run_sync(lambda: render(template, **common | values))
    return HTMLResponse(html, headers={"content-security-policy": POLICY})


def address(path: str, query: str, **more: str) -> str:
    """An address without what was said there once, and with `more` in its query; names keep bytes that are no text."""
    asked = [(key, value) for key, value in parse_qsl(query, errors="surrogateescape") if key not in SAYING]
    query = urlencode([*asked, *more.items()], errors="surrogateescape")
    return f"{path}?{query}" if query else path


def said(did: str, count: str) -> str:
    """What is said of an action of that name that is done, about so many files; "" for anything else."""
    if did not in _SAID or not (count.isascii() and count.isdigit() and len(count) < 8):
        return ""
    return _SAID[did].format(plural(int(count), "file"))
