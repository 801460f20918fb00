"""The loop that sends messages: it looks at the state file every few seconds and tries what is due.

A message is a row until it was delivered, so a crash loses none; it is repeated ever more slowly for a
day and then given up. It may arrive twice, never half, and always under the same id.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog

from runflowd.api.hooks import Hooks
from runflowd.core.backoff import delay
from runflowd.core.incident_scope import ScopeKind
from runflowd.errors import StoreError
from runflowd.notify.channels import deliver
from runflowd.notify.heartbeat import Heartbeats
from runflowd.notify.thresholds import record, threshold_events
from runflowd.observability.incidents import IncidentReport
from runflowd.pipeline.error_scopes import unexpected
from runflowd.store.folders_done import busy_folders, note_folders
from runflowd.store.notices import close_stories, delivered, drop_strays, next_notice, not_delivered, stories_are_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from runflowd.pipeline.context import Context
    from runflowd.store import Connection
    from runflowd.store.notices import Notice

log = structlog.get_logger()

CHECK_INTERVAL = 5.0
"""Seconds between two looks for messages that are due."""

THRESHOLDS = 15.0
"""Seconds between two looks at the thresholds; more where that look takes long."""

FIRST_PAUSE = 15.0
MAX_PAUSE = 3600.0
"""Seconds between two tries of a message."""

REPORT_AFTER = 3
"""Tries after which a message that cannot be delivered is an incident of its own."""


class NotificationSender:
    """Sends what lies in the state file. `is_alive` says whether every stage turns."""

    def __init__(self, context: Context, is_alive: Callable[[], bool], hooks: Hooks | None = None) -> None:
        self._context = context
        self._hooks = hooks or Hooks()
        self._heartbeats = Heartbeats(context, is_alive, self._hooks)
        self._thresholds_due = 0.0
        self._looked_at: float | None = None
        self._channels: tuple[str, ...] | None = None

    async def run(self) -> None:
        """Turn until cancelled."""
        async with self._hooks, anyio.create_task_group() as group:
            group.start_soon(self._heartbeats.run)
            while True:
                try:
                    await self._turn()
                except StoreError as error:
                    self._context.log_throttle.error(str(error), action="store.failed", stage="notify")
                except Exception as error:
                    self._context.log_throttle.error(str(error), action="notify.failed", exc_info=error)
                await anyio.sleep(CHECK_INTERVAL)

    async def _turn(self) -> None:
        if not self._context.duties.notifies:
            return
        channels = self._context.incidents.notify.channels
        if channels != self._channels:
            await self._context.store.write(lambda connection: drop_strays(connection, channels))
            self._channels = channels
        if not channels:
            return
        await self._gather()
        for channel in channels:
            while await self._send_next(channel):
                pass

    async def _gather(self) -> None:
        """Turn threshold events into messages."""
        context = self._context
        audience, notify, now = context.incidents.audience, context.incidents.notify, context.clock.wall()
        if await context.store.read(partial(stories_are_over, now=now)):
            await context.store.write(partial(close_stories, audience=audience, now=now))
        started = context.clock.now()
        if started < self._thresholds_due:
            return
        await self._folders(now)
        if found := await context.store.read(partial(threshold_events, notify=notify, money=context.money, now=now)):
            await context.store.write(partial(record, found=found, audience=audience, now=now))
        self._thresholds_due = started + max(THRESHOLDS, 20 * (context.clock.now() - started))

    async def _folders(self, now: float) -> None:
        """Tell of folders that have come to their end. One that came and ended between two looks is found, too."""
        context, wanted = self._context, self._context.incidents.notify.folders
        since, self._looked_at = (now if self._looked_at is None else min(self._looked_at, now)), now
        if wanted is None:
            return
        busy = await context.store.read(partial(busy_folders, since=since))
        if busy is None:
            return
        note = partial(
            note_folders,
            busy=busy,
            audience=context.incidents.audience,
            now=now,
            since=since,
            quiet=wanted.quiet,
            least=wanted.count,
        )
        await context.store.write(note)

    async def _send_next(self, channel: str) -> bool:
        """Try the next message of a channel if it is due; whether another one may follow at once."""
        now = self._context.clock.wall()
        notice = await self._context.store.read(partial(_due, channel=channel, now=now))
        if notice is None:
            return False
        try:
            await deliver(self._hooks, self._context.incidents.notify, notice)
        except Exception as error:  # noqa: BLE001  one message's trouble is not the others'
            await self._postpone(notice, error)
            return False
        await self._context.store.write(partial(delivered, notice=notice))
        await self._context.incidents.resolve(ScopeKind.NOTIFY.of(channel))
        log.info("sent", action="notice.sent", channel=channel, kind=notice.message.kind, scope=notice.message.scope)
        return True

    async def _postpone(self, notice: Notice, error: Exception) -> None:
        context, tries = self._context, notice.attempts + 1
        now = context.clock.wall()
        pause = delay(tries, base=FIRST_PAUSE, cap=MAX_PAUSE, jitter=context.clock.jitter())
        lost, left = await context.store.write(lambda connection: not_delivered(connection, notice, now + pause, now))
        context.log_throttle.warning(
            str(error), action="notice.failed", code=notice.channel, tries=tries, exc_info=unexpected(error)
        )
        if lost:
            log.error(
                f"gave up {lost} messages that could not be delivered for a day",
                action="notice.lost",
                channel=notice.channel,
                count=lost,
            )
        if tries >= REPORT_AFTER or lost:
            await context.incidents.report(_undelivered(notice.channel, lost + left, error))


def _due(connection: Connection, channel: str, now: float) -> Notice | None:
    notice = next_notice(connection, channel, now)
    return notice if notice and notice.due_at <= now else None


def _undelivered(channel: str, count: int, error: Exception) -> IncidentReport:
    what = "1 message" if count == 1 else f"{count} messages"
    return IncidentReport(
        ScopeKind.NOTIFY.of(channel),
        "NOTIFY_FAILED",
        f"{what} could not be delivered by notify.{channel}: {error}",
        f"Correct `notify.{channel}`, or what it leads to; the messages follow by themselves for a day",
        slowest=MAX_PAUSE,
    )
