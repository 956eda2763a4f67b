"""The present state of each Controller as the projection knows it, so that lists and counts need no Controller call.

Rows are written in the transaction of history rows and cursor; after a torn stream they are rebuilt from a snapshot.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from stellwerk.cockpit.database.tables.base import METADATA, flag, instant, reference, text_column

#: One row per order at the Controller. `data` is the encoded `stellwerk.cockpit.projection.model.LiveOrder`; the other
#: columns repeat what lists filter, group and sort by. `state` is the number of cockpit-services 5.1 without regard to
#: the present time: a Fresh order that is overdue is still SCHEDULED here.
live_orders = Table(
    "live_orders",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("order_id", nullable=False, primary_key=True),
    reference("history_id"),
    text_column("workflow_path", nullable=False),
    text_column("workflow_version_id", nullable=False),
    text_column("workflow_position", nullable=False),
    Column("state", Integer, nullable=False),
    text_column("reason"),
    text_column("agent_id"),
    text_column("job"),
    text_column("error_key"),
    flag("is_child"),
    instant("scheduled_for"),
    instant("started"),
    instant("since", nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    # Few indexes: each is rewritten with nearly every event of an order.
    Index(None, "state", "scheduled_for"),
    Index(None, "workflow_path", "state"),
)

#: Items the Controller has: `type` as in item keys (`Workflow`, `AgentRef`, `SubagentItem`, `Board`, ...), versions of
#: unversioned items are "". `content` is the item's own JSON in the Controller's spelling.
live_items = Table(
    "live_items",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("type", nullable=False, primary_key=True),
    text_column("path", nullable=False, primary_key=True),
    text_column("version_id", nullable=False, primary_key=True),
    flag("is_current"),
    Column("event_id", BigInteger, nullable=False),
    text_column("content", nullable=False),
)

#: Places of notices with something at them (`stellwerk.engine.notices.Place`). `notice_id`: its JSON (orders spec 6.5).
live_notices = Table(
    "live_notices",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("notice_id", nullable=False, primary_key=True),
    text_column("board", nullable=False),
    flag("has_notice"),
    instant("end_of_life"),
    text_column("announced_by"),
    flag("is_announced"),
    flag("is_in_consumption"),
    Column("consumption_count", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index(None, "controller_id", "board"),
)

#: State of Agents and Subagents by the Controller's events.
live_agents = Table(
    "live_agents",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("kind", nullable=False, primary_key=True),
    text_column("agent_id", nullable=False, primary_key=True),
    text_column("state", nullable=False),
    text_column("message"),
    text_column("uri"),
    text_column("timezone"),
    instant("since", nullable=False),
    Column("revision", BigInteger, nullable=False),
)

#: The Controller itself and our link to it.
live_controllers = Table(
    "live_controllers",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("state", nullable=False),
    text_column("timezone"),
    instant("ready_time"),
    Column("revision", BigInteger, nullable=False),
)

#: What has happened to pairs of nodes (cluster.md 1.4): the Controller's own (`agent_id` empty), and Directors'. The
#: newest row of a pair is its state. `time` and `event` null: read from a snapshot, since when is not known.
live_cluster_events = Table(
    "live_cluster_events",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    text_column("agent_id", nullable=False, primary_key=True),
    Column("event_id", BigInteger, nullable=False, primary_key=True, autoincrement=False),
    instant("time"),
    text_column("event"),
    text_column("state", nullable=False),
    text_column("active_id"),
    text_column("lost_id"),
)
