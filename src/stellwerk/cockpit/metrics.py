"""Figures of the Cockpit for `/metrics`, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stellwerk.cockpit.api.native_stream import Streams
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.services import Services

ROLES = ("active", "passive", "api-server")


def observe(registry: CollectorRegistry, services: Services) -> None:
    """Register the figures of these services and of the process."""
    ProcessCollector(registry=registry)
    registry.register(Figures(services))


class Figures(Collector):
    """The figures of these services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        services = self._services
        sessions = len(services.get(Sessions)) if services.has(Sessions) else 0
        yield GaugeMetricFamily("stellwerk_cockpit_sessions", "Open sessions", value=sessions)
        streams = len(services.get(Streams).open) if services.has(Streams) else 0
        yield GaugeMetricFamily("stellwerk_cockpit_streams", "Open native event streams", value=streams)
        coupled = GaugeMetricFamily(
            "stellwerk_cockpit_controller_coupled",
            "1 while its events are followed",
            labels=["controller"],
        )
        cursor = GaugeMetricFamily(
            "stellwerk_cockpit_projected_event_id", "Event id up to which history is written", labels=["controller"]
        )
        seen = GaugeMetricFamily(
            "stellwerk_cockpit_controller_last_seen_seconds", "Unix time of the last bytes", labels=["controller"]
        )
        membership = services.get(Membership)
        yield GaugeMetricFamily(
            "stellwerk_cockpit_active", "1 on the active member of the cluster", value=float(membership.is_active)
        )
        yield GaugeMetricFamily(
            "stellwerk_cockpit_cluster_term", "Grows with each change of the active member", value=membership.term
        )
        role = GaugeMetricFamily("stellwerk_cockpit_role", "1 for the role of this member", labels=["role"])
        for name in ROLES:
            role.add_metric([name], float(membership.role == name))
        yield role
        if membership.lease_age_seconds is not None:
            yield GaugeMetricFamily(
                "stellwerk_cockpit_lease_age_seconds",
                "Since this member has seen the role of the active one renewed",
                value=membership.lease_age_seconds,
            )
        links = services.get(SharedLive).links() if services.has(SharedLive) else {}
        for controller_id, link in links.items():
            coupled.add_metric([controller_id], 1.0 if link.state == "coupled" else 0.0)
            cursor.add_metric([controller_id], link.cursor)
            if link.last_seen_ms is not None:
                seen.add_metric([controller_id], link.last_seen_ms / 1000)
        yield from (coupled, cursor, seen)
