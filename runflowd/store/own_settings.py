"""Settings of one file alone, on record: those that its file is made with, and the request for a run with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runflowd.core.own_settings import settings_from
from runflowd.store.items import item_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runflowd.core.model import Json, Stat
    from runflowd.core.own_settings import OwnSettings
    from runflowd.store.connection import Connection


def settings_values(own: OwnSettings) -> dict[str, str | None]:
    """Settings as the columns that hold them."""
    text = json.dumps(dict(own.values)) if own.values else None
    return {"settings": text, "settings_of": own.content_hash if text else None}


def settings_for(connection: Connection, rule: str, path: str, stat: Stat, content_hash: str) -> OwnSettings:
    """The settings of its own that a content at a path is made with; those of a file that was renamed go with it."""
    existing = item_at(connection, rule, path)
    if existing is not None:
        return existing.next_settings.of_content(content_hash)
    values = {"rule": rule, "content_hash": content_hash, **stat._asdict()}
    row = connection.one("settings_of_file", **values)
    return settings_from(row["settings"] if row else None, content_hash)


def request_rerun(connection: Connection, number: int, reference: str, settings: Mapping[str, Json] | None) -> bool:
    """Ask for another run of an item under its rule as it is now; False where it is not what `reference` says any more.

    Without `settings` it keeps those of its own.
    """
    if settings is None:
        return connection.run("request_rerun", id=number, reference=reference) == 1
    text = json.dumps(dict(settings)) if settings else None
    return connection.run("request_rerun_with", id=number, reference=reference, settings=text) == 1
