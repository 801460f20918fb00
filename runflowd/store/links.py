"""Uploads: what a service holds, how long links to it live, and what is sent again because one led nowhere."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState
from runflowd.core.links import MAX_TRIES, life_ended, shorter
from runflowd.store.connection import stored_value
from runflowd.store.moves import end_duplicates, move
from runflowd.store.sealing import new_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runflowd.store.batches import Batch
    from runflowd.store.connection import Connection
    from runflowd.store.items import Item


LIFE_KEY = "link-life"
"""Under which key the shortest life of a service's links is remembered, in seconds."""


def link_life(connection: Connection, service: str) -> float | None:
    """The shortest life of a link that was seen at a service, in seconds; None while none was."""
    text = stored_value(connection, service, LIFE_KEY)
    return float(text) if text else None


def learn_life(connection: Connection, service: str, seen: float | None) -> None:
    """Remember a life that was seen, if it is the shortest so far."""
    if seen is None:
        return
    known = link_life(connection, service)
    if known is None or seen < known:
        connection.run("save_value", service=service, key=LIFE_KEY, value=f"{shorter(known, seen):.3f}")


def learn_from_batch(connection: Connection, batch: Batch, now: float) -> None:
    """A link of a batch that was bought was too old for the service at some time before `now`."""
    row = connection.one("links_of_batch", batch=batch.id)
    learn_life(connection, batch.service, life_ended(row["made_at"] if row else None, now))


def references_key(model: str) -> str:
    """Under which key it is remembered whether a model takes `runflow://` in the place of a link."""
    return f"takes-references:{model}"


def send_again(connection: Connection, batch: Batch, items: list[tuple[Item, str]], now: float) -> int:
    """Send items once more whose upload the service could not read, in a batch of their own; give how many go.

    Nothing was charged for them, and with each stand the service's words. Their new reference keeps what was made of
    them before from being taken for them. One that went often enough fails, and so does one whose file has been
    replaced: nobody waits for its result. Raises `LeaseLost`.
    """
    going = [(item, words) for item, words in items if item.resent < MAX_TRIES and item.current]
    for item, words in items:
        if (item, words) not in going:
            _fail(connection, batch, item, words, now)
    for item, words in going:
        detail = f"the service could not read its upload ({words}); it goes once more with a fresh link"
        move(connection, item.id, item.state, ItemState.READY, by=batch.claim, now=now, detail=detail)
        connection.run("send_again", id=item.id, batch=batch.id, client_ref=uuid.uuid4().hex)
        connection.run("drop_answer", item=item.id)
    if going:
        numbers = [item.id for item, _ in going]
        new_batch(connection, numbers, batch.snapshot, batch.rule, batch.model, batch.service, now)
    return len(going)


def _fail(connection: Connection, batch: Batch, item: Item, words: str, now: float) -> None:
    often = f" after {item.resent} more tries with fresh links" if item.resent else ""
    reason = f"the service could not read what runflowd uploaded{often}. It was not charged. The service says: {words}"
    code = "UPLOAD_UNREADABLE"
    move(connection, item.id, item.state, ItemState.FAILED, by=batch.claim, code=code, reason=reason, now=now)
    if item.state is ItemState.QUEUED:
        connection.run("leave_batch", id=item.id, batch=batch.id)
    end_duplicates(connection, [item.id], ItemState.FAILED, code, reason, now)


@dataclass(frozen=True, slots=True)
class UploadedAsset:
    """A content the service holds; its `url` is signed and short-lived, its id is not."""

    asset_id: str
    url: str
    confirmed_at: float


def find_assets(
    connection: Connection, service: str, contents: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], UploadedAsset]:
    """The uploads that hold these contents, where there were any, by content and type."""
    keys = list(dict.fromkeys(contents))
    asked = [{"service": service, "content_hash": content, "mime": mime} for content, mime in keys]
    found = zip(keys, connection.all_each("asset", asked), strict=True)
    return {key: UploadedAsset(*row) for key, rows in found for row in rows}


def save_assets(connection: Connection, service: str, assets: Mapping[tuple[str, str], UploadedAsset]) -> None:
    """Remember uploads, or the fresh URLs of some, by content and type."""
    kinds = dict.fromkeys(mime for _, mime in assets)
    connection.run_many("save_asset_kind", [{"service": service, "mime": mime} for mime in kinds])
    rows = [
        {"content_hash": content, "mime": mime, "asset_id": asset.asset_id, "url": asset.url, "now": asset.confirmed_at}
        for (content, mime), asset in assets.items()
    ]
    connection.run_many("save_asset", [{"service": service, **row} for row in rows])
