"""Two hosts on one store, in virtual time: who does what, who takes over, and what holds for both."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
import trio
from new_state import new_state
from stage_rig import EPOCH, rule
from virtual_clock import patient_clock

from runflowd.api.client import Runflow
from runflowd.api.settings import Service
from runflowd.core.fleet import LEASE, STOP_AFTER, UNSEEN
from runflowd.core.incident_scope import CREDIT, NO_SPACE, SERVICE, ScopeKind
from runflowd.fleet.disagreement import GRACE
from runflowd.fleet.membership import Membership
from runflowd.observability.incidents import IncidentReport, Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.pipeline.track.above_estimate import report_prices
from runflowd.store.gone_hosts import forget_gone
from runflowd.store.hosts import Session, drain, enter, hosts, leave, undo_drain
from runflowd.store.reports import incidents
from runflowd.store.sqlite import connect
from runflowd.store.store import Store
from runflowd.system.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runflowd.core.model import Rule
    from runflowd.store.hosts import Host as OnRecord

pytestmark = pytest.mark.anyio

EMPTY_ACCOUNT = IncidentReport(CREDIT, "OUT_OF_CREDIT", "no credit is left", "Add some", wait=60.0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time jumps to the next deadline once nothing else is to be done."""
    return "trio", {"clock": patient_clock()}


class Host:
    """A member whose loop can be let go silent, as a process that is stopped does."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._loop = anyio.CancelScope()

    async def run(self) -> None:
        """Be a member until silenced."""
        self._loop = anyio.CancelScope()
        with self._loop:
            await Membership(self.context).run()

    def silence(self) -> None:
        """Say nothing any more; what was claimed is still its own for a while."""
        self._loop.cancel()

    async def on_record(self) -> list[OnRecord]:
        """Every host that the store knows."""
        return await self.context.store.read(lambda connection: hosts(connection, self.context.clock.wall()))

    async def incidents(self) -> list[tuple[str, str]]:
        """The open ones that people see: each scope, and the host it is of."""
        return sorted((each.scope, each.host) for each in await self.context.store.read(incidents))

    @property
    def intake(self) -> set[str]:
        """The rules whose intake it believes to do."""
        return set(self.context.duties.intake or ())


@asynccontextmanager
async def members(folder: Path, *names: str) -> AsyncIterator[list[Host]]:
    """Hosts that came one after the other, over one store and one share."""
    virtual, state = trio.lowlevel.current_clock(), folder / "state.db"
    started = virtual.current_time()
    clock = Clock(lambda: EPOCH + virtual.current_time() - started, lambda: 0.0)
    new_state(state)
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        found = []
        for name in names:
            writer, reader = connect(state), connect(state, readonly=True)
            stack.callback(writer.close)
            stack.callback(reader.close)
            store = Store(state, Session(name, name, alone=False), writer, reader)
            await store.write(lambda connection, store=store: enter(connection, store.session, clock.wall()))  # type: ignore[misc]
            api = await stack.enter_async_context(Runflow(Service("https://api.test"), patient=True))
            rules = {"studio": rule(folder)}
            context = Context(store, clock, Incidents(store, clock), ServiceClient("test", api), rules)
            context.duties = UNSEEN
            found.append(Host(context))
            group.start_soon(found[-1].run)
            await anyio.sleep(3)
        yield found
        group.cancel_scope.cancel()


def edit(host: Host, changed: Rule) -> None:
    """Another text of the rule on one host, as a reload has it."""
    host.context.rules = {"studio": changed}


async def test_the_first_does_the_intake_and_both_do_all_else(tmp_path: Path) -> None:
    """Messages are sent by one; the folders that results go to are marked by the one that does the intake."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await anyio.sleep(10)
        duties = [host.context.duties for host in (first, second)]

    assert [{"studio"}, set()] == [first.intake, second.intake]
    assert [True, False] == [each.notifies for each in duties]
    assert [(frozenset(), frozenset())] * 2 == [(each.unsent, each.undelivered) for each in duties]
    assert all(each.may_claim(0.0) for each in duties)


