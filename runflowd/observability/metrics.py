"""The daemon's numbers as Prometheus text.

Gauges and the service's counters are made from a `Reading` each time somebody asks. Histograms and spend
grow from what the state file says was bought, so that no stage has to report anything and what happens
between two scrapes is never missed. They count from the start of the daemon, as counters may.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from runflowd import __version__
from runflowd.core.lifecycle import ItemState
from runflowd.core.state_words import counts_apart
from runflowd.observability import host_metrics
from runflowd.store.pauses import EVERY_RULE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from prometheus_client.metrics_core import Metric

    from runflowd.api.statistics import Pace, Traffic
    from runflowd.store.metrics_query import Bought, Measures

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""Upper bounds of the histograms' buckets."""

REMEMBERED = 10_000
"""Items remembered as counted, for those that are read twice or end twice."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that the metrics of the moment `now` are made of; times are epoch seconds.

    `config_good` is false while an edit is refused; `config_taken` is when the configuration in force was
    taken. `overflows` counts losses of file events, `unwatched` the watcher's present troubles, `missed` the
    files that no event announced.
    """

    measures: Measures
    traffic: Traffic
    pace: Pace
    rules: tuple[str, ...]
    now: float
    config_good: bool
    config_taken: float
    overflows: int
    unwatched: int
    missed: int


