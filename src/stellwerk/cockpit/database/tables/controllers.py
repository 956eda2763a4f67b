"""Registered Controllers, Agents and Subagents (cockpit-services 9.2), and first answers of repeatable calls."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, text_column

inv_js_instances = Table(
    "inv_js_instances",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("security_level", nullable=False),
    text_column("uri", nullable=False, unique=True),
    text_column("cluster_uri"),
    text_column("version"),
    text_column("os"),
    text_column("host"),
    instant("started_at"),
    text_column("title"),
    flag("is_cluster"),
    flag("is_primary"),
    flag("failover_confirmation"),
    text_column("certificate"),
    instant("modified", nullable=False),
    Index(None, "controller_id"),
)

inv_agent_instances = Table(
    "inv_agent_instances",
    METADATA,
    id_column(),
    text_column("agent_id", nullable=False),
    text_column("agent_name", nullable=False),
    #: Of a cluster: that of its primary Director.
    text_column("uri", nullable=False),
    text_column("controller_id", nullable=False),
    Column("process_limit", Integer),
    Column("ordering", Integer, nullable=False),
    text_column("title"),
    text_column("version"),
    text_column("certificate"),
    flag("is_watcher"),
    flag("disabled"),
    flag("hidden"),
    flag("failover_confirmation"),
    flag("deployed"),
    instant("modified", nullable=False),
    Index(None, "controller_id", "agent_id", unique=True),
)

#: Further names (aliases) of Agents.
inv_agent_names = Table(
    "inv_agent_names",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("agent_name", nullable=False, primary_key=True),
    text_column("agent_id", nullable=False),
)

#: `is_director`: 0 no Director, 1 primary, 2 secondary.
inv_subagent_instances = Table(
    "inv_subagent_instances",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("sub_agent_id", nullable=False),
    text_column("agent_id", nullable=False),
    text_column("uri", nullable=False),
    Column("is_director", Integer, nullable=False),
    Column("ordering", Integer, nullable=False),
    text_column("title"),
    text_column("certificate"),
    flag("is_watcher"),
    flag("disabled"),
    flag("deployed"),
    instant("modified", nullable=False),
    Index(None, "controller_id", "sub_agent_id", unique=True),
)

#: Subagent clusters: at the Controller they are SubagentBundles.
inv_subagent_clusters = Table(
    "inv_subagent_clusters",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    text_column("agent_id", nullable=False),
    text_column("subagent_cluster_id", nullable=False),
    text_column("title"),
    Column("ordering", Integer, nullable=False),
    flag("deployed"),
    instant("modified", nullable=False),
    Index(None, "controller_id", "subagent_cluster_id", unique=True),
)

#: `priority`: a number or an expression (workflow spec 8.7), as text.
inv_subagent_cluster_members = Table(
    "inv_subagent_cluster_members",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("subagent_cluster_id", nullable=False, primary_key=True),
    text_column("subagent_id", nullable=False, primary_key=True),
    text_column("priority", nullable=False),
)

#: The first answer of a changing call with an Idempotency-Key; rows are dropped when there are too many or too old.
joc_idempotency = Table(
    "joc_idempotency",
    METADATA,
    text_column("account", nullable=False, primary_key=True),
    text_column("key", nullable=False, primary_key=True),
    text_column("request_hash", nullable=False),
    #: null while the first call is under way
    Column("answer", LargeBinary),
    instant("created", nullable=False),
    Index(None, "created"),
)
