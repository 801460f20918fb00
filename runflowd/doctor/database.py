"""The state in a database on a server: can it be used, does it keep what it confirms, and does its clock go right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runflowd.doctor.findings import Finding, good, note, problem, warning
from runflowd.doctor.state import STATE, check_incidents
from runflowd.errors import StoreError
from runflowd.store import reading
from runflowd.store.opening import examine_database
from runflowd.store.reports import incidents

if TYPE_CHECKING:
    from runflowd.core.database import Database
    from runflowd.store.postgresql.examining import Examined

CLOCK_TOLERANCE = 5.0
"""Seconds that two clocks may differ; leases are for a minute, and days begin at midnight."""


def probe_database(database: Database) -> list[Finding]:
    """Ask the server. Blocks for as long as it takes to answer."""
    try:
        found = examine_database(database)
        open_now = []
        if found.schema == found.known:
            with reading(database) as connection:
                open_now = check_incidents(incidents(connection))
    except StoreError as error:
        message = str(error).removeprefix(f"{database}: ")
        return [problem(STATE, str(database), message, "until then no file is sent and nothing is bought")]
    return [check_schema(database, found), *check_settings(database, found), *open_now]


def check_schema(database: Database, found: Examined) -> Finding:
    """What is in it."""
    server = f"PostgreSQL {found.version}"
    if found.schema == 0:
        return note(STATE, str(database), f"is empty ({server}): the first `runflowd run` or `sync` makes its tables")
    if found.schema < found.known:
        remedy = f"copy it by pg_dump, then start this version's daemon: it brings it to schema {found.known}"
        return warning(STATE, str(database), f"has schema {found.schema}, of an older runflowd ({server})", remedy)
    return good(STATE, str(database), f"has schema {found.schema} ({server})")


def check_settings(database: Database, found: Examined) -> list[Finding]:
    """Whether what it confirms is kept, nobody listens, and its clock goes as ours does."""
    place, findings = str(database), []
    for name in ("fsync", "full_page_writes"):
        if found.settings[name] != "on":
            message = f"has {name} off: a crash of its machine can damage it, and it holds what was paid for"
            findings.append(problem(STATE, place, message, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()"))
    if found.settings["synchronous_commit"] == "off":
        message = "has synchronous_commit off: what it confirmed last may be gone after a crash, and is bought again"
        findings.append(problem(STATE, place, message, "ALTER ROLE the user of `state` SET synchronous_commit = on"))
    if found.settings["default_transaction_read_only"] == "on":
        message = "takes no changes (default_transaction_read_only is on), as when its disk is nearly full"
        findings.append(problem(STATE, place, message, "see why, then ALTER DATABASE it RESET that setting"))
    if not found.may_create:
        message = "lets its role make no tables, which the first start and an upgrade do"
        findings.append(problem(STATE, place, message, "ALTER DATABASE it OWNER TO the user of `state`"))
    if found.encrypted is False:
        remedy = "add sslmode=verify-full and sslrootcert=FILE to the address, and ssl = on to the server"
        findings.append(warning(STATE, place, "is reached over a network in the clear", remedy))
    if abs(found.ahead) > CLOCK_TOLERANCE:
        way = "ahead of" if found.ahead > 0 else "behind"
        message = f"its server's clock is {abs(found.ahead):.0f} s {way} the one here"
        findings.append(warning(STATE, place, message, "let both keep time: systemd-timesyncd or chrony"))
    return findings or [good(STATE, place, "keeps what it confirms, and its clock goes as the one here")]