class Metrics:
    """All metrics of one daemon, apart from the library's global registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._latest = _Latest()
        self._counted: OrderedDict[int, None] = OrderedDict()
        self._registry.register(self._latest)
        ProcessCollector(registry=self._registry)
        self._pick_up = Histogram(
            "runflowd_pickup_seconds",
            "From a stable file to its purchase.",
            ["rule"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._turn_around = Histogram(
            "runflowd_turnaround_seconds",
            "From a stable file to its result in place.",
            ["rule"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._spend = Counter(
            "runflowd_spend_dollars", "Cost of the items that ended.", ["rule"], registry=self._registry
        )
        self._callbacks = Counter(
            "runflowd_callbacks", "Callbacks received, by what became of them.", ["outcome"], registry=self._registry
        )

    def __repr__(self) -> str:
        return f"<Metrics {len(self._counted)} items counted>"

    def count_bought(self, items: Iterable[Bought]) -> None:
        """Add items to histograms and spend, each once however often it is given."""
        for item in items:
            if item.id in self._counted:
                continue
            self._counted[item.id] = None
            if len(self._counted) > REMEMBERED:
                self._counted.popitem(last=False)
            self._spend.labels(item.rule).inc(float(item.cost))
            if item.pick_up is not None:
                self._pick_up.labels(item.rule).observe(item.pick_up)
            if item.turn_around is not None:
                self._turn_around.labels(item.rule).observe(item.turn_around)

    def count_callback(self, outcome: str) -> None:
        """Count one callback; `outcome` is a word of ours, never of the sender."""
        self._callbacks.labels(outcome).inc()

    def text(self, reading: Reading) -> bytes:
        """The text exposition format, version 0.0.4."""
        self._latest.reading = reading
        return generate_latest(self._registry)


class _Latest(Collector):
    """Turns the reading of the moment into metric families."""

    def __init__(self) -> None:
        self.reading: Reading | None = None

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        if self.reading is not None:
            yield from families(self.reading)


def families(reading: Reading) -> Iterator[Metric]:
    """The metrics that are a plain view of a reading."""
    yield _gauge("runflowd_build_info", "The version that runs.", ("version",), {(__version__,): 1})
    yield _items(reading)
    yield _batches(reading)
    yield from _overdue(reading)
    yield from _service(reading.traffic)
    yield from _pace(reading.pace)
    yield from _config(reading)
    yield _value(
        "runflowd_spend_today_dollars",
        "Cost of what was bought today, estimated until the service states it.",
        reading.measures.spent_today,
    )
    yield from host_metrics.families(reading.measures.hosts)
    yield _incidents(reading)
    yield _paused(reading)
    yield _counter("runflowd_watch_overflows", "Times that file events were lost; a rescan follows.", reading.overflows)
    yield _counter("runflowd_watch_missed", "Files that no event announced; the rescan found them.", reading.missed)
    yield _value("runflowd_watch_problems", "Reasons why file events do not come, now.", reading.unwatched)


def _items(reading: Reading) -> Metric:
    """A zero for each state of each rule in force, so that alerts have something to compare with."""
    names, to_review = [*map(str, ItemState), "to_review"], reading.measures.to_review
    counts: dict[tuple[str, ...], int] = {(rule, name): 0 for rule in reading.rules for name in names}
    for rule, states in reading.measures.items.items():
        counts |= {(rule, name): n for name, n in counts_apart(states, to_review.get(rule, 0)).items()}
    return _gauge("runflowd_files", "Files on record, by rule and state.", ("rule", "state"), counts)


def _batches(reading: Reading) -> Metric:
    counts: dict[tuple[str, ...], int] = {(str(state),): count for state, count in reading.measures.batches.items()}
    return _gauge("runflowd_batches", "Open batches by state.", ("state",), counts)


def _overdue(reading: Reading) -> Iterator[Metric]:
    """Zero for a rule without such batches, so that an alert has something to compare with."""
    zeros: dict[tuple[str, ...], int] = {(rule,): 0 for rule in reading.rules}
    batches, files, ages = dict(zeros), dict(zeros), dict(zeros)
    for each in reading.measures.overdue:
        batches[(each.rule,)], files[(each.rule,)] = each.batches, each.files
        ages[(each.rule,)] = max(0, round(reading.now - each.since))
    yield _gauge("runflowd_overdue_batches", "Batches past their deadline.", ("rule",), batches)
    yield _gauge("runflowd_overdue_files", "Files that wait for such batches.", ("rule",), files)
    yield _gauge("runflowd_overdue_age_seconds", "How long ago the oldest of them was sent.", ("rule",), ages)


def _service(traffic: Traffic) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "runflowd_api_requests",
        "Requests to the service; status 0 means no answer.",
        labels=["route", "status"],
    )
    for (route, status), count in sorted(traffic.requests.items()):
        requests.add_metric([route, str(status)], count)
    yield requests
    seconds = CounterMetricFamily("runflowd_api_request_seconds", "Time spent in requests.", labels=["route"])
    for route, spent in sorted(traffic.seconds.items()):
        seconds.add_metric([route], spent)
    yield seconds
    yield _counter("runflowd_api_sent_bytes", "Bytes of bodies sent, uploads included.", traffic.sent)
    yield _counter("runflowd_api_received_bytes", "Bytes of bodies received, downloads included.", traffic.received)
    yield _value("runflowd_api_requests_in_flight", "Requests under way.", traffic.in_flight)


def _pace(pace: Pace) -> Iterator[Metric]:
    """A rate of 0 means that none is known: nothing was refused yet."""
    yield _value("runflowd_api_allowed_rate", "Requests a second that the service lets through.", pace.rate or 0.0)
    yield _counter("runflowd_api_throttled", "Requests that the service refused as too many (429).", pace.refused)
    at_once: dict[tuple[str, ...], int] = {("api",): pace.at_once or 0, ("storage",): pace.transfers or 0}
    yield _gauge("runflowd_api_allowed_at_once", "Requests that may be under way.", ("origin",), at_once)


def _config(reading: Reading) -> Iterator[Metric]:
    yield _value(
        "runflowd_config_last_reload_successful", "1 unless the latest edit is refused.", int(reading.config_good)
    )
    yield _value(
        "runflowd_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was taken.",
        reading.config_taken,
    )


def _incidents(reading: Reading) -> Metric:
    family = GaugeMetricFamily("runflowd_incidents_open", "Wider than one file.", labels=["scope", "code", "host"])
    for incident in reading.measures.incidents:
        family.add_metric([incident.scope, incident.code, incident.host], 1)
    return family


def _paused(reading: Reading) -> Metric:
    """Zero for a rule that is not, so that an alert on an age has something to compare with."""
    since = {each.rule: each.since for each in reading.measures.pauses}
    everything = since.get(EVERY_RULE)
    values: dict[tuple[str, ...], int] = {}
    for rule in reading.rules:
        known = [moment for moment in (since.get(rule), everything) if moment is not None]
        values[(rule,)] = int(min(known, default=0))
    text = "Since when nothing is bought for the rule, 0 if it is not paused."
    return _gauge("runflowd_rule_paused_since_seconds", text, ("rule",), values)


def _gauge(name: str, text: str, labels: tuple[str, ...], values: dict[tuple[str, ...], int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _value(name: str, text: str, value: float | Decimal) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
