"""notices"""

import sqlalchemy as sa
from alembic import op

revision = "0004_operations"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_notices",
        sa.Column("controller_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("board", sa.Text(), nullable=False),
        sa.Column("has_notice", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("end_of_life", sa.BigInteger(), nullable=True),
        sa.Column("announced_by", sa.Text(), nullable=True),
        sa.Column("is_announced", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("is_in_consumption", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("consumption_count", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("controller_id", "notice_id", name=op.f("pk_live_notices")),
    )
    op.create_index(
        op.f("ix_live_notices_controller_id_board"), "live_notices", ["controller_id", "board"], unique=False
    )
    # Rows of the live tables under former names; what is right comes with the next event about the item.
    op.execute("UPDATE live_items SET type = 'Board' WHERE type IN ('GlobalBoard', 'PlannableBoard')")
    op.execute("DELETE FROM live_items WHERE type = 'WorkflowControl'")


def downgrade() -> None:
    op.drop_index(op.f("ix_live_notices_controller_id_board"), table_name="live_notices")
    op.drop_table("live_notices")
    op.execute("DELETE FROM live_items WHERE type IN ('Board', 'WorkflowControl')")
