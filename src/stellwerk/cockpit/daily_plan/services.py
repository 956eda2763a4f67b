"""Wiring of the daily plan's services."""

from __future__ import annotations

from stellwerk.cockpit.cluster.active_services import ActiveServices
from stellwerk.cockpit.cluster.members import member_id_of
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.controllers.orders import OrderService
from stellwerk.cockpit.daily_plan.changes import PlanChanges
from stellwerk.cockpit.daily_plan.generation import Generator
from stellwerk.cockpit.daily_plan.news import PlanNews
from stellwerk.cockpit.daily_plan.projections import Projections
from stellwerk.cockpit.daily_plan.renewal import PlanRenewal
from stellwerk.cockpit.daily_plan.rescheduling import Rescheduler
from stellwerk.cockpit.daily_plan.selection import PlanReader
from stellwerk.cockpit.daily_plan.service import DailyPlanService
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.daily_plan.sources import PlanSources
from stellwerk.cockpit.daily_plan.submission import Submitter
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.services import Services
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock, Random


def add_daily_plan_services(
    services: Services, database: Database, configuration: CockpitConfiguration, clock: Clock, random: Random
) -> None:
    """After those of deployment, Controllers and the live hub. The service runs on the active member only."""
    connections, order_ids = services.get(ControllerConnections), services.get(OrderIds)
    arrivals, fence = services.get(Arrivals), services.get(Fence)
    settings = services.add(DailyPlanSettings(services.get(Settings)))
    sources = services.add(PlanSources(database, services.get(Deployer)))
    reader = services.add(PlanReader(database))
    generator = services.add(Generator(database, clock, order_ids, sources, settings))
    member_id, run_id = member_id_of(configuration.data), random.token_bytes(8).hex()
    orders = services.get(OrderService)
    submitter = services.add(Submitter(database, clock, connections, orders, order_ids, arrivals, member_id, run_id))
    changes = services.add(
        PlanChanges(database, clock, reader, generator, submitter, connections, arrivals, sources, settings)
    )
    services.add(PlanRenewal(database, clock, reader, changes, settings))
    services.add(Rescheduler(database, clock, reader, generator, submitter, changes, order_ids, settings))
    projections = services.add(Projections(database, clock, connections, sources, settings))
    news = services.add(PlanNews(services.get(LiveHub), services.get(News)))
    service = DailyPlanService(fence, clock, connections, generator, submitter, reader, projections, settings, news)
    services.add(service, is_started_here=False)
    services.get(ActiveServices).add("dailyplan", service)
