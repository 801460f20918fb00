"""What is remembered of the results of a recipe: whether any was delivered, and how many could not be since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.undeliverable import after_failure, after_success, stops
from runflowd.store.facts import fact

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def results_subject(recipe: str) -> str:
    """Under which subject that is remembered of a recipe at a service."""
    return f"results:{recipe}"


def note_delivered(connection: Connection, service: str, recipe: str) -> None:
    """A result was delivered. Written only when that is news: it is told of every file."""
    subject, value = results_subject(recipe), after_success()
    if fact(connection, service, subject) != value:
        connection.run("save_fact", service=service, subject=subject, value=value)


def note_undeliverable(connection: Connection, service: str, recipe: str) -> bool:
    """A result that is paid for cannot be delivered; give whether no more are to be bought by this recipe."""
    subject = results_subject(recipe)
    value = after_failure(fact(connection, service, subject) or "")
    connection.run("save_fact", service=service, subject=subject, value=value)
    return stops(value)
