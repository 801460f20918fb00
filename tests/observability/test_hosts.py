"""The hosts as people see them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runflowd.commands.hosts import _state
from runflowd.core.fleet import RuleFacts, to_text
from runflowd.observability.hosts import host_rows
from runflowd.store.hosts import Session, drain, hosts, see
from runflowd.store.schema import create_if_missing
from runflowd.store.sqlite import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runflowd.store import Connection

NOW = 1_800_000_000.0
ATTIC = Session("two", "attic", alone=False)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A store without hosts."""
    create_if_missing(tmp_path / "state.db")
    with closing(connect(tmp_path / "state.db")) as made:
        yield made


def row(connection: Connection, facts: RuleFacts, later: float = 0.0) -> dict[str, Any]:
    """What is shown of a host, so many seconds after it said these facts."""
    see(connection, ATTIC, to_text({"studio": facts}), 0.0, NOW)
    return host_rows(connection, hosts(connection, NOW + later))[0]


@pytest.mark.parametrize(
    ("expected", "facts"),
    [(["studio"], RuleFacts("text")), ([], RuleFacts("text", looked=False)), ([], RuleFacts("text", True, True))],
    ids=["it has none", "it has not looked yet", "it has them"],
)
def test_a_host_lacks_what_it_has_looked_for(connection: Connection, expected: list[str], facts: RuleFacts) -> None:
    """Nothing is said of one that only starts."""
    found = row(connection, facts)

    assert (expected, expected) == (found["unseen"], found["undelivered"])


@pytest.mark.parametrize(("later", "state"), [(2.0, "working"), (9.0, "working, silent for 9 s")])
def test_a_host_that_is_not_heard_of_is_shown_as_silent(connection: Connection, later: float, state: str) -> None:
    """Before its lease ends: one sign of life may fail to come."""
    found = row(connection, RuleFacts("text"), later)

    assert (later, state) == (found["seen_ago"], _state(found))


def test_a_host_that_is_gone_is_shown_as_that(connection: Connection) -> None:
    """With nothing in hand, and for how long nothing was heard of it."""
    see(connection, ATTIC, to_text({"studio": RuleFacts("text")}), 0.0, NOW)
    see(connection, Session("one", "atelier", alone=False), "{}", 0.0, NOW + 60)
    gone = next(each for each in host_rows(connection, hosts(connection, NOW + 60)) if each["name"] == "attic")

    assert ("gone, silent for 60 s", [], 0) == (_state(gone), gone["intake"], gone["files"])


def test_the_rules_that_wait_for_a_drained_host_are_shown(connection: Connection) -> None:
    """As long as it is drained."""
    drain(connection, "attic")

    assert ["studio"] == row(connection, RuleFacts("text", True, True))["waiting"]
