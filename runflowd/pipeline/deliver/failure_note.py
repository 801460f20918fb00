"""What is written beside a file that failed: why, when, and what its owner can do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runflowd.core.remedies import remedy_for

if TYPE_CHECKING:
    from runflowd.store.items import Item


def note_for(item: Item) -> str:
    """The text of the note about one item."""
    moment = datetime.fromtimestamp(item.ended_at or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        f"File:    {item.path}",
        f"Why:     {item.failure or item.failure_code or 'no reason was given'}",
        f"When:    {moment}",
        f"What to do: {remedy_for(item.state, item.failure_code, item.rule, item.path)}",
        "",
        f"(rule {item.rule}, code {item.failure_code or 'none'}, reference {item.client_ref})",
        "This note disappears when the file has been processed.",
    ]
    return "\n".join(lines)
