"""A node's figures for `GET /metrics` (journal spec 3.7): read from its own counters when somebody asks.

Nothing is counted for the sake of metrics on the path of an event; the journal counts its commits anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stellwerk.node.node import Node


class NodeCollector(Collector):
    """The figures of the present run; none while there is no node or it has not begun its journal."""

    def __init__(self, current: Callable[[], Node[Any, Any] | None]) -> None:
        self._current = current

    def describe(self) -> list[Metric]:
        """Known without a node, so that registering does not ask for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        node = self._current()
        if node is None or not node.is_ready:
            return
        journal = node.journal
        counters = (
            ("commits", "Blocks written to the journal and synced, since the start of this run", journal.commit_count),
            ("events", "Events in the journal since its very beginning", journal.event_count),
            ("written_bytes", "Bytes of events written to the journal, since this start", journal.written_bytes),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(f"stellwerk_journal_{name}", text, value)
        gauges = (
            ("stellwerk_journal_pending_bytes", "Bytes decided and not yet handed to the disk", journal.pending_bytes),
            ("stellwerk_orders", "Orders that this node knows", len(node.state.orders)),
            ("stellwerk_jobs_running", "Jobs being processed at this node", node.running_job_count),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value)
