"""What people hear of a day with trouble: virtual time, a real state file, and a webhook that remembers."""

from __future__ import annotations

import errno
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
import trio
from chosen_state import state_of
from failing_calls import Calls, fail_database
from stage_rig import EPOCH, PATIENT, running

from runflowd.api.client import Runflow
from runflowd.api.hooks import Hooks
from runflowd.api.settings import Service
from runflowd.app.reload import Reloading
from runflowd.config import Notify, Webhook, load
from runflowd.config.snapshot import FolderNotices
from runflowd.core.incident_scope import SERVICE, ScopeKind
from runflowd.core.lifecycle import ItemState
from runflowd.core.model import Stat
from runflowd.core.money import Budget, Money, Stop
from runflowd.core.notices import Kind
from runflowd.errors import StoreError
from runflowd.notify import NotificationSender
from runflowd.observability.incidents import IncidentReport, Incidents
from runflowd.pipeline.context import Context, ServiceClient
from runflowd.store import open_store
from runflowd.store.arrivals import set_aside
from runflowd.system.clock import Clock
from runflowd.system.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from runflowd.store import Connection

pytestmark = pytest.mark.anyio

NOTIFY = Notify(webhook=Webhook("https://hooks.test/secret-path"))
GONE = IncidentReport(SERVICE, "UNREACHABLE", "nobody answers", "Wait")
DAY = 24 * 3600.0


@dataclass
class Ear:
    """A webhook: what it heard, and the status by which it answers."""

    status: int = 200
    calls: int = 0
    heard: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self.status == 200:
            self.heard.append(json.loads(request.content))
        return httpx.Response(self.status)

    @property
    def kinds(self) -> list[str]:
        """The kinds of messages, in their order."""
        return [each["kind"] for each in self.heard]

    @property
    def codes(self) -> list[str]:
        """What they were about."""
        return [each["code"] for each in self.heard]


class Desk:
    """A state file over several lives of the daemon, and wall time that can be moved on."""

    def __init__(self, folder: Path) -> None:
        self.ear = Ear()
        self.later = 0.0
        self._folder = folder
        self._clock = trio.lowlevel.current_clock()

    def wall(self) -> float:
        """Epoch seconds; also asked in worker threads, where no event loop is at hand."""
        return EPOCH + self._clock.current_time() % 1e6 + self.later

    @asynccontextmanager
    async def life(self, notify: Notify = NOTIFY) -> AsyncIterator[Context]:
        """One life: its start forgets all incidents, and the loop that tells people is at work."""
        async with open_store(state_of(self._folder)) as store, Runflow(Service("https://api.test")) as api:
            clock = Clock(self.wall, lambda: 0.0)
            context = Context(store, clock, Incidents(store, clock), ServiceClient("test", api), {})
            await context.incidents.forget_left()
            async with telling(context, self.ear, notify):
                yield context


@asynccontextmanager
async def telling(context: Context, ear: Ear, notify: Notify) -> AsyncIterator[None]:
    """The loop that tells people at work."""
    context.incidents.notify = notify
    async with anyio.create_task_group() as group:
        group.start_soon(NotificationSender(context, lambda: True, Hooks(PATIENT, httpx.MockTransport(ear))).run)
        yield
        group.cancel_scope.cancel()


