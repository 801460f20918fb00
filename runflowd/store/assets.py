"""What the services hold of what was uploaded, by content: none of it is uploaded twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


@dataclass(frozen=True, slots=True)
class UploadedAsset:
    """A content the service holds; its `url` is signed and short-lived, its id is not."""

    asset_id: str
    url: str
    confirmed_at: float


def find_asset(connection: Connection, service: str, content: str, mime: str) -> UploadedAsset | None:
    """The upload that holds this content, if there was one."""
    row = connection.one("asset", service=service, content_hash=content, mime=mime)
    return UploadedAsset(row["asset_id"], row["url"], row["confirmed_at"]) if row else None


def save_asset(
    connection: Connection, service: str, content: str, mime: str, asset_id: str, url: str, now: float
) -> None:
    """Remember an upload, or the fresh URL of one."""
    connection.run("save_asset", service=service, content_hash=content, mime=mime, asset_id=asset_id, url=url, now=now)
