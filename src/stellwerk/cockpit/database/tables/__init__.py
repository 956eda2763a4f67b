"""All tables, by subject. Importing this package fills `METADATA`.

Names are those of the specification (cockpit-services 4.9, 5.4, 7.5, 9.2) in lower case. Instants are epoch
milliseconds (UTC), booleans are SQL booleans, JSON is text that we encode ourselves.
"""

from stellwerk.cockpit.database.tables import (
    approvals,
    cluster,
    collections,
    controllers,
    daily_plan,
    deployment,
    history,
    identity,
    inventory,
    live,
    monitoring,
    registry,
    settings,
    tags,
)
from stellwerk.cockpit.database.tables.base import METADATA

__all__ = [
    "METADATA",
    "approvals",
    "cluster",
    "collections",
    "controllers",
    "daily_plan",
    "deployment",
    "history",
    "identity",
    "inventory",
    "live",
    "monitoring",
    "registry",
    "settings",
    "tags",
]
