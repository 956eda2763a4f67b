"""A node's figures for `GET /metrics` (journal spec 3.7): read from its own counters when somebody asks.

Nothing is counted for the sake of metrics on the path of an event; the journal counts its commits anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stellwerk.cluster.status import ClusterStatus
from stellwerk.engine.cluster import CODES, Empty
from stellwerk.node.node import Node

_CODES: Mapping[str | None, int] = {
    **{type_.__name__: code for type_, code in CODES.items()},
    None: CODES[Empty],
}


class NodeCollector(Collector):
    """The figures of the present run; none while there is no node, of its journal none before it has begun one."""

    def __init__(self, current: Callable[[], Node[Any, Any] | None]) -> None:
        self._current = current

    def describe(self) -> list[Metric]:
        """Known without a node, so that registering does not ask for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        node = self._current()
        if node is None:
            return
        yield from _of_cluster(node.cluster_status())
        if not node.is_ready:
            if node.readable is not None:
                yield _events(node.readable.committed_event_count)
            return
        journal = node.journal
        counters = (
            ("commits", "Blocks written to the journal and synced, since the start of this run", journal.commit_count),
            ("written_bytes", "Bytes of events written to the journal, since this start", journal.written_bytes),
        )
        yield _events(journal.event_count)
        for name, text, value in counters:
            yield CounterMetricFamily(f"stellwerk_journal_{name}", text, value)
        gauges = (
            ("stellwerk_journal_pending_bytes", "Bytes decided and not yet handed to the disk", journal.pending_bytes),
            ("stellwerk_orders", "Orders that this node knows", len(node.state.orders)),
            ("stellwerk_jobs_running", "Jobs being processed at this node", node.running_job_count),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value)


def _events(count: int) -> Metric:
    """On a passive node those that it has copied: the difference is what it lags behind while it catches up."""
    return CounterMetricFamily("stellwerk_journal_events", "Events in the journal since its very beginning", count)


def _of_cluster(status: ClusterStatus) -> Iterator[Metric]:
    """Figures of a node's part in a pair; of a node that stands alone only the state, 0."""
    state = status.state
    yield GaugeMetricFamily(
        "stellwerk_cluster_state", "State of the pair as a number (cluster spec 1.3); 0: stands alone", _CODES[state]
    )
    if state is None:
        return
    yield GaugeMetricFamily("stellwerk_cluster_active", "1 on the active node", float(status.phase == "active"))
    yield GaugeMetricFamily("stellwerk_cluster_term", "Grows whenever the role goes to the other node", status.term)
    yield CounterMetricFamily(
        "stellwerk_cluster_failovers", "Fail-overs by which this run of the node has become active", status.failovers
    )
    connected = sum(watch.is_connected and watch.is_wanted for watch in status.watches)
    yield GaugeMetricFamily("stellwerk_cluster_watches_connected", "Watches that may decide and are there", connected)
    if status.silence_seconds is not None:
        yield GaugeMetricFamily(
            "stellwerk_cluster_peer_silence_seconds", "Since the other node has been heard", status.silence_seconds
        )
    if status.readiness is not None:
        yield GaugeMetricFamily(
            "stellwerk_cluster_can_fail_over",
            "1 while this passive node can take over",
            float(status.readiness.can_fail_over),
        )
    if status.lag is not None:
        yield GaugeMetricFamily(
            "stellwerk_cluster_lag_events", "Events that the passive node has not acknowledged", status.lag.events
        )
        yield GaugeMetricFamily(
            "stellwerk_cluster_lag_bytes", "Bytes that the passive node has not acknowledged", status.lag.bytes
        )
