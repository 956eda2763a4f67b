"""Inventory objects, what has been released of them, the trash, and what refers to what (cockpit-services 9.2).

`type` is the number of the object type (`stellwerk.cockpit.inventory.types`), `content` the JSON in inventory spelling.
Names are unique per type without regard to case: `name_key` is the lower-cased name.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table

from stellwerk.cockpit.database.tables.base import METADATA, Id, flag, id_column, instant, reference, text_column

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


def _object_column(**options: Any) -> Column[int]:
    """The inventory object that a note is about; its note goes with it."""
    target = ForeignKey("inv_configurations.id", ondelete="CASCADE")
    return Column("cid", Id, target, nullable=False, **options)


#: What people have written about objects.
inv_note_posts = Table(
    "inv_note_posts",
    METADATA,
    id_column(),
    _object_column(),
    text_column("account", nullable=False),
    text_column("content", nullable=False),
    text_column("severity", nullable=False),
    instant("posted", nullable=False),
    Index(None, "cid"),
)

#: Who has been told of new posts, and in which size they look at them.
inv_note_readers = Table(
    "inv_note_readers",
    METADATA,
    _object_column(primary_key=True, autoincrement=False),
    text_column("account", nullable=False, primary_key=True),
    flag("is_unread"),
    Column("width", Integer),
    Column("height", Integer),
    Index(None, "account"),
)

#: Uploaded files. `reference`: the `documentationName` of objects.
inv_documentations = Table(
    "inv_documentations",
    METADATA,
    id_column(),
    text_column("path", nullable=False, unique=True),
    text_column("folder", nullable=False),
    text_column("kind", nullable=False),
    text_column("reference", unique=True),
    Column("content", LargeBinary, nullable=False),
    instant("modified", nullable=False),
)
