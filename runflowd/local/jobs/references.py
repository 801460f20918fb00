"""From what an image input says to bytes on this disk. Nothing is ever fetched from a network."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from anyio import to_thread

from runflowd.local.http.assets import add_asset
from runflowd.local.identity import parse_id
from runflowd.local.settings import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from runflowd.local.context import Service

SCHEME = "runflow://assets/"
DATA = re.compile(r"data:([!-+\--~]*?)(;base64)?,", re.ASCII)


@dataclass(frozen=True, slots=True)
class Picture:
    """An input image: its content, the asset it belongs to and the name it was uploaded under.

    `ends_at` is when the link that led to it ends (epoch seconds), None for what was not named by a link.
    """

    sha256: str
    asset_id: str
    name: str
    ends_at: float | None = None


class Unresolved(ValueError):
    """A reference that leads nowhere, in words for the one who sent it."""


async def resolve(service: Service, reference: str) -> Picture:
    """The file that a reference means: an asset by `runflow://` or bare id, a signed URL of this service, a data URI.

    Raises Unresolved for everything else.
    """
    if reference.startswith("data:"):
        return await _from_data(service, reference)
    named = reference.startswith(SCHEME)
    asset_id = parse_id(reference.removeprefix(SCHEME))
    if named or asset_id is not None:  # the reference takes "input URLs or asset IDs"
        if service.api_variants.asset_ref == "refused":
            raise Unresolved("media URL must use HTTP(S) or data URI" + (", got 'runflow'" if named else ""))
        if asset_id is None:
            raise Unresolved(f"{reference[:100]!r} is no asset reference")
        return _from_asset(service, asset_id)
    signed = service.signer.asset_in(reference)
    if signed is None:
        raise Unresolved(_foreign(reference))
    asset_id, expires = signed
    ends_at = min(expires, expires - service.settings.url_lifetime + service.api_variants.link_seconds)
    if service.api_variants.input_read == "creation" and ends_at <= service.clock():
        raise Unresolved(_foreign(reference))
    return replace(_from_asset(service, asset_id), ends_at=ends_at)


def _foreign(reference: str) -> str:
    if re.match(r"https?://[^/]+/storage/", reference):
        return "this asset URL has expired or was not signed by this service; read the asset for a fresh one"
    return (
        "the local service never fetches from a network; upload the image as an asset "
        "(POST /v1/asset-uploads) or send it as a data URI"
    )


def _from_asset(service: Service, asset_id: str) -> Picture:
    row = service.storage.one("SELECT * FROM assets WHERE id = ? AND confirmed", asset_id)
    if row is None:
        raise Unresolved(f"there is no confirmed asset {asset_id}")
    return Picture(row["sha256"], asset_id, row["name"])


async def _from_data(service: Service, reference: str) -> Picture:
    """Stores the image as an asset, as the hosted API does with data URIs."""
    head = DATA.match(reference)
    if head is None:
        raise Unresolved("this data URI has no comma or an odd media type")
    if len(reference) > MAX_UPLOAD_BYTES * 4 // 3 + 300:
        raise Unresolved(f"this data URI holds more than {MAX_UPLOAD_BYTES} bytes")
    sha256, size = await to_thread.run_sync(_store, service, reference[head.end() :], bool(head[2]))
    mime_type = head[1] or "text/plain"
    asset_id = add_asset(
        service,
        name="inline",
        mime_type=mime_type,
        size=size,
        sha256=sha256,
        confirmed=1,
        source_type="data_uri",
    )
    return Picture(sha256, asset_id, "inline")


def _store(service: Service, text: str, is_base64: bool) -> tuple[str, int]:
    try:
        data = base64.b64decode(text, validate=True) if is_base64 else unquote_to_bytes(text)
    except (binascii.Error, ValueError):
        raise Unresolved("this data URI is not valid base64") from None
    return service.blobs.write(data), len(data)
