"""indexes of the history lists, index of the words of logs"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
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


#: SQLite: full text over the column `words`, whose words have been separated already. `ascii` leaves all other letters
#: as they are.
_FTS5 = """
CREATE VIRTUAL TABLE history_log_words USING fts5(
    words, content='history_log_index', content_rowid='hos_id', detail=none, columnsize=0,
    tokenize="ascii tokenchars '_'"
)
"""
_ADDED = """
CREATE TRIGGER history_log_index_added AFTER INSERT ON history_log_index BEGIN
    INSERT INTO history_log_words(rowid, words) VALUES (new.hos_id, new.words);
END
"""
_REMOVED = """
CREATE TRIGGER history_log_index_removed AFTER DELETE ON history_log_index BEGIN
    INSERT INTO history_log_words(history_log_words, rowid, words) VALUES ('delete', old.hos_id, old.words);
END
"""


def upgrade() -> None:
    _replace(_BEFORE, _AFTER)
    op.create_table(
        "history_log_pending",
        sa.Column("hos_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hos_id", name=op.f("pk_history_log_pending")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "history_log_index",
        sa.Column("hos_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("is_whole", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("words", sa.Text() if is_sqlite else postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("hos_id", name=op.f("pk_history_log_index")),
    )
    partial = sa.text("NOT is_whole")
    op.create_index(
        "ix_history_log_index_partial",
        "history_log_index",
        ["hos_id"],
        sqlite_where=partial,
        postgresql_where=partial,
    )
    if is_sqlite:
        for statement in (_FTS5, _ADDED, _REMOVED):
            op.execute(statement)
    else:
        op.create_index("ix_history_log_index_words", "history_log_index", ["words"], postgresql_using="gin")
    # What has ended before is indexed as if it had ended now.
    ended = "SELECT id FROM history_order_steps WHERE end_time IS NOT NULL AND log_lines > 2"
    op.execute(f"INSERT INTO history_log_pending {ended}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER history_log_index_added")
        op.execute("DROP TRIGGER history_log_index_removed")
        op.execute("DROP TABLE history_log_words")
    op.drop_table("history_log_index")
    op.drop_table("history_log_pending")
    _replace(_AFTER, _BEFORE)


def _replace(
    gone: list[tuple[str, str, list[str], str | None]], new: list[tuple[str, str, list[str], str | None]]
) -> None:
    for name, table, _, _ in gone:
        op.drop_index(name, table_name=table)
    for name, table, columns, where in new:
        condition = None if where is None else sa.text(where)
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
