"""Wiring of the services of inventory, deployment, Controllers and orders."""

from __future__ import annotations

from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.controllers.agent_clusters import AgentClusters
from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.connections import ControllerConnections, PeerFactory
from stellwerk.cockpit.controllers.idempotency import Idempotency
from stellwerk.cockpit.controllers.notice_boards import NoticeBoards
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.controllers.order_selection import OrderFinder
from stellwerk.cockpit.controllers.orders import OrderService
from stellwerk.cockpit.controllers.pairs import Pairs
from stellwerk.cockpit.controllers.peers import CREDENTIALS_FOLDER, http_peers
from stellwerk.cockpit.controllers.plans import Plans
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.controllers.workflow_controls import WorkflowControls
from stellwerk.cockpit.daily_plan.settings import DailyPlanSettings
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.deployment.applier import Applier
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.encipherment import Encipherment
from stellwerk.cockpit.deployment.keys import SecurityLevel, SigningKeys
from stellwerk.cockpit.deployment.remover import Remover
from stellwerk.cockpit.deployment.signed_archives import SignedArchives
from stellwerk.cockpit.deployment.undeployer import Undeployer
from stellwerk.cockpit.documentations.store import Documentations
from stellwerk.cockpit.inventory.changes import Changes
from stellwerk.cockpit.inventory.exporter import Exporter
from stellwerk.cockpit.inventory.favorites import Favorites
from stellwerk.cockpit.inventory.importer import Importer
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.renaming import Renamer
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.trash import Trash
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.notes.notes import Notes
from stellwerk.cockpit.repositories.credentials import GitCredentials
from stellwerk.cockpit.repositories.git import Git
from stellwerk.cockpit.repositories.service import Repositories
from stellwerk.cockpit.repositories.working_copies import WorkingCopies
from stellwerk.cockpit.services import Services
from stellwerk.cockpit.settings.configurations import Configurations
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock, Random


def add_services(
    services: Services,
    database: Database,
    news: News,
    configuration: CockpitConfiguration,
    clock: Clock,
    random: Random,
    peer_factory: PeerFactory | None = None,
) -> None:
    """Add them in the order of their start. `peer_factory`: None = HTTP with credentials from the data folder."""
    factory = peer_factory or http_peers(configuration.data / CREDENTIALS_FOLDER)
    connections = services.add(ControllerConnections(database, factory, news))
    keys = services.add(SigningKeys(database, clock, configuration.data, SecurityLevel(configuration.security_level)))
    inventory = services.add(Inventory(database, clock))
    registry = services.add(Registry(database, connections, clock, configuration.security_level))
    services.add(AgentClusters(database, registry, connections, clock))
    services.add(Pairs(registry, connections))
    plan = DailyPlanSettings(services.get(Settings))
    deployer = services.add(
        Deployer(database, inventory, connections, keys, clock, random, lambda: plan.read().period_begin_seconds)
    )
    services.add(SignedArchives(inventory, deployer, keys))
    services.add(NoticeBoards(database, connections))
    services.add(Plans(database, connections))
    services.add(WorkflowControls(database, connections, deployer))
    services.add(Documentations(database, clock))
    services.add(Notes(database, clock))
    releases = services.add(Releases(database, inventory))
    services.add(Trash(inventory))
    services.add(Favorites(database, clock))
    services.add(Changes(database, clock))
    services.add(Encipherment(database, random))
    services.add(Importer(inventory))
    services.add(Renamer(inventory))
    services.add(Exporter(inventory))
    finder = services.add(OrderFinder(database, clock, lambda: inventory.paths_of(ObjectType.WORKFLOW)))
    undeployer = services.add(Undeployer(deployer, inventory, connections, finder, clock, random))
    remover = services.add(Remover(inventory, deployer, undeployer))
    services.add(Applier(inventory, deployer, releases, remover))
    settings, credentials = services.get(Settings), services.add(GitCredentials(services.get(Configurations)))
    git = Git(configuration.data, configuration.git_protocols)
    services.add(Repositories(inventory, settings, WorkingCopies(configuration.data), git, credentials))
    idempotency = services.add(Idempotency(database, clock))
    order_ids = services.add(OrderIds(database, clock))
    arrivals = services.add(Arrivals(database))
    services.add(OrderService(connections, deployer, order_ids, idempotency, finder, arrivals))
