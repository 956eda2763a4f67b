"""Notifications, what is sent of them, alerts, and the notification configuration (cockpit-services 6.4).

Differences from the reference's tables: a notification carries what it says of its order and task, so that it outlives
the history; alerts are kept as rows; what is sent waits in an outbox, `mon_outbox`, instead of being sent on the way.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, UniqueConstraint, text

from stellwerk.cockpit.database.tables.base import METADATA, Id, flag, id_column, instant, reference, text_column

#: Laid aside by the projection; deleted in the transaction that writes what follows from them.
#: `data`: the encoded `stellwerk.cockpit.projection.observations.Observation`.
mon_observations = Table(
    "mon_observations",
    METADATA,
    text_column("controller_id", nullable=False, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("history_id", Id, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

#: `type`, `range`, `warn`: the numbers of cockpit-services 6.2. `notification_id`: of the element of the configuration;
#: empty: none matches. `data`: JSON of what was known of order and task.
mon_notifications = Table(
    "mon_notifications",
    METADATA,
    id_column(),
    text_column("controller_id", nullable=False),
    #: With `key_id` (an order's, of some warnings a task's history id) what makes it one of its kind; 0: the time does
    #: not matter, as there is one such warning only.
    Column("event_id", BigInteger, nullable=False),
    reference("key_id"),
    Column("type", Integer, nullable=False),
    Column("range", Integer, nullable=False),
    Column("warn", Integer, nullable=False),
    text_column("warn_text"),
    text_column("notification_id", nullable=False),
    reference("recovered_id", nullable=True),
    flag("has_monitors"),
    #: An ERROR that its order has not recovered from.
    flag("is_open"),
    reference("alert_id", nullable=True),
    text_column("order_id", nullable=False),
    reference("history_id"),
    #: Of the root order.
    reference("main_id"),
    reference("task_id"),
    text_column("workflow", nullable=False),
    text_column("job"),
    text_column("position"),
    text_column("message"),
    text_column("data", nullable=False),
    instant("created", nullable=False),
    # An event that is looked at twice cannot give a second notification.
    UniqueConstraint(
        "controller_id",
        "event_id",
        "key_id",
        "notification_id",
        "type",
        "warn",
        name="uq_mon_notifications_event",
    ),
    Index(None, "created"),
    Index(None, "key_id", "event_id"),
    Index(None, "main_id"),
    Index(None, "alert_id"),
)

mon_not_acknowledgements = Table(
    "mon_not_acknowledgements",
    METADATA,
    #: 0 of orders and tasks, 1 of the system.
    Column("application", Integer, primary_key=True, autoincrement=False),
    Column("not_id", Id, primary_key=True, autoincrement=False),
    text_column("account", nullable=False),
    text_column("comment"),
    instant("created", nullable=False),
)

#: `category`: SYSTEM, JOC, CONTROLLER, AGENT. `key`: what makes it one of its kind, so that none comes twice.
mon_sysnotifications = Table(
    "mon_sysnotifications",
    METADATA,
    id_column(),
    text_column("key", nullable=False, unique=True),
    Column("type", Integer, nullable=False),
    Column("category", Integer, nullable=False),
    text_column("controller_id", nullable=False),
    text_column("source", nullable=False),
    text_column("notifier", nullable=False),
    text_column("message", nullable=False),
    text_column("exception"),
    flag("has_monitors"),
    reference("alert_id", nullable=True),
    instant("time", nullable=False),
    instant("created", nullable=False),
    Index(None, "created"),
    Index(None, "alert_id"),
)

#: One row per *fingerprint*: the same thing at the same place is one alert, however often it happens (ui.md S16).
#: `state`: open, acknowledged, resolved. `severity`: error, warning.
mon_alerts = Table(
    "mon_alerts",
    METADATA,
    id_column(),
    text_column("fingerprint", nullable=False, unique=True),
    text_column("kind", nullable=False),
    text_column("severity", nullable=False),
    text_column("state", nullable=False),
    text_column("controller_id", nullable=False),
    text_column("workflow"),
    text_column("job"),
    text_column("title", nullable=False),
    text_column("message"),
    Column("occurrences", Integer, nullable=False),
    instant("first_time", nullable=False),
    instant("last_time", nullable=False),
    instant("state_time", nullable=False),
    text_column("account"),
    text_column("comment"),
    instant("muted_until"),
    #: The last occurrence's order and task.
    text_column("order_id"),
    reference("history_id", nullable=True),
    reference("task_id", nullable=True),
    Index(None, "state", "last_time"),
)

#: What is to be sent, one row per message and receiver. `state`: 0 to be sent, 1 sent, 2 given up.
#: `message_id` is told to the receiver and stays the same however often the message is sent.
mon_outbox = Table(
    "mon_outbox",
    METADATA,
    id_column(),
    text_column("message_id", nullable=False, unique=True),
    Column("application", Integer, nullable=False),
    reference("not_id"),
    reference("alert_id", nullable=True),
    text_column("kind", nullable=False),
    text_column("name", nullable=False),
    #: JSON of what is sent: `stellwerk.cockpit.monitoring.channels.Message`.
    text_column("content", nullable=False),
    Column("state", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    instant("due", nullable=False),
    text_column("error_text"),
    instant("created", nullable=False),
    instant("modified", nullable=False),
    Index("ix_mon_outbox_due", "due", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
    Index(None, "application", "not_id"),
    Index(None, "created"),
)

#: Configurations in XML: a draft and what has been released (cockpit-services 6.3).
xmleditor_configurations = Table(
    "xmleditor_configurations",
    METADATA,
    id_column(),
    text_column("type", nullable=False),
    text_column("name", nullable=False),
    text_column("draft"),
    text_column("draft_json"),
    instant("draft_modified"),
    text_column("released"),
    text_column("released_json"),
    instant("released_modified"),
    text_column("account", nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    UniqueConstraint("type", "name"),
)
