"""Wiring of the services of monitoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stellwerk.cockpit.cluster.active_services import ActiveServices
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.live.sharing import SharedLive
from stellwerk.cockpit.monitoring.alerts import AlertDesk
from stellwerk.cockpit.monitoring.channels import Channels
from stellwerk.cockpit.monitoring.delivery import Delivery
from stellwerk.cockpit.monitoring.lookup import job_resource_variables
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.news import MonitoringNews
from stellwerk.cockpit.monitoring.sending import Sending
from stellwerk.cockpit.monitoring.service import MonitorService
from stellwerk.cockpit.monitoring.store import NotificationStore
from stellwerk.cockpit.services import Services
from stellwerk.effects.clock import Clock, Random


def add_monitoring_services(
    services: Services,
    configuration: CockpitConfiguration,
    clock: Clock,
    random: Random,
    cockpit: Callable[[], CockpitNames],
) -> None:
    """After the live services. The service `monitor` runs on the active member only."""
    database, fence = services.get(Database), services.get(Fence)
    store = services.add(NotificationStore(database, services.get(News), clock))
    services.add(AlertDesk(database, clock))
    news = services.add(MonitoringNews(services.get(LiveHub), services.get(News)))

    async def variables(names: tuple[str, ...], controller_id: str) -> Mapping[str, str]:
        return await job_resource_variables(database, names, controller_id)

    channels = services.add(Channels(variables))
    delivery = services.add(
        Delivery(fence, clock, channels, configuration.delivery_pauses_seconds), is_started_here=False
    )
    services.add(Sending(store, channels, delivery, services.get(News), clock, random, cockpit))
    links = services.get(SharedLive).links
    names = services.get(WorkflowNames)
    service = MonitorService(fence, clock, random, store, names, delivery, news, links, cockpit)
    services.add(service, is_started_here=False)
    services.get(ActiveServices).add("monitor", service)
