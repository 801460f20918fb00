"""What a service was seen to take, kept in the state file: learnt from one refusal, used by every later purchase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runflowd.core.refusal import CALLBACK_URL, OPTIONAL_FIELDS, Habits, Shape
from runflowd.store.connection import stored_value

if TYPE_CHECKING:
    from runflowd.core.refusal import BodyFormat
    from runflowd.store import Connection

BODY_KEY = "batch-body"


def takes_key(model: str) -> str:
    """Under which key it is remembered whether a model takes batches."""
    return f"takes-batches:{model}"


def _omitted_key(shape: Shape) -> str:
    return f"omitted:{shape}"


def habits_of(connection: Connection, service: str, model: str, callback_url: str) -> Habits:
    """What is known of a service and a model. An address for callbacks that was refused counts for that one alone."""
    return Habits(
        stored_value(connection, service, BODY_KEY) or None,
        stored_value(connection, service, takes_key(model)),
        {shape: _omitted(connection, service, shape, callback_url) for shape in Shape},
    )


def _omitted(connection: Connection, service: str, shape: Shape, callback_url: str) -> frozenset[str]:
    known: dict[str, str] = json.loads(stored_value(connection, service, _omitted_key(shape)) or "{}")
    return OPTIONAL_FIELDS & {name for name, value in known.items() if name != CALLBACK_URL or value == callback_url}


def learn_omitted(connection: Connection, service: str, body_format: BodyFormat, callback_url: str) -> None:
    """Remember which fields are to be left out of a shape."""
    known = {name: callback_url if name == CALLBACK_URL else "" for name in sorted(body_format.omitted)}
    learn(connection, service, _omitted_key(body_format.shape), json.dumps(known))


def learn(connection: Connection, service: str, key: str, value: str) -> None:
    """Remember one fact of a service; "" forgets it."""
    connection.run("save_value", service=service, key=key, value=value)
