"""What doctor says of a database: whether it can be used, keeps what it confirms, and goes by the same time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from postgres_server import quick_server

from runflowd.core.database import Database
from runflowd.doctor.database import check_schema, check_settings, probe_database
from runflowd.doctor.findings import Level
from runflowd.store.postgresql.errors import remedy_for

if TYPE_CHECKING:
    from runflowd.store.postgresql.examining import Examined

PLACE = Database("postgresql://runflowd@db.example.com/runflowd")


@pytest.fixture
def sound() -> Examined:
    """A database in order."""
    pytest.importorskip("psycopg")
    from runflowd.store.postgresql.examining import Examined

    settings = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "default_transaction_read_only": "off",
    }
    return Examined(22, 22, "15.1", settings, 0.2, encrypted=True, may_create=True)


def levels(found: Examined) -> list[Level]:
    """How bad each finding is."""
    return [each.level for each in (check_schema(PLACE, found), *check_settings(PLACE, found))]


def test_a_database_in_order_is_good(sound: Examined) -> None:
    """Its schema, and all the rest in one line."""
    assert [Level.OK, Level.OK] == levels(sound)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_does_not_keep_what_it_confirms_is_a_problem(sound: Examined, name: str) -> None:
    """What was paid for would be bought again."""
    assert [Level.OK, Level.PROBLEM] == levels(replace(sound, settings={**sound.settings, name: "off"}))


def test_a_database_that_takes_no_changes_or_no_tables_is_a_problem(sound: Examined) -> None:
    """Either stops the first start, or an upgrade."""
    readonly = {**sound.settings, "default_transaction_read_only": "on"}

    assert [Level.OK, Level.PROBLEM] == levels(replace(sound, settings=readonly))
    assert [Level.OK, Level.PROBLEM] == levels(replace(sound, may_create=False))


@pytest.mark.parametrize(("encrypted", "ahead"), [(False, 0.0), (None, 60.0), (True, -60.0)])
def test_what_may_do_harm_is_a_warning(sound: Examined, encrypted: bool | None, ahead: float) -> None:
    """A way in the clear, and a clock that is off."""
    assert [Level.OK, Level.WARNING] == levels(replace(sound, encrypted=encrypted, ahead=ahead))


@pytest.mark.parametrize(("schema", "level"), [(0, Level.NOTE), (21, Level.WARNING)])
def test_an_older_schema_is_brought_up_to_date_by_the_daemon(sound: Examined, schema: int, level: Level) -> None:
    """None at all is no trouble."""
    assert [level, Level.OK] == levels(replace(sound, schema=schema))


def test_a_real_server_is_examined() -> None:
    """The one of these tests is quick and forgets, which is found out; one that is not there is a problem."""
    database = quick_server().prepared()
    found = probe_database(database)
    gone = probe_database(Database(database.address.replace("/prepared", "/nowhere")))

    assert ["fsync off", "full_page_writes off", "synchronous_commit off"] == [
        " ".join(each.message.split()[1:3]).rstrip(":") for each in found if each.level is Level.PROBLEM
    ]
    assert [(Level.PROBLEM, True)] == [(each.level, "does not exist" in each.message) for each in gone]


@pytest.mark.parametrize(
    ("expected", "address"), [(False, ""), (False, "127.0.0.1"), (False, "::1"), (True, "192.0.2.7"), (True, "fe80::1")]
)
def test_this_machine_is_no_network(*, expected: bool, address: str) -> None:
    """Nobody hears what goes to a socket or a loopback address, so it need not be encrypted."""
    pytest.importorskip("psycopg")
    from runflowd.store.postgresql.examining import is_network

    assert expected == is_network(address)


@pytest.mark.parametrize(
    ("named", "environment"), [("passfile=", {}), ("variable PGPASSWORD is set", {"PGPASSWORD": "secret"})]
)
def test_the_password_that_was_refused_is_named(named: str, environment: dict[str, str]) -> None:
    """The variable goes before the file, which may be right."""
    said = remedy_for('FATAL: password authentication failed for user "runflowd"', environment)

    assert (True, False) == (named in said, "secret" in said)
