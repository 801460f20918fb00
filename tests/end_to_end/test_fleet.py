"""Several daemons on one share and one PostgreSQL: one purchase a content, every result once, whoever dies."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from daemon_process import HOLD, until
from postgres_server import Server, quick_server

pytest.importorskip("psycopg")

from daemons import Fleet
from dropping_proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon_process import Service

pytestmark = [pytest.mark.promise, pytest.mark.waits]

FAILOVER = 20.0
"""Seconds within which another host goes on."""

AT_ONCE = 12.0
"""Seconds within which a host goes on that is started again: less than the lease of the one that was killed."""

PURCHASE = "POST /v1/models/{owner}/{slug}/batches"
PRICED: dict[str, Any] = {
    "model": "runflow/upscale",
    "input": {"image_url": "${file.url}", "output_format": "jpeg", "upscale_factor": 2},
}
"""What costs something."""

SLOW = 3.0
"""Seconds that a purchase or a download takes, so that it is under way when something happens."""

LONG = 8.0
"""Seconds that a download takes where a purchase is to begin and to be seen meanwhile."""

SLOW_PURCHASES = {"route": "POST /v1/models/*", "kind": "late", "seconds": SLOW, "count": None}
SLOW_DOWNLOADS = {"route": "GET /storage/*", "kind": "slow", "seconds": SLOW, "count": None}


@pytest.fixture
def fleet(tmp_path: Path, service: Service) -> Iterator[Fleet]:
    """No host yet."""
    with quick_server().empty() as database:
        made = Fleet(tmp_path / "share", service, database)
        yield made
        made.end()


def test_two_hosts_share_the_work_and_the_books(fleet: Fleet) -> None:
    """One does the intake, both send and place; the commands tell of both, and one that stops leaves at once."""
    first = fleet.start("atelier")
    fleet.start("attic")
    fleet.write(*(f"a{number}.jpg" for number in range(12)))
    fleet.wait_for_results()
    hosts = {row["name"] for row in fleet.rows("SELECT name FROM host")}
    intake = fleet.holder()
    first.stop()
    began = time.monotonic()
    fleet.write("b.jpg")
    fleet.wait_for_results()
    took = time.monotonic() - began

    assert ({"atelier", "attic"}, "atelier", "attic") == (hosts, intake, fleet.holder())
    assert {} == fleet.audit()
    assert took < 10.0


def test_an_empty_account_and_a_word_to_wait_hold_all_hosts(fleet: Fleet) -> None:
    """Nothing fails and nothing is bought; all go on once there is credit, and the seconds are over (scenario 162)."""
    service = fleet.service
    for name in ("atelier", "attic"):
        fleet.start(name, **PRICED)
    fleet.wait_for_holder("atelier")
    service.control(balance="0", api_variants={"retry_after": "seconds"})
    fleet.write(*(f"a{number}.jpg" for number in range(6)))
    until(lambda: fleet.incidents("OUT_OF_CREDIT"), "no credit", explain=fleet.logs)
    time.sleep(3.0)  # the other one hears of it within a second or two
    before = service.requests(PURCHASE)
    fleet.write("b.jpg", "c.jpg")
    time.sleep(3.0)
    tried, states = service.requests(PURCHASE) - before, set(fleet.states().values())
    service.control(balance="1000")
    wait = {"route": "POST /v1/models/*", "kind": "status", "status": 429, "seconds": 2.0, "count": 2}
    service.faults(wait, HOLD)
    fleet.wait_for_results(120.0)

    assert {} == fleet.audit()
    assert tried <= 1
    assert not states & {"failed", "outcome_unknown"}
    assert [] == fleet.incidents("OUT_OF_CREDIT")


def test_another_host_goes_on_where_one_was_killed(fleet: Fleet) -> None:
    """In mid-purchase and in mid-delivery: within twenty seconds, with nothing bought twice or lost (scenario 155).

    Who starts again at once where it was killed has its work back without a wait (scenario 161).
    """
    took = []
    for number, (failpoint, heir) in enumerate((("purchase.answered", "heir"), ("output.reserved", "dying1"))):
        dying = f"dying{number}"
        doomed = fleet.start(dying, failpoint)
        fleet.wait_for_holder(dying)
        fleet.write(f"{number}a.jpg", f"{number}b.jpg", f"{number}c.jpg")
        died = doomed.death()
        fleet.start(heir)
        began = time.monotonic()
        fleet.wait_for_results()
        took.append(time.monotonic() - began)
        fleet.daemons[heir].stop()
        assert -signal.SIGKILL == died

    assert {} == fleet.audit()
    assert took[0] < FAILOVER, took
    assert took[1] < AT_ONCE, took


def test_a_host_that_was_stopped_wakes_up_and_buys_nothing_twice(fleet: Fleet) -> None:
    """SIGSTOP while results are fetched and a purchase is on its way: another takes that over, and the first finds out.

    It is missed until it wakes up (scenarios 156 and 160).
    """
    fleet.service.faults({**SLOW_DOWNLOADS, "seconds": LONG}, SLOW_PURCHASES, HOLD)
    first = fleet.start("atelier")
    fleet.wait_for_holder("atelier")
    fleet.write("a.jpg", "b.jpg")
    until(lambda: "downloading" in fleet.states().values(), "a download", explain=fleet.logs)
    fleet.write("c.jpg")
    until(fleet.is_busy_both_ways, "a download and an intent", explain=fleet.logs)
    first.process.send_signal(signal.SIGSTOP)
    fleet.start("attic")
    began = time.monotonic()
    fleet.write("d.jpg")
    fleet.wait_for_results()
    took = time.monotonic() - began
    missed = until(lambda: fleet.incidents("HOST_GONE"), "the first is missed", explain=fleet.logs)
    first.process.send_signal(signal.SIGCONT)
    until(lambda: "host.back" in first.log(200_000), "the first is back", explain=fleet.logs)
    until(lambda: not fleet.incidents("HOST_GONE"), "it is back", explain=fleet.logs)
    fleet.write("e.jpg")
    fleet.wait_for_results()

    assert {} == fleet.audit()
    assert took < FAILOVER + LONG + 2 * SLOW
    assert "attic" == fleet.holder()
    assert ("host atelier is gone", True) == (missed[0][:20], "attic has the intake of one" in missed[0])


def test_a_server_that_is_killed_and_comes_back_costs_nothing_but_time(tmp_path: Path, service: Service) -> None:
    """`pg_ctl stop -m immediate` under purchases, `-m fast` under deliveries: two hosts go on later (scenario 157)."""
    server = Server("fsync=off")
    try:
        server.execute("CREATE DATABASE fleet TEMPLATE template0")
        fleet = Fleet(tmp_path / "share", service, server.database("fleet"))
        try:
            hosts = [fleet.start("atelier"), fleet.start("attic")]
            fleet.write(*(f"a{number}.jpg" for number in range(6)))
            until(lambda: fleet.rows("SELECT key FROM purchase"), "an intent", explain=fleet.logs)
            server.stop()
            fleet.write("b.jpg")
            hosts[0].process.send_signal(signal.SIGHUP)
            until(lambda: '"stage": "reload"' in hosts[0].log(200_000), "the reload failed", explain=fleet.logs)
            server.start()
            fleet.wait_for_results(120.0)
            service.faults(SLOW_DOWNLOADS, HOLD)
            fleet.write("c.jpg", "d.jpg", "e.jpg")
            until(lambda: "downloading" in fleet.states().values(), "a download", explain=fleet.logs)
            server.stop("fast")
            time.sleep(SLOW)  # what is fetched meanwhile cannot be written down
            server.start()
            fleet.wait_for_results(120.0)

            assert {} == fleet.audit()
            assert [None, None] == [host.process.poll() for host in hosts]
        finally:
            fleet.end()
    finally:
        server.remove()


def test_two_texts_of_one_rule_are_told_and_the_second_host_waits(fleet: Fleet) -> None:
    """The incident names both; draining the first hands the rule over, and the messages with it (scenario 158)."""
    fleet.start("atelier")
    fleet.wait_for_holder("atelier")
    fleet.start("attic", settle="200ms")
    (told,) = until(
        lambda: fleet.rows("SELECT message FROM incident WHERE code = 'RULE_DIFFERS'"), "it is told", explain=fleet.logs
    )
    drained = fleet.ask("attic", "hosts", "drain", "atelier")
    fleet.wait_for_holder("attic")
    until(lambda: not fleet.rows("SELECT 1 FROM incident WHERE message LIKE %s", "%on host attic than%"), "its end")
    fleet.write("a.jpg")
    fleet.wait_for_results()
    listed = fleet.ask("attic", "hosts", "--json")
    undone = fleet.ask("attic", "hosts", "drain", "atelier", "--undo")

    assert ("host attic" in told["message"], "host atelier" in told["message"]) == (True, True)
    assert (0, 0) == (drained.code, undone.code)
    assert {"atelier": ("drained", []), "attic": ("working", ["one"])} == {
        each["name"]: (each["state"], each["intake"]) for each in listed.json["hosts"]
    }
    assert {} == fleet.audit()


def test_a_host_that_is_cut_off_stops_and_another_goes_on(tmp_path: Path, service: Service) -> None:
    """What it sends to the database arrives nowhere, and nobody tells it: in mid-purchase (scenario 159)."""
    server = quick_server()
    with server.empty() as database, Proxy(server.folder / ".s.PGSQL.5432") as proxy:
        fleet = Fleet(tmp_path / "share", service, database)
        fleet.addresses["atelier"] = f"postgresql://runflowd@127.0.0.1:{proxy.port}{urlsplit(database.address).path}"
        try:
            service.faults(SLOW_PURCHASES, HOLD)
            first = fleet.start("atelier")
            fleet.wait_for_holder("atelier")
            fleet.start("attic")
            fleet.write("a.jpg", "b.jpg", "c.jpg")
            until(lambda: fleet.rows("SELECT key FROM purchase"), "an intent", explain=fleet.logs)
            proxy.swallow()
            began = time.monotonic()
            fleet.wait_for_results()
            took = time.monotonic() - began
            proxy.mend()
            until(lambda: len(fleet.living()) == 2, "the first is back", explain=fleet.logs)
            fleet.write("d.jpg")
            fleet.wait_for_results()

            assert {} == fleet.audit()
            assert ("attic", None) == (fleet.holder(), first.process.poll())
            assert took < FAILOVER + 3.0
        finally:
            fleet.end()
