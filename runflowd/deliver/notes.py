"""What is written beside a file that failed: why, when, and what its owner can do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runflowd.core.lifecycle import ItemState

if TYPE_CHECKING:
    from runflowd.store.items import Item

_REMEDIES = {
    "EMPTY": "Save the file again; it holds no bytes.",
    "TOO_LARGE": "Make the file smaller than 50 MiB (52,428,800 bytes) and save it again.",
    "NOT_AN_IMAGE": "Put an image in its place, or move it out of the folder.",
    "INCOMPLETE": "Copy the file again; its end is missing.",
    "CANCELLED": "It was cancelled at the service. Touch the file to send it again.",
    "NO_SUBJECT_FOUND": "Use a photo with one clear subject, then save it again.",
}

_UNKNOWN_REMEDY = (
    "It may have been paid for already, so it is not sent again by itself. The operator can look for it at the "
    "service and then run `runflowd retry`."
)


def note_for(item: Item) -> str:
    """The text of the note about one item."""
    moment = datetime.fromtimestamp(item.ended_at or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = _REMEDIES.get(item.failure_code, "Touch or replace the file to try again, or ask the operator.")
    if item.state is ItemState.UNKNOWN:
        remedy = _UNKNOWN_REMEDY
    lines = [
        f"File:    {item.path}",
        f"Why:     {item.failure or item.failure_code or 'no reason was given'}",
        f"When:    {moment}",
        f"What to do: {remedy}",
        "",
        f"(rule {item.rule}, code {item.failure_code or 'none'}, reference {item.client_ref})",
        "This note disappears when the file has been processed.",
    ]
    return "\n".join(lines)
