"""What is remembered of the results of a recipe: whether any was delivered, and how many could not be since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.core.undeliverable import after_doubt, after_failure, after_success, holds, stops
from runflowd.store.facts import fact
from runflowd.store.pauses import end_holds

if TYPE_CHECKING:
    from runflowd.store.connection import Connection


def results_subject(recipe: str) -> str:
    """Under which subject that is remembered of a recipe at a service."""
    return f"results:{recipe}"


def resumed_fact(rule: str) -> str:
    """The subject of the fact when a person let a rule go on in spite of its results."""
    return f"resumed:{rule}"


def note_delivered(connection: Connection, service: str, recipe: str) -> list[str]:
    """A result was delivered; give the rules that go on for it. Written only when it is news: every file tells it."""
    subject, value = results_subject(recipe), after_success()
    if fact(connection, service, subject) != value:
        connection.run("save_fact", service=service, subject=subject, value=value)
    return end_holds(connection, recipe)


def note_undeliverable(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for cannot be delivered; give whether no more are to be bought by this recipe."""
    value = after_failure(fact(connection, service, results_subject(recipe)) or "", item)
    connection.run("save_fact", service=service, subject=results_subject(recipe), value=value)
    return stops(value) and not _is_resumed(connection, item)


def note_doubt(connection: Connection, service: str, recipe: str, item: int) -> bool:
    """A result that is paid for may come or not; give whether no more are to be bought before that is known."""
    before = fact(connection, service, results_subject(recipe)) or ""
    value = after_doubt(before, item)
    if value != before:
        connection.run("save_fact", service=service, subject=results_subject(recipe), value=value)
    return holds(value) and not _is_resumed(connection, item)


def note_resumed(connection: Connection, rule: str, now: float) -> None:
    """A person lets a rule go on: what was bought until now neither holds nor stops it again."""
    connection.run("save_fact", service="", subject=resumed_fact(rule), value=str(now))


def _is_resumed(connection: Connection, item: int) -> bool:
    return connection.one("bought_before_resume", id=item) is not None
