"""What every stage is given: the store, the wake events, the clock, and the configuration of the moment."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runflowd.config import Limits
from runflowd.core.fleet import Duties
from runflowd.core.money import Money
from runflowd.decoder import Decoder
from runflowd.errors import StoreError
from runflowd.observability.log_throttle import LogThrottle
from runflowd.pipeline.io_guard import THREADS, IoGuard
from runflowd.pipeline.wake_event import StageEvents
from runflowd.store.hosts import HostUnseen
from runflowd.watch import HintQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from runflowd.api.client import Runflow
    from runflowd.core.incident_scope import IncidentScope
    from runflowd.core.model import Rule
    from runflowd.observability.incidents import Incidents
    from runflowd.store import Store
    from runflowd.system.clock import Clock


MAX_IDLE = 15.0
"""Seconds between two turns of an idle loop; short enough for a watchdog to notice a stuck one."""

MIN_IDLE = 0.02

CLOCK_TOLERANCE = 300.0
"""Seconds by which the service's clock and this machine's may be apart."""


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """The service work is bought from. `name` marks the batches that were bought there.

    `reload_key` fetches the API key again and tells whether it changed; it raises `CredentialError` when there is none.
    """

    name: str
    api: Runflow
    poll: float = 2.0
    callback_url: str = ""
    reload_key: Callable[[], bool] = bool


@dataclass(slots=True)
class Context:
    """One per daemon. `rules`, `places`, `money` and `service` are replaced whole by a reload; the rest stays.

    `places` tells for each rule where its `model` and its keys of `input` are written, as `file:line`. Of the models in
    `priced` the catalogue was asked what they cost. `settling` are the files of each rule that are watched until
    they are stable, which no row says. `duties` are what this host may do, of several on one store.
    """

    store: Store
    clock: Clock
    incidents: Incidents
    service: ServiceClient
    rules: dict[str, Rule]
    limits: Limits = field(default_factory=Limits)
    stage_events: StageEvents = field(default_factory=StageEvents)
    hints: HintQueue = field(default_factory=HintQueue)
    places: Mapping[str, Mapping[tuple[str | int, ...], str]] = field(default_factory=dict)
    money: Money = field(default_factory=Money)
    priced: set[str] = field(default_factory=set)
    duties: Duties = field(default_factory=Duties)
    heartbeats: dict[str, float] = field(default_factory=dict)
    settling: Mapping[str, Collection[str]] = field(default_factory=dict)
    decoder: Decoder = field(default_factory=Decoder)
    log_throttle: LogThrottle = field(init=False)
    io: IoGuard = field(init=False)

    def __post_init__(self) -> None:
        self.log_throttle = LogThrottle(self.clock)
        self.io = IoGuard(self.clock, max(THREADS, self.limits.downloads))

    def hint(self, rule: str, path: str) -> None:
        """Hint that the folder of `path` is to be scanned: what was known of that file is out of date."""
        self.hints.add(rule, path.rpartition("/")[0])
        self.stage_events.intake.notify()

    @contextmanager
    def log_store_errors(self, stage: str) -> Iterator[None]:
        """Log a store that cannot be asked or written, in the name of a stage, and end what is within: no such task
        ends the daemon, and each tries again. A store may be away for a night, so equal errors are counted.
        """
        try:
            yield
        except StoreError as error:
            self.log_throttle.error(str(error), action="store.failed", stage=stage)

    async def got_through(self, *scopes: IncidentScope) -> None:
        """A call got through: what was open for these scopes has ended, unless the client knows that others do not."""
        await self.incidents.resolve(*(scope for scope in scopes if self.service.api.takes(str(scope))))

    def idle_timeout(self, due_at: float | None, *scopes: IncidentScope) -> float:
        """Seconds an idle loop may sleep: until `due_at` (epoch seconds), and no shorter than its scopes are closed.

        While anything is paused the next probe ends the sleep, since what it covers is not in `due_at`.
        """
        probe = self.incidents.next_probe()
        until_due = MAX_IDLE if due_at is None else due_at - self.clock.wall()
        closed = self.incidents.closed_for(*scopes)
        return min(MAX_IDLE, max(closed, min(until_due, MAX_IDLE if probe is None else probe), MIN_IDLE))

    def clock_is_confirmed(self) -> bool:
        """Whether the service, by the date of its last answer, takes it for the time that it is here."""
        told = self.service.api.service_time()
        return told is not None and abs(told - self.clock.wall()) < CLOCK_TOLERANCE

    def may_claim(self) -> bool:
        """Whether this host may take anything on now."""
        return self.duties.may_claim(self.clock.now())

    def require_acting(self) -> None:
        """Raise `HostUnseen` where this host was not seen lately enough to buy or place anything."""
        if not self.duties.may_act(self.clock.now()):
            raise HostUnseen(self.store.owner)

    def heartbeat(self, stage: str) -> None:
        """Note that a stage turned its loop; the service watchdog is fed only while all of them do."""
        self.heartbeats[stage] = self.clock.now()