async def test_a_silent_host_stops_before_another_takes_over(tmp_path: Path) -> None:
    """After ten seconds it claims, buys and places nothing; after fifteen its work is another one's."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        first.silence()
        at = first.context.clock.now()
        while first.context.may_claim():
            await anyio.sleep(0.5)
        stopped, taken = first.context.clock.now() - at, second.intake
        while not second.intake:
            await anyio.sleep(0.5)
        took = first.context.clock.now() - at

    assert set() == taken
    assert stopped <= STOP_AFTER + 0.5
    assert LEASE - 3.5 <= took <= LEASE + 3.0


@pytest.mark.parametrize("by", ["it is back", "it was removed", "it was drained"])
async def test_a_host_that_died_is_an_incident_until_it_is_not_missed_any_more(tmp_path: Path, by: str) -> None:
    """Which says what it held and who has that now (scenario 160)."""
    async with members(tmp_path, "atelier", "attic") as (first, second), anyio.create_task_group() as group:
        first.silence()
        await anyio.sleep(25)
        (said,) = second.context.incidents.snapshot()
        seen = await first.incidents()
        if by == "it is back":
            group.start_soon(first.run)
        else:
            await second.context.store.write(lambda made: (drain if "drain" in by else forget_gone)(made, "atelier"))
        await anyio.sleep(5)
        left = await first.incidents()
        group.cancel_scope.cancel()

    assert ("HOST_GONE", [("host:atelier", "")], []) == (said.code, seen, left)
    assert "It held the intake of studio and the messages. Now attic has the intake of studio and" in said.message


async def test_a_host_that_died_is_told_by_the_one_that_has_the_messages_then(tmp_path: Path) -> None:
    """By one at a time, whoever dies next; who stopped in order is not missed."""
    async with members(tmp_path, "atelier", "attic", "cellar") as (first, second, third):
        first.silence()
        await anyio.sleep(25)
        before = await third.incidents()
        clock, store = second.context.clock, second.context.store
        second.silence()
        await store.write(lambda connection: leave(connection, store.session, clock.wall()))
        await third.context.incidents.forget_left()  # as whoever starts next does
        await anyio.sleep(10)
        after = await third.incidents()

    assert [[("host:atelier", "")]] * 2 == [before, after]


async def test_a_host_that_comes_back_finds_out_what_it_lost(tmp_path: Path) -> None:
    """It is seen again, and does what nobody has taken over."""
    async with members(tmp_path, "atelier", "attic") as (first, second), anyio.create_task_group() as group:
        first.silence()
        await anyio.sleep(30)
        group.start_soon(first.run)
        await anyio.sleep(5)
        found = first.intake, second.intake, first.context.may_claim()
        group.cancel_scope.cancel()

    assert (set(), {"studio"}, True) == found


async def test_who_leaves_leaves_its_work_at_once(tmp_path: Path) -> None:
    """As a daemon that is stopped does."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        first.silence()
        clock, store = first.context.clock, first.context.store
        await store.write(lambda connection: leave(connection, store.session, clock.wall()))
        await anyio.sleep(3)

        assert {"studio"} == second.intake


@pytest.mark.parametrize("stops", [False, True], ids=["it died", "it was stopped"])
async def test_what_another_host_had_in_hand_is_looked_for_once_it_is_free(tmp_path: Path, *, stops: bool) -> None:
    """Also by the one that is left alone with the duties it had before: nothing else wakes its stages then."""
    async with members(tmp_path, "atelier", "attic") as (first, second), anyio.create_task_group() as group:
        context, other, woken = first.context, second.context.store, []

        async def wait_for_work() -> None:
            while await context.stage_events.deliver.wait(60):
                woken.append(context.clock.now())

        group.start_soon(wait_for_work)
        second.silence()
        if stops:
            await other.write(lambda connection: leave(connection, other.session, context.clock.wall()))
        while any(not each.held for each in await first.on_record() if each.name == "attic"):
            await anyio.sleep(0.1)
        free_at = context.clock.now()
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert -0.2 < woken[-1] - free_at < 1.5


async def test_a_drained_host_takes_nothing_and_hands_over(tmp_path: Path) -> None:
    """Until that is undone."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await first.context.store.write(lambda connection: drain(connection, "atelier"))
        await anyio.sleep(5)
        drained = first.intake, second.intake, first.context.may_claim(), second.context.duties.notifies
        await first.context.store.write(lambda connection: undo_drain(connection, "atelier"))
        await anyio.sleep(5)

        assert (set(), {"studio"}, False, True) == drained
        assert first.context.may_claim()


async def test_what_closes_the_account_for_one_closes_it_for_all(tmp_path: Path) -> None:
    """Within a second or two, until the one that found it says that it is over."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await first.context.incidents.report(EMPTY_ACCOUNT)
        await anyio.sleep(2)
        closed = second.context.incidents.closed_for(CREDIT)
        await first.context.incidents.resolve(CREDIT)
        await anyio.sleep(2)

        assert 50 < closed <= 60
        assert 0.0 == second.context.incidents.closed_for(CREDIT)


