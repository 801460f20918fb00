"""What the pages say about metrics, against the metrics that there are."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from page_blocks import PAGES, Block, blocks

from runflowd.api.statistics import Pace, Traffic
from runflowd.config.yaml.source import load_text
from runflowd.core.lifecycle import BatchState, ItemState
from runflowd.observability.metrics import Metrics, Reading
from runflowd.store.metrics_query import Measures

MADE = {"_bucket", "_sum", "_count", "_created"}
"""What a histogram makes of its name."""

RULES = [pytest.param(block, id=block.name) for block in blocks("yaml") if "prometheus" in block.marks]


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Every metric of the daemon as it is scraped, those of the Prometheus client itself left out."""
    nothing = Measures({}, {}, (), (), Decimal(0))
    text = Metrics().text(
        Reading(
            nothing, Traffic(), Pace(), (), now=0, config_good=True, config_taken=0, overflows=0, unwatched=0, missed=0
        )
    )
    typed = re.findall(r"^# TYPE (runflowd_\w+)", text.decode(), re.MULTILINE)
    return {name for name in typed if not name.endswith("_created")}


def test_every_metric_is_explained_and_no_other(names: set[str]) -> None:
    """In the table of the page on the web listener."""
    [page] = [page.read_text("utf-8") for page in PAGES if page.name == "web.md"]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `runflowd_")]

    assert names == {name for row in rows for name in re.findall(r"`(runflowd_\w+)", row)}


def test_pages_name_metrics_that_exist(names: set[str]) -> None:
    """In text, tables and rules for alerts."""
    named = {name for page in PAGES for name in re.findall(r"\brunflowd_[a-z]\w+", page.read_text("utf-8"))}

    assert set() == named - names - {f"{name}{suffix}" for name in names for suffix in MADE}


@pytest.mark.parametrize("block", RULES)
def test_alerting_rules_can_fire(block: Block) -> None:
    """Each has a name and an expression over our metrics, and states that files and batches can be in."""
    [group] = load_text(block.text, "block").data["groups"]
    expressions = [rule["expr"] for rule in group["rules"]]
    states = {state for expression in expressions for state in re.findall(r'state="(\w+)"', expression)}

    assert {"alert", "expr"} == {key for rule in group["rules"] for key in rule if key != "for"}
    assert all("runflowd_" in expression for expression in expressions)
    assert set() == states - {*map(str, ItemState), *map(str, BatchState)}
