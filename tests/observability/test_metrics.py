"""The metrics page as Prometheus' own parser reads it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from web_rig import rule, samples, web

from runflowd.api.statistics import Pace, Traffic
from runflowd.core.incident_scope import IncidentScope, ScopeKind
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.observability.incidents import IncidentReport
from runflowd.observability.metrics import Metrics, Reading
from runflowd.store.metrics_query import Bought, Measures
from runflowd.store.pauses import EVERY_RULE, Pause
from runflowd.store.reports import Incident, Overdue
from runflowd.web.page_state import WatchHealth

if TYPE_CHECKING:
    from pathlib import Path

    from web_rig import Web


def reading(**changes: Any) -> Reading:
    """A daemon with one rule and nothing on record."""
    facts: dict[str, Any] = {
        "measures": Measures({}, dict.fromkeys((BatchState.SEALED,), 0), (), (), Decimal(0)),
        "traffic": Traffic(),
        "pace": Pace(),
        "rules": ("studio",),
        "now": 1e9,
        "config_good": True,
        "config_taken": 1e9,
        "overflows": 0,
        "unwatched": 0,
        "missed": 0,
    }
    return Reading(**{**facts, **changes})


def bought(number: int, **changes: Any) -> Bought:
    """An item that ended well."""
    facts: dict[str, Any] = {
        "id": number, "rule": "studio", "cost": Decimal("0.05"), "ended_at": 1e9, "pick_up": 4.0, "turn_around": 20.0,
    }  # fmt: skip
    return Bought(**{**facts, **changes})


def read(metrics: Metrics, found: Reading | None = None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of one scrape."""
    return samples(metrics.text(found or reading()).decode())


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """A sample's name and labels."""
    return name, frozenset(labels.items())


def test_every_state_of_a_rule_in_force_has_a_sample() -> None:
    """An alert on failures needs a zero to rise from."""
    found = read(Metrics())

    assert {0.0} == {found[key("runflowd_files", rule="studio", state=str(state))] for state in ItemState}


def test_files_are_counted_by_rule_and_state() -> None:
    """Rules that were removed count as long as they have files; what waits for a verdict is not done as well."""
    measures = Measures({"old": {ItemState.DONE: 7}, "studio": {ItemState.FAILED: 2}}, {}, (), (), Decimal(0))

    found = read(Metrics(), reading(measures=replace(measures, to_review={"old": 3})))

    assert (4, 3, 2) == (
        found[key("runflowd_files", rule="old", state="done")],
        found[key("runflowd_files", rule="old", state="to_review")],
        found[key("runflowd_files", rule="studio", state="failed")],
    )


def test_a_pause_is_reported_with_its_beginning() -> None:
    """The earlier of the rule's own and that of all rules; 0 for a rule that works."""
    nothing = Measures({}, {}, (), (), Decimal(0))
    own, everything = Pause("studio", 7e8, "stock-taking"), Pause(EVERY_RULE, 8e8, "")

    told = [
        {
            name: read(Metrics(), reading(measures=replace(nothing, pauses=paused), rules=("studio", "other")))[
                key("runflowd_rule_paused_since_seconds", rule=name)
            ]
            for name in ("studio", "other")
        }
        for paused in ((), (own,), (own, everything))
    ]

    assert [{"studio": 0, "other": 0}, {"studio": 7e8, "other": 0}, {"studio": 7e8, "other": 8e8}] == told


def test_what_is_learned_of_the_service_is_reported() -> None:
    """The rate, the refusals, and how many may be under way (scenario 129)."""
    found = read(Metrics(), reading(pace=Pace(24.6, 7, 32, 16)))

    assert (24.6, 7, 32, 16) == (
        found[key("runflowd_api_allowed_rate")],
        found[key("runflowd_api_throttled_total")],
        found[key("runflowd_api_allowed_at_once", origin="api")],
        found[key("runflowd_api_allowed_at_once", origin="storage")],
    )


def test_traffic_is_reported_by_route_and_status() -> None:
    """With bytes and seconds, as counters."""
    traffic = Traffic({("GET batches/{id}", 200): 3, ("GET batches/{id}", 0): 1}, {"GET batches/{id}": 1.5}, 10, 20, 2)

    found = read(Metrics(), reading(traffic=traffic))

    assert (3, 1, 1.5, 10, 20, 2) == (
        found[key("runflowd_api_requests_total", route="GET batches/{id}", status="200")],
        found[key("runflowd_api_requests_total", route="GET batches/{id}", status="0")],
        found[key("runflowd_api_request_seconds_total", route="GET batches/{id}")],
        found[key("runflowd_api_sent_bytes_total")],
        found[key("runflowd_api_received_bytes_total")],
        found[key("runflowd_api_requests_in_flight")],
    )


@pytest.mark.parametrize(("good", "value"), [(True, 1.0), (False, 0.0)])
def test_a_refused_edit_shows(good: bool, value: float) -> None:
    """Together with when the configuration in force was taken."""
    found = read(Metrics(), reading(config_good=good))

    assert (value, 1e9) == (
        found[key("runflowd_config_last_reload_successful")],
        found[key("runflowd_config_last_reload_success_timestamp_seconds")],
    )


