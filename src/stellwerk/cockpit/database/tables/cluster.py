"""The Cockpits that share this database, which of them is active, and what the watch of Controllers knows.

Names are those of cluster.md 4.1; `term` and `watch_knowledge` are ours. Instants of this subject are taken from the
database's clock (`Database.now_ms`), never from a host's.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, text_column

#: `id` of the one row of `joc_cluster`.
CLUSTER = "cluster"

#: One row per member ever seen. `heart_beat` 0: has been stopped in order.
joc_instances = Table(
    "joc_instances",
    METADATA,
    id_column(),
    text_column("cluster_id", nullable=False),
    text_column("member_id", nullable=False, unique=True),
    text_column("os"),
    text_column("host", nullable=False),
    text_column("data_directory", nullable=False),
    text_column("security_level", nullable=False),
    text_column("timezone"),
    instant("started_at", nullable=False),
    text_column("title", nullable=False),
    Column("ordering", Integer, nullable=False),
    text_column("uri"),
    instant("heart_beat", nullable=False),
    flag("api_server"),
    text_column("version", nullable=False),
)

#: No row, or one. `member_id` null: nobody is active, the last one has given the role up. `term` grows with each change
#: of the active member and never falls: who writes for the role checks it in the same transaction (`fence`).
joc_cluster = Table(
    "joc_cluster",
    METADATA,
    text_column("id", nullable=False, primary_key=True),
    text_column("member_id", unique=True),
    Column("term", Integer, nullable=False),
    instant("heart_beat", nullable=False),
    text_column("switch_member_id"),
    instant("switch_heart_beat"),
)

#: What the watch knows of a Controller pair, so that the next active member is not untaught (cluster.md 7).
watch_knowledge = Table(
    "watch_knowledge",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    #: The cluster state (cluster.md 1.3) as JSON.
    text_column("cluster_state", nullable=False),
    #: Term of the member that has learnt it.
    Column("term", Integer, nullable=False),
    #: When the active node was heard last.
    instant("heartbeat", nullable=False),
)
