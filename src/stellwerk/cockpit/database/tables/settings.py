"""Settings, profiles, saved filters, configurations of identity services: JSON under a key (cockpit-services 8)."""

from __future__ import annotations

from sqlalchemy import Table, UniqueConstraint

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, text_column

#: Members of the key that do not apply are empty. The settings are the row of type GLOBALS and account `.`.
joc_configurations = Table(
    "joc_configurations",
    METADATA,
    id_column(),
    text_column("configuration_type", nullable=False),
    text_column("object_type", nullable=False),
    text_column("name", nullable=False),
    text_column("account", nullable=False),
    text_column("controller_id", nullable=False),
    flag("shared"),
    text_column("configuration_item", nullable=False),
    instant("modified", nullable=False),
    UniqueConstraint(
        "configuration_type", "object_type", "name", "account", "controller_id", name="uq_joc_configurations_key"
    ),
)
