"""The dashboard for Grafana, against what `/metrics` gives."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from web_rig import samples

from runflowd.api.statistics import Pace, Traffic
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.observability.metrics import Metrics, Reading
from runflowd.store.metrics_query import Bought, Measures
from runflowd.store.reports import Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD = Path(__file__).parents[2] / "configs" / "grafana-dashboard.json"
OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus itself puts on what it scrapes."""


def test_a_panel_that_asks_for_nothing_would_be_found(labels: dict[str, set[str]]) -> None:
    """The tests below can fail."""
    assert ["runflowd_fils"] == unknown_names('sum(runflowd_fils{rule="a"})', labels)
    assert [("runflowd_files", "ruel")] == unknown_labels('sum(runflowd_files{ruel="a"})', labels)
    assert [("runflowd_files", "stat")] == unknown_labels("sum by (stat) (runflowd_files)", labels)


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """Every sample of a scrape of a daemon at work, and its labels."""
    incident = Incident("credit", "OUT_OF_CREDIT", "no credit", "top up", 1e9, 1e9, 1)
    measures = Measures({}, dict.fromkeys(BatchState, 1), (), (incident,), Decimal(1))
    metrics = Metrics()
    metrics.count_callback("forged")
    metrics.count_bought([Bought(1, "studio", Decimal(1), 1e9, 4.0, 20.0)])
    traffic = Traffic({("upload", 200): 1}, {"upload": 1.0}, 1, 1, 1)
    reading = Reading(
        measures, traffic, Pace(), ("studio",), now=1e9, config_good=True, config_taken=1e9, overflows=0, unwatched=0,
        missed=0,
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    for name, pairs in samples(metrics.text(reading).decode()):
        found.setdefault(name, set()).update(key for key, _ in pairs)
    return found


def expressions(value: Any) -> Iterator[str]:
    """Every expression of the dashboard: of panels, annotations and variables."""
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key in {"expr", "query"} and isinstance(each, str))
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from expressions(each)


ALL = [each for each in expressions(json.loads(DASHBOARD.read_text("utf-8"))) if each != "prometheus"]


def unknown_names(expression: str, labels: dict[str, set[str]]) -> list[str]:
    """Metrics that nobody gives."""
    return [name for name in re.findall(r"\b(?:runflowd|process)_\w+", expression) if name not in labels]


def unknown_labels(expression: str, labels: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Labels that are matched, grouped by or shown and that no metric of the expression has."""
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    asked = {label.strip() for group in grouped for label in group.split(",")}
    odd = []
    for name, matchers in re.findall(r"\b((?:runflowd|process)_\w+)(?:\{([^}]*)\})?", expression):
        named = asked | set(re.findall(r"(\w+)\s*[=!]~?", matchers))
        odd += [(name, label) for label in sorted(named - labels[name] - OF_PROMETHEUS)]
    return odd


@pytest.mark.parametrize("expression", ALL)
def test_each_expression_asks_for_what_there_is(expression: str, labels: dict[str, set[str]]) -> None:
    """By name and by label: a panel that stays empty would say that all is well."""
    assert re.search(r"\b(runflowd|process)_", expression)
    assert [] == unknown_names(expression, labels)
    assert [] == unknown_labels(expression, labels)


def test_each_state_that_is_asked_for_exists() -> None:
    """Of files and batches."""
    told = [state for each in ALL for part in re.findall(r'state=~?"([^"]*)"', each) for state in part.split("|")]

    assert set() == set(told) - {*map(str, ItemState), "to_review", *map(str, BatchState)}


def test_each_legend_names_a_label_that_the_expression_keeps() -> None:
    """What is summed away cannot be shown."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    targets = [target for panel in panels for target in panel.get("targets", ())]
    odd = [
        target["expr"]
        for target in targets
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        if f"by ({label})" not in target["expr"] and "sum" in target["expr"]
    ]

    assert [] == odd


def test_panels_lie_beside_each_other() -> None:
    """No panel covers another, and none is beyond the edge."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}

        assert not taken & own
        assert max(x for x, _ in own) < 24
        taken |= own


def test_every_metric_of_ours_is_on_it_or_left_out_on_purpose(labels: dict[str, set[str]]) -> None:
    """A new metric is looked at once here."""
    shown = {name for each in ALL for name in re.findall(r"\brunflowd_\w+", each)}
    known = {name for name in labels if name.startswith("runflowd_") and not name.endswith(("_created", "_sum"))}

    assert {
        "runflowd_overdue_batches",  # its files are shown
        "runflowd_config_last_reload_success_timestamp_seconds",
        "runflowd_pickup_seconds_count",
    } == known - shown
