"""What is remembered of the results of a recipe: whether any was delivered, and how many could not be since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.undeliverable import after_doubt, after_failure, after_success, holds, stops
from runflowd.store.kv import stored_value
from runflowd.store.pauses import end_holds

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def results_key(recipe: str) -> str:
    """Under which key that is remembered of a recipe at a service."""
    return f"results:{recipe}"


def resumed_key(rule: str) -> str:
    """Under which key it is stored when a person let a rule go on in spite of its results."""
    return f"resumed:{rule}"


def note_delivered(connection: Connection, service: str, recipe: str) -> list[str]:
    """A result was delivered; give the rules that go on for it. Written only when it is news: every file tells it."""
    key, value = results_key(recipe), after_success()
    if stored_value(connection, service, key) != value:
        connection.run("save_value", service=service, key=key, value=value)
    return end_holds(connection, recipe)


def note_undeliverable(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for cannot be delivered; give whether no more are to be bought by this recipe."""
    value = after_failure(stored_value(connection, service, results_key(recipe)) or "", item)
    connection.run("save_value", service=service, key=results_key(recipe), value=value)
    return stops(value) and not _is_resumed(connection, item)


def note_doubt(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for may come or not; give whether no more are to be bought before that is known."""
    before = stored_value(connection, service, results_key(recipe)) or ""
    value = after_doubt(before, item)
    if value != before:
        connection.run("save_value", service=service, key=results_key(recipe), value=value)
    return holds(value) and not _is_resumed(connection, item)


def note_resumed(connection: Connection, rule: str, now: float) -> None:
    """A person lets a rule go on: what was bought until now neither holds nor stops it again."""
    connection.run("save_value", service="", key=resumed_key(rule), value=str(now))


def _is_resumed(connection: Connection, item: int) -> bool:
    return connection.one("bought_before_resume", id=item) is not None
