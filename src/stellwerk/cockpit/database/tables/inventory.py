"""Inventory objects, what has been released of them, the trash, and what refers to what (cockpit-services 9.2).

`type` is the number of the object type (`stellwerk.cockpit.inventory.types`), `content` the JSON in inventory spelling.
Names are unique per type without regard to case: `name_key` is the lower-cased name.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, reference, text_column

inv_configurations = Table(
    "inv_configurations",
    METADATA,
    id_column(),
    Column("type", Integer, nullable=False),
    text_column("path", nullable=False),
    text_column("name", nullable=False),
    text_column("name_key", nullable=False),
    text_column("folder", nullable=False),
    text_column("title"),
    text_column("content"),
    flag("valid"),
    #: What is wrong with the content; null if it is valid.
    text_column("invalid_message"),
    flag("deleted"),
    flag("deployed"),
    flag("released"),
    flag("repo_ctrl"),
    reference("audit_log_id", nullable=True),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    Index(None, "type", "path", unique=True),
    Index(None, "type", "name_key"),
    Index(None, "folder"),
)

inv_configuration_trash = Table(
    "inv_configuration_trash",
    METADATA,
    id_column(),
    Column("type", Integer, nullable=False),
    text_column("path", nullable=False),
    text_column("name", nullable=False),
    text_column("folder", nullable=False),
    text_column("title"),
    text_column("content"),
    flag("valid"),
    reference("audit_log_id", nullable=True),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    Index(None, "type", "path", unique=True),
)

inv_released_configurations = Table(
    "inv_released_configurations",
    METADATA,
    id_column(),
    Column("type", Integer, nullable=False),
    text_column("path", nullable=False),
    #: id of the inventory row
    Column("cid", reference("cid").type, nullable=False, unique=True),
    text_column("name", nullable=False),
    text_column("folder", nullable=False),
    text_column("title"),
    text_column("content", nullable=False),
    reference("audit_log_id", nullable=True),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    Index(None, "type", "name"),
)

#: The objects that an inventory object refers to, by type and name: they need not exist.
inv_dependencies = Table(
    "inv_dependencies",
    METADATA,
    Column("inv_id", reference("inv_id").type, primary_key=True, autoincrement=False),
    Column("dep_type", Integer, primary_key=True, autoincrement=False),
    text_column("dep_name", nullable=False, primary_key=True),
    Index(None, "dep_type", "dep_name"),
)
