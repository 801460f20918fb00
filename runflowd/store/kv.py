"""What is stored under a key: what was learnt of a service, and since when a rule runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def stored_value(connection: Connection, service: str, key: str) -> str | None:
    """What is stored of a service under a key, such as the batch body it takes."""
    row = connection.one("value", service=service, key=key)
    return row["value"] if row else None
