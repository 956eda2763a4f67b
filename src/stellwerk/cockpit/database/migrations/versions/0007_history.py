"""indexes of the history lists"""

import sqlalchemy as sa
from alembic import op

revision = "history"
down_revision = "0006"
branch_labels = None
depends_on = None

ORDERS, STEPS = "history_orders", "history_order_steps"

_BEFORE: list[tuple[str, str, list[str], str | None]] = [
    ("ix_history_orders_start_time", ORDERS, ["start_time"], None),
    ("ix_history_orders_parent_id", ORDERS, ["parent_id"], None),
    ("ix_history_orders_workflow_name_start_time", ORDERS, ["workflow_name", "start_time"], None),
    ("ix_history_orders_failed", ORDERS, ["start_time"], "severity = 2"),
    (
        "ix_history_order_steps_workflow_name_job_name_start_time",
        STEPS,
        ["workflow_name", "job_name", "start_time"],
        None,
    ),
]
_AFTER: list[tuple[str, str, list[str], str | None]] = [
    ("ix_history_orders_children", ORDERS, ["parent_id"], "parent_id > 0"),
    ("ix_history_orders_roots", ORDERS, ["start_time"], "parent_id = 0"),
    ("ix_history_orders_workflow", ORDERS, ["workflow_name", "start_time"], "parent_id = 0"),
    ("ix_history_orders_unfinished", ORDERS, ["start_time"], "severity = 1 AND parent_id = 0"),
    ("ix_history_orders_failed", ORDERS, ["start_time"], "severity = 2 AND parent_id = 0"),
    (
        "ix_history_orders_workflow_failed",
        ORDERS,
        ["workflow_name", "start_time"],
        "severity = 2 AND parent_id = 0",
    ),
    ("ix_history_order_steps_workflow_name_start_time", STEPS, ["workflow_name", "start_time"], None),
    ("ix_history_order_steps_job_name_start_time", STEPS, ["job_name", "start_time"], None),
    ("ix_history_order_steps_unfinished", STEPS, ["start_time"], "severity = 1"),
    ("ix_history_order_steps_workflow_failed", STEPS, ["workflow_name", "start_time"], "severity = 2"),
    ("ix_history_order_steps_job_failed", STEPS, ["job_name", "start_time"], "severity = 2"),
]


def upgrade() -> None:
    _replace(_BEFORE, _AFTER)


def downgrade() -> None:
    _replace(_AFTER, _BEFORE)


def _replace(
    gone: list[tuple[str, str, list[str], str | None]], new: list[tuple[str, str, list[str], str | None]]
) -> None:
    for name, table, _, _ in gone:
        op.drop_index(name, table_name=table)
    for name, table, columns, where in new:
        condition = None if where is None else sa.text(where)
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
