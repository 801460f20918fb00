"""The files that the screens load: style, scripts and icons, each under an address that changes with its content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from starlette.requests import Request

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

FOR_EVER = "private, max-age=31536000, immutable"
"""For addresses that name a content: what stands there never changes (RFC 8246)."""


class Asset(NamedTuple):
    """Bytes, their MIME type, and the beginning of their SHA-256."""

    data: bytes
    mime: str
    mark: str


@cache
def assets() -> dict[str, Asset]:
    """Every asset by its name, such as `vendor/htmx.min.js`."""
    return dict(_found(resources.files("runflowd.web") / "static", ""))


def _found(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _found(each, f"{prefix}{each.name}/")
        elif mime := _TYPES.get(each.name.rpartition(".")[2]):
            data = each.read_bytes()
            found.append((f"{prefix}{each.name}", Asset(data, mime, hashlib.sha256(data).hexdigest()[:12])))
    return found


def asset_address(name: str) -> str:
    """Where a page finds an asset."""
    return f"/static/{assets()[name].mark}/{name}"


async def asset(request: Request) -> Response:
    """GET /static/MARK/NAME; one of another version of the program is not there."""
    found = assets().get(request.path_params["name"])
    if found is None or found.mark != request.path_params["mark"]:
        return PlainTextResponse("There is no such file. Reload the page.\n", 404)
    return Response(found.data, media_type=found.mime, headers={"cache-control": FOR_EVER})
