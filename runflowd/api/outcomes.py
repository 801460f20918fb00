"""How a run, an item or a batch fared: the words for a status, and why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.api.redaction import redact
from runflowd.api.scalars import first, text
from runflowd.api.values import UNDERWAY, Failure, Status

if TYPE_CHECKING:
    from runflowd.api.envelopes import Record
    from runflowd.core.model import Json

_WORDS = {
    **dict.fromkeys(UNDERWAY, Status.PENDING),
    "succeeded": Status.SUCCEEDED,
    "success": Status.SUCCEEDED,
    "completed": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "errored": Status.FAILED,
    "error": Status.FAILED,
    "cancelled": Status.CANCELLED,
    "canceled": Status.CANCELLED,
    "partial_succeeded": Status.PARTIAL,
    "partially_succeeded": Status.PARTIAL,
    "partial": Status.PARTIAL,
}

_FAILURE_FIELDS = (
    "failure_code",
    "failure_message",
    "failure_stage_code",
    "failure_stage",
    "error",
    "failure_reason",
)

MESSAGE_LIMIT = 2000
"""Characters of a failure message that are kept."""


def status(*records: Record) -> tuple[Status, str]:
    """Return the status and the word it was spelled with, from the first record that has one."""
    for one in records:
        label = text(first(one, "status_code", "status"))
        if label in _WORDS:
            return _WORDS[label], label
        if word := redact(label, 60):
            return _WORDS.get(_plain(word), Status.PENDING), word
    return Status.PENDING, ""


def is_documented(word: str) -> bool:
    """Tell whether a status word, as `status` gave it, is one that somebody has written down."""
    return _plain(word) in _WORDS


def is_partial(word: str) -> bool:
    """Tell whether a status word, as `status` gave it, says that some of the whole is missing."""
    return _WORDS.get(_plain(word)) is Status.PARTIAL


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def failure(*records: Record) -> Failure | None:
    """Return why a run failed: `failure_*` fields first, then `error`, then `failure_reason`."""
    if not any(one.get(name) for one in records for name in _FAILURE_FIELDS):
        return None
    found = [_declared(one) for one in records]
    found += [_error(one.get(name)) for name in ("error", "failure_reason") for one in records]
    code = next((one.code for one in found if one.code), "")
    message = next((one.message for one in found if one.message), "")
    stage = next((one.stage for one in found if one.stage), "")
    return Failure(code, message, stage) if code or message or stage else None


def _declared(one: Record) -> Failure:
    return Failure(
        redact(text(one.get("failure_code")), 80),
        redact(text(one.get("failure_message")), MESSAGE_LIMIT),
        redact(text(first(one, "failure_stage_code", "failure_stage")), 80),
    )


def _error(value: Json) -> Failure:
    if isinstance(value, dict):
        words = first(value, "message", "detail", "msg", "error_message")
        return Failure(
            redact(text(first(value, "code", "error_type", "type")), 80),
            redact(text(words), MESSAGE_LIMIT),
            redact(text(first(value, "stage", "stage_code")), 80),
        )
    return Failure(message=redact(text(value), MESSAGE_LIMIT))
