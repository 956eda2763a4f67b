"""What people keep beside the inventory: favorites, changes, certificates for encryption (cockpit-services 1.8, 10.3,
10.5)."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, reference, text_column

#: `type`: FACET, AGENT, TAG.
inv_favorites = Table(
    "inv_favorites",
    METADATA,
    id_column(),
    text_column("account", nullable=False),
    text_column("type", nullable=False),
    text_column("name", nullable=False),
    text_column("content"),
    Column("ordering", Integer, nullable=False),
    flag("shared"),
    instant("modified", nullable=False),
    UniqueConstraint("account", "type", "name"),
)

#: A collection of objects that are published together. `state`: 0 open, 1 closed, 2 published.
inv_changes = Table(
    "inv_changes",
    METADATA,
    id_column(),
    text_column("name", nullable=False, unique=True),
    text_column("title"),
    Column("state", Integer, nullable=False),
    text_column("owner", nullable=False),
    text_column("last_published_by"),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    instant("closed"),
)

#: The objects of a change by type and name.
inv_change_items = Table(
    "inv_change_items",
    METADATA,
    Column("change_id", reference("change_id").type, primary_key=True, autoincrement=False),
    Column("type", Integer, primary_key=True, autoincrement=False),
    text_column("name", nullable=False, primary_key=True),
    Index(None, "type", "name"),
)

enc_certificates = Table(
    "enc_certificates",
    METADATA,
    text_column("cert_alias", nullable=False, primary_key=True),
    text_column("certificate", nullable=False),
    #: On Agents.
    text_column("private_key_path"),
)

#: Which Agents hold the private key of a certificate.
enc_assignments = Table(
    "enc_assignments",
    METADATA,
    text_column("cert_alias", nullable=False, primary_key=True),
    text_column("agent_id", nullable=False, primary_key=True),
)
