"""Tags of workflows, jobs and orders, their groups, and which workflow or job has which (cockpit-services 1.9).

Differences from the reference's tables: the three kinds stand in one table; taggings name workflows, so that they
outlive the trash, and those of workflows and of jobs are one table. Tags of orders stand in the objects that make
orders; here they are only known by name.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from stellwerk.cockpit.database.tables.base import METADATA, id_column, instant, reference, text_column

inv_tag_groups = Table(
    "inv_tag_groups",
    METADATA,
    id_column(),
    text_column("name", nullable=False, unique=True),
    Column("ordering", Integer, nullable=False),
    instant("modified", nullable=False),
)

#: `kind`: 0 workflow, 1 job, 2 order.
inv_tags = Table(
    "inv_tags",
    METADATA,
    id_column(),
    Column("kind", Integer, nullable=False),
    text_column("name", nullable=False),
    reference("group_id", nullable=True),
    Column("ordering", Integer, nullable=False),
    instant("modified", nullable=False),
    UniqueConstraint("kind", "name"),
)

#: `job_name` is empty for a tag of the workflow itself.
inv_taggings = Table(
    "inv_taggings",
    METADATA,
    text_column("workflow_name", nullable=False, primary_key=True),
    text_column("job_name", nullable=False, primary_key=True),
    Column("tag_id", reference("tag_id").type, primary_key=True, autoincrement=False),
    instant("modified", nullable=False),
    Index(None, "tag_id"),
)
