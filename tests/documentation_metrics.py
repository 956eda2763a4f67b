"""The page of metrics: names and meanings as the collectors themselves give them, from sample values."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from prometheus_client.core import Metric

from stellwerk.cluster.status import ClusterStatus, Lag, Readiness, WatchStatus
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.metrics import Figures
from stellwerk.cockpit.projection.follower import LinkState
from stellwerk.node.metrics import NodeCollector

HEAD = """# Metrics

This page is generated from the collectors of the components.

Every component answers `GET /metrics` in the text format of Prometheus. Cockpits answer everybody; Controllers, Agents,
Subagents and witnesses ask for a user with the permission `ReadMetrics`:

```toml
[users.prometheus]                    # private.toml
password = "plain:a long secret"
permissions = ["ReadMetrics"]
```

All give the figures of their process, too (`process_…`, `python_info`). A figure that a component does not know is
absent, never 0: the lag is told by the active node while the pair is coupled, the silence by who listens.

"""

FOOT = """
`stellwerk_cluster_state`: 0 stands alone, 1 NodesAppointed, 2 PreparedToBeCoupled, 3 Coupled, 4 ActiveShutDown,
5 PassiveLost, 6 SwitchedOver, 7 FailedOver.

## Worth an alert

| Expression | Meaning |
|---|---|
| `stellwerk_cluster_state > 0 and stellwerk_cluster_state != 3`, for a minute | not coupled: nobody takes over |
| `sum(stellwerk_cluster_active) by (pair) != 1`, for 10 s (`pair`: a label of your own) | no node is active |
| `increase(stellwerk_cluster_failovers_total[5m]) > 0` | there has been a fail-over: look why |
| `stellwerk_cluster_can_fail_over == 0`, for a minute | the passive node is there and would not take over |
| `stellwerk_cluster_lag_events > 0`, for 10 s | the passive node acknowledges slowly: commits wait for it |
| `sum(stellwerk_cockpit_active) != 1`, for 20 s | no Cockpit is active |
"""


def metrics_page() -> str:
    return HEAD + _table("Controllers and Agents", _node_figures()) + _table("Cockpits", _cockpit_figures()) + FOOT


def _table(title: str, metrics: Iterable[Metric]) -> str:
    lines = [f"## {title}", "", "| Metric | Type | Meaning |", "|---|---|---|"]
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = sorted({label for sample in metric.samples for label in sample.labels})
        shown = f"`{name}`" + (f" by {', '.join(f'`{label}`' for label in labels)}" if labels else "")
        lines.append(f"| {shown} | {metric.type} | {metric.documentation} |")
    return "\n".join(lines) + "\n\n"


def _node_figures() -> Iterable[Metric]:
    status = ClusterStatus(
        node_id="Primary",
        phase="active",
        state="Coupled",
        watches=(WatchStatus(id="joc", is_connected=True, is_wanted=True),),
        silence_seconds=0.1,
        lag=Lag(events=0, bytes=0),
        readiness=Readiness(can_fail_over=True),
    )
    journal = SimpleNamespace(commit_count=0, written_bytes=0, pending_bytes=0, event_count=0)
    node: Any = SimpleNamespace(
        cluster_status=lambda: status,
        is_ready=True,
        journal=journal,
        state=SimpleNamespace(orders={}),
        running_job_count=0,
    )
    return NodeCollector(lambda: node).collect()


def _cockpit_figures() -> Iterable[Metric]:
    link = LinkState("coupled", 0, last_seen_ms=0)
    samples: dict[type, Any] = {
        Membership: SimpleNamespace(is_active=True, term=1, role="active", lease_age_seconds=0.1),
        SharedLive: SimpleNamespace(links=lambda: {"controller": link}),
    }
    services: Any = SimpleNamespace(get=samples.__getitem__, has=samples.__contains__)
    return Figures(services).collect()