async def lasting(context: Context, trouble: IncidentReport, seconds: float) -> None:
    """Trouble that is met again and again."""
    for _ in range(int(seconds // 10)):
        await context.incidents.report(trouble)
        await anyio.sleep(10)


async def test_trouble_that_lasts_is_one_message(tmp_path: Path) -> None:
    """However often it is met; and one when it is over."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 600)
        before = list(desk.ear.kinds)
        await context.incidents.resolve(SERVICE)
        await anyio.sleep(400)

    assert (["incident"], ["incident", "resolved"]) == (before, desk.ear.kinds)
    assert "service is well again after 10m (UNREACHABLE)" == desk.ear.heard[1]["message"]


async def test_a_hiccup_is_not_reported(tmp_path: Path) -> None:
    """What is over before `after` wakes nobody, and neither does its end."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 30)
        await context.incidents.resolve(SERVICE)
        await anyio.sleep(600)

    assert [] == desk.ear.kinds


async def test_trouble_that_comes_and_goes_is_one_incident(tmp_path: Path) -> None:
    """Its end is told when it has stayed away, with how often it came."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        for _ in range(10):
            await lasting(context, GONE, 50)
            await context.incidents.resolve(SERVICE)
            await anyio.sleep(40)
        await anyio.sleep(400)

    assert ["incident", "resolved"] == desk.ear.kinds
    assert 10 == desk.ear.heard[1]["count"]


async def test_two_troubles_that_take_turns_are_reported_once_each(tmp_path: Path) -> None:
    """A service that now refuses and now does not answer."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        for _ in range(4):
            await lasting(context, GONE, 150)
            await lasting(context, replace(GONE, code="RATE_LIMITED"), 150)

    assert ["UNREACHABLE", "RATE_LIMITED"] == desk.ear.codes


async def test_trouble_that_outlasts_restarts_is_reported_once(tmp_path: Path) -> None:
    """A start forgets its incidents, people do not; another trouble in its place is news."""
    desk = Desk(tmp_path)
    for _ in range(3):
        async with desk.life() as context:
            await lasting(context, GONE, 100)
    async with desk.life() as context:
        await lasting(context, replace(GONE, code="UNAUTHORIZED"), 100)

    assert ["UNREACHABLE", "UNAUTHORIZED"] == desk.ear.codes


async def test_trouble_that_does_not_come_back_after_a_restart_is_over(tmp_path: Path) -> None:
    """The new life meets it no more, and says so."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 100)
    async with desk.life():
        await anyio.sleep(400)

    assert ["incident", "resolved"] == desk.ear.kinds


async def test_trouble_just_before_a_crash_that_does_not_come_back_is_not_reported(tmp_path: Path) -> None:
    """It lasted less than `after`, as far as anybody knows."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 20)
    async with desk.life():
        await anyio.sleep(600)

    assert [] == desk.ear.kinds


async def test_a_crash_before_sending_loses_no_message(tmp_path: Path) -> None:
    """It was written with the incident, and the next life sends it."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 50)
    async with desk.life() as context:
        await lasting(context, GONE, 30)

    assert ["incident"] == desk.ear.kinds


async def test_trouble_that_could_not_be_written_down_at_first_is_reported(tmp_path: Path) -> None:
    """The disk was full when it began (scenario 64)."""
    desk = Desk(tmp_path)
    calls = Calls(fatal=1, code=errno.ENOSPC, lasting=True)
    async with desk.life() as context:
        fail_database(calls, context.store)
        calls.arm()
        with pytest.raises(StoreError):
            await context.incidents.report(GONE)
        calls.heal()
        await anyio.sleep(10)
        await lasting(context, GONE, 100)

    assert ["incident"] == desk.ear.kinds


async def test_a_webhook_that_is_away_is_an_incident_and_tried_ever_more_slowly(tmp_path: Path) -> None:
    """Whoever looks sees that people are not told; the message follows, once, when it is back."""
    desk = Desk(tmp_path)
    desk.ear.status = 500
    async with desk.life() as context:
        await lasting(context, GONE, 1000)
        calls, open_then = desk.ear.calls, {str(each.scope) for each in context.incidents.snapshot()}
        desk.ear.status = 200
        await lasting(context, GONE, 1000)
        open_now = {str(each.scope) for each in context.incidents.snapshot()}

    assert calls < 10
    assert ({"service", "notify:webhook"}, {"service"}) == (open_then, open_now)
    assert ["incident"] == desk.ear.kinds


async def test_a_message_that_is_a_day_old_is_given_up(tmp_path: Path) -> None:
    """It is no news any more; what came later is still told."""
    desk = Desk(tmp_path)
    desk.ear.status = 500
    async with desk.life() as context:
        await lasting(context, GONE, 100)
        desk.later = DAY
        await lasting(context, replace(GONE, scope=ScopeKind.RULE.of("studio"), code="NO_SPACE"), 100)
        desk.ear.status = 200
        await lasting(context, GONE, 300)

    assert ["NO_SPACE"] == desk.ear.codes


async def test_only_what_is_asked_for_is_reported(tmp_path: Path) -> None:
    """`on` leaves kinds out."""
    desk = Desk(tmp_path)
    async with desk.life(replace(NOTIFY, on=frozenset({Kind.RESOLVED}))) as context:
        await lasting(context, GONE, 100)
        await context.incidents.resolve(SERVICE)
        await anyio.sleep(400)

    assert ["resolved"] == desk.ear.kinds


async def test_a_channel_that_is_no_more_is_not_waited_for(tmp_path: Path) -> None:
    """Its messages are forgotten; without `notify` nothing is written at all."""
    desk = Desk(tmp_path)
    desk.ear.status = 500
    async with desk.life() as context:
        await lasting(context, GONE, 100)
        context.incidents.notify = Notify()
        await lasting(context, replace(GONE, scope=ScopeKind.RULE.of("studio")), 100)
        rows = await context.store.read(_messages)

    assert 0 == rows


async def test_an_edit_of_who_is_notified_counts_at_once(tmp_path: Path) -> None:
    """Like one of the rules, and unlike one of the service it needs no restart."""
    source = tmp_path / "runflowd.yaml"
    source.write_text("service: local\nrules: {}\n")
    async with Desk(tmp_path).life(Notify()) as context:
        reloading = Reloading(context, source, load(source), Notifier())
        source.write_text("service: local\nrules: {}\nnotify: {webhook: {url: 'https://hooks.test/new'}}\n")
        await reloading.now()

        assert Webhook("https://hooks.test/new") == context.incidents.notify.webhook
        assert "" == reloading.headline


async def test_every_message_has_what_a_receiver_needs(tmp_path: Path) -> None:
    """An id to tell repetitions, a line for people, and the facts."""
    desk = Desk(tmp_path)
    async with desk.life() as context:
        await lasting(context, GONE, 100)

    found = desk.ear.heard[0]
    facts = {"kind", "scope", "code", "message", "remedy", "count", "since", "at", "host", "version"}
    assert {"id", "text", *facts} == set(found)
    assert found["text"].endswith(": incident: nobody answers. Wait.")


async def test_many_failures_are_one_message_until_they_are_fewer(tmp_path: Path) -> None:
    """Fifty failures are one message; fifty more half a day later another one."""
    desk = Desk(tmp_path)
    async with desk.life(replace(NOTIFY, failures=10)) as context:
        for day in range(2):
            for number in range(50):
                await context.store.write(partial(_fail, path=f"{day}/{number}", now=desk.wall()))
                await anyio.sleep(1)
            desk.later += DAY / 2
            await anyio.sleep(30)

    assert ["failures", "failures"] == desk.ear.kinds
    assert 10 <= desk.ear.heard[0]["count"]


async def test_a_budget_that_several_batches_cross_is_one_message(tmp_path: Path) -> None:
    """Once a day, however many batches follow, and nothing stops."""
    ear = Ear()
    async with running(tmp_path) as rig, telling(rig.engine.context, ear, NOTIFY):
        rig.engine.context.money = Money(budget=Budget(per_day=Decimal(20), stop=Stop.NOTIFY))
        object.__setattr__(rig.local.service.models["runflow/pass-through"], "price", Decimal(9))
        heard = []
        for number in range(4):
            rig.drop(f"{number}.jpg")
            await rig.settled(number + 1)
            await anyio.sleep(60)
            heard.append(len(ear.kinds))

        assert ([0, 0, 1, 1], 4) == (heard, len(rig.outputs()))
        assert ear.heard[0]["message"].startswith("27 was spent on ")


async def test_purchases_in_doubt_are_reported_together(tmp_path: Path) -> None:
    """A batch that the service forgot is one message with its number of files."""
    ear = Ear()
    forgotten = {"route": "GET /v1/batches/*", "kind": "status", "status": 404, "count": 1000}
    async with running(tmp_path) as rig, telling(rig.engine.context, ear, NOTIFY):
        rig.switch(faults={"requests": [forgotten]})
        for number in range(5):
            rig.drop(f"{number}.jpg")
        await rig.until(lambda states: set(states.values()) == {ItemState.OUTCOME_UNKNOWN})
        await anyio.sleep(60)

        assert [("unknown", 5)] == [(each["kind"], each["count"]) for each in ear.heard]


def _messages(connection: Connection) -> int:
    return int(connection.raw.execute("SELECT count(*) FROM notice WHERE channel <> ''").fetchone()[0])


def _fail(connection: Connection, path: str, now: float) -> bool:
    return set_aside(connection, "studio", path, Stat(1, 1, 1), ItemState.FAILED, "NOT_AN_IMAGE", "text", now)


async def test_a_digest_comes_once_a_day(tmp_path: Path) -> None:
    """At its time of day, from the first one that comes after it was asked for; after a stop at once."""
    desk = Desk(tmp_path)
    at = (datetime.fromtimestamp(desk.wall(), UTC) + timedelta(hours=1)).time()
    notify = replace(NOTIFY, digest=at)
    async with desk.life(notify) as context:
        context.money = Money(ZoneInfo("UTC"))
        await anyio.sleep(3500)
        before = list(desk.ear.codes)
        await anyio.sleep(200)
        first = list(desk.ear.codes)
        await anyio.sleep(3600)
    desk.later += 2 * DAY
    async with desk.life(notify) as context:
        context.money = Money(ZoneInfo("UTC"))
        await anyio.sleep(60)

    assert ([], ["DIGEST"], ["DIGEST", "DIGEST"]) == (before, first, desk.ear.codes)
    assert "0 files done, 0 failed; nothing waits" == desk.ear.heard[0]["message"]


async def test_a_folder_is_told_of_when_all_of_it_has_come_to_its_end(tmp_path: Path) -> None:
    """Once, with what came of its files; what lies beside it, and a folder of fewer files, is not told of."""
    ear, wanted = Ear(), replace(NOTIFY, folders=FolderNotices(count=3, quiet=60.0))
    async with running(tmp_path) as rig, telling(rig.engine.context, ear, wanted):
        for name in ("Schühe/1.jpg", "Schühe/red/2.jpg", "Schühe/red/3.jpg", "Schühe-2/1.jpg", "alone.jpg"):
            rig.drop(name)
        await rig.settled(5)
        before = list(ear.codes)
        await anyio.sleep(400)

    assert ([], ["FOLDER_DONE"]) == (before, ear.codes)
    assert "Schühe of rule studio has come to its end: 3 done" == ear.heard[0]["message"]


async def test_a_folder_that_goes_on_after_a_pause_is_one_folder(tmp_path: Path) -> None:
    """A copier that pauses for less than `quiet` does not end it, and neither does a restart; failures are counted."""
    desk, wanted = Desk(tmp_path), replace(NOTIFY, folders=FolderNotices(count=1, quiet=100.0))
    for number in range(2):
        async with desk.life(wanted) as context:
            await anyio.sleep(20)
            await context.store.write(partial(_fail, path=f"shoes/{number}", now=desk.wall()))
            await anyio.sleep(50)
    async with desk.life(wanted):
        await anyio.sleep(300)

    assert ["folder"] == desk.ear.kinds
    assert desk.ear.heard[0]["message"].endswith("has come to its end: 2 failed")
