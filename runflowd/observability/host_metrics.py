"""What each host of a shared store has in hand, as a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric


def families(hosts: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    """What each host has in hand: batches and files."""
    found = GaugeMetricFamily("runflowd_host_in_hand", "What each host has claimed.", labels=["host", "kind"])
    for name, (batches, files) in hosts.items():
        found.add_metric([name, "batches"], batches)
        found.add_metric([name, "files"], files)
    yield found