def test_incidents_batches_spend_and_lost_events_show() -> None:
    """What people are woken for."""
    incident = Incident("credit", "OUT_OF_CREDIT", "m", "r", 1, 1, 1)
    measures = Measures({}, {BatchState.SUBMITTED: 4}, (), (incident,), Decimal("1.25"))

    found = read(Metrics(), reading(measures=measures, overflows=3, unwatched=2))

    assert (1, 4, 1.25, 3, 2) == (
        found[key("runflowd_incidents_open", scope="credit", code="OUT_OF_CREDIT", host="")],
        found[key("runflowd_batches", state="submitted")],
        found[key("runflowd_spend_today_dollars")],
        found[key("runflowd_watch_overflows_total")],
        found[key("runflowd_watch_problems")],
    )


def test_overdue_batches_are_reported_with_their_age_and_what_waits_for_them() -> None:
    """Scenario 132: by rule, zero for one without, and for a rule that was removed as long as it has some."""
    late = (Overdue("studio", 2, 5, 1e9 - 7200, "x", ""), Overdue("removed", 1, 1, 1e9 + 60, "y", ""))
    measures = Measures({}, {}, late, (), Decimal(0))

    found = read(Metrics(), reading(measures=measures, rules=("studio", "other")))

    names = ("batches", "files", "age_seconds")
    assert {"studio": [2, 5, 7200], "removed": [1, 1, 0], "other": [0, 0, 0]} == {
        rule: [found[key(f"runflowd_overdue_{name}", rule=rule)] for name in names]
        for rule in ("studio", "removed", "other")
    }


def test_each_bought_item_counts_once() -> None:
    """Scrapes overlap, so that no item falls between two of them."""
    metrics = Metrics()
    metrics.count_bought([bought(1), bought(2)])
    metrics.count_bought([bought(2), bought(3)])

    found = read(metrics)

    assert (3, 0.15, 60.0) == (
        found[key("runflowd_turnaround_seconds_count", rule="studio")],
        round(found[key("runflowd_spend_dollars_total", rule="studio")], 9),
        found[key("runflowd_turnaround_seconds_sum", rule="studio")],
    )


def test_pick_up_falls_into_its_bucket() -> None:
    """Four seconds are not within two, and are within five."""
    metrics = Metrics()
    metrics.count_bought([bought(1)])

    found = read(metrics)

    assert (0, 1) == (
        found[key("runflowd_pickup_seconds_bucket", rule="studio", le="2.0")],
        found[key("runflowd_pickup_seconds_bucket", rule="studio", le="5.0")],
    )


def test_an_item_that_failed_costs_and_has_no_turn_around() -> None:
    """What was paid for counts as spend, whatever became of it."""
    metrics = Metrics()
    metrics.count_bought([bought(1, turn_around=None)])

    found = read(metrics)

    assert (0.05, None) == (
        found[key("runflowd_spend_dollars_total", rule="studio")],
        found.get(key("runflowd_turnaround_seconds_count", rule="studio")),
    )


def test_names_with_quotes_and_line_ends_stay_one_label() -> None:
    """A rule's name is checked, but a file of an older version may hold anything."""
    name = 'a"b\\c\nd'
    measures = Measures({name: {ItemState.DONE: 1}}, {}, (), (), Decimal(0))

    assert read(Metrics(), reading(measures=measures))[key("runflowd_files", rule=name, state="done")] == 1


def _end(rig: Web, cost: str, ended_at: float) -> Any:
    def write(connection: Any) -> None:
        connection.raw.execute("UPDATE item SET state = 'done', cost = ?, ended_at = ?", (cost, ended_at))

    return rig.context.store.write(write)


@pytest.mark.anyio
async def test_a_scrape_reads_what_was_bought_since_the_start(tmp_path: Path) -> None:
    """From the state file, whether or not anybody scraped meanwhile; a second scrape adds nothing."""
    async with web(tmp_path) as rig:
        await rig.batch("b-1", "r-1", "r-2")
        await _end(rig, "0.10", rig.context.clock.wall() + 1)
        rig.context.rules = {"studio": rule(tmp_path)}

        counts = [await rig.metric("runflowd_turnaround_seconds_count", rule="studio") for _ in range(2)]

        assert ([2, 2], 0.2) == (counts, await rig.metric("runflowd_spend_dollars_total", rule="studio"))


@pytest.mark.anyio
async def test_what_ended_before_the_start_is_not_counted_again(tmp_path: Path) -> None:
    """A restart begins its counters at zero."""
    async with web(tmp_path) as rig:
        await rig.batch("b-1", "r-1")
        await _end(rig, "0.10", rig.context.clock.wall() - 3600)

        assert await rig.metric("runflowd_spend_dollars_total", rule="studio") is None


@pytest.mark.anyio
async def test_the_page_of_metrics_reads_the_running_daemon(tmp_path: Path) -> None:
    """Incidents from the state file, the watcher's losses, and the state of the configuration."""
    async with web(tmp_path) as rig:
        rig.site.watch = lambda: WatchHealth(5, 1, 7)
        await rig.context.incidents.report(IncidentReport(IncidentScope(ScopeKind.CONFIG), "CONFIG_REFUSED", "m", "r"))

        values = [
            await rig.metric("runflowd_watch_overflows_total"),
            await rig.metric("runflowd_watch_missed_total"),
            await rig.metric("runflowd_config_last_reload_successful"),
            await rig.metric("runflowd_incidents_open", scope="config", code="CONFIG_REFUSED", host=""),
        ]

        assert values == [5, 7, 0, 1]