async def test_a_rule_that_is_closed_for_one_is_closed_for_all(tmp_path: Path) -> None:
    """The other one would have the very same refusal."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        refused = IncidentReport(ScopeKind.RULE.of("studio"), "RULE_REFUSED", "no such input", "Correct it", wait=60.0)
        await first.context.incidents.report(refused)
        await anyio.sleep(2)

        assert ["studio"] == second.context.incidents.paused_rules()


@pytest.mark.parametrize(
    "report",
    [
        IncidentReport(SERVICE, "UNREACHABLE", "no answer", "Mend the network", wait=60.0),
        IncidentReport(SERVICE, "UNAUTHORIZED", "refused", "Correct the key", wait=60.0),
        IncidentReport(ScopeKind.RULE.of("studio"), NO_SPACE, "the disk is full", "Make room", wait=60.0),
    ],
    ids=lambda report: report.code,
)
async def test_what_one_host_lacks_closes_nothing_for_another(tmp_path: Path, report: IncidentReport) -> None:
    """Its network, its key and its disk are its own."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await first.context.incidents.report(report)
        await anyio.sleep(2)

        assert (0.0, []) == (second.context.incidents.closed_for(SERVICE), second.context.incidents.paused_rules())


async def test_a_price_that_is_right_again_ends_what_a_drained_host_has_said_of_it(tmp_path: Path) -> None:
    """It has no results any more by which it could see that itself."""
    batch, item = SimpleNamespace(service="test", rule="studio", model="m"), SimpleNamespace(estimate_high=Decimal(1))
    dear, fair = (cast("Any", [(item, SimpleNamespace(cost=Decimal(cost)))]) for cost in (2, 1))
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await report_prices(first.context, cast("Any", batch), dear)
        await first.context.store.write(lambda connection: drain(connection, "atelier"))
        await anyio.sleep(2)
        said = await second.incidents()
        await report_prices(second.context, cast("Any", batch), fair)

        assert ([("price:studio", "")], []) == (said, await second.incidents())


async def test_an_incident_of_one_host_is_no_other_one_s_to_renew_or_to_end(tmp_path: Path) -> None:
    """Each has its own disk: of two that are full one may have room again."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        full = IncidentReport(ScopeKind.OUTPUT.of("studio"), "OUTPUT_UNUSABLE", "closed", "Open it")
        for host in (first, second):
            await host.context.incidents.report(full)
        both = await first.incidents()
        await second.context.incidents.resolve(full.scope)
        left = await first.incidents()

    assert [("output:studio", "atelier"), ("output:studio", "attic")] == both
    assert [("output:studio", "atelier")] == left


async def test_two_texts_of_a_rule_are_told_once_they_last(tmp_path: Path) -> None:
    """The second sends nothing of it meanwhile; an edit that reaches both in time is none."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        changed = replace(first.context.rules["studio"], settle=9.0)
        edit(first, changed)
        await anyio.sleep(GRACE - 3)
        early = second.context.incidents.snapshot()
        await anyio.sleep(6)
        (told,) = second.context.incidents.snapshot()
        unsent = second.context.duties.unsent
        edit(second, changed)
        await anyio.sleep(10)

        assert ((), "RULE_DIFFERS", ["studio"]) == (early, told.code, list(unsent))
        assert ("host attic" in told.message, "host atelier" in told.message) == (True, True)
        assert ((), frozenset()) == (second.context.incidents.snapshot(), second.context.duties.unsent)


async def test_a_share_that_is_gone_on_a_host_is_another_one_s_work(tmp_path: Path) -> None:
    """Where no host has it, one tells."""
    async with members(tmp_path, "atelier", "attic") as (first, second):
        await anyio.sleep(6)
        (tmp_path / "out").rename(tmp_path / "away")
        (tmp_path / "out").mkdir()
        await anyio.sleep(15)
        gone = [list(host.context.duties.undelivered) for host in (first, second)]
        told = [[each.code for each in host.context.incidents.snapshot()] for host in (first, second)]
        (tmp_path / "out").rmdir()
        (tmp_path / "away").rename(tmp_path / "out")
        await anyio.sleep(15)

        assert ([["studio"], ["studio"]], [["OUTPUT_NOWHERE"], []]) == (gone, told)
        assert [frozenset(), frozenset()] == [host.context.duties.undelivered for host in (first, second)]
        assert () == first.context.incidents.snapshot()
