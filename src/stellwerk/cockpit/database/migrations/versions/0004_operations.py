"""notices, Agent clusters"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
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
    op.create_table(
        "inv_subagent_clusters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("controller_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("subagent_cluster_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("ordering", sa.Integer(), nullable=False),
        sa.Column("deployed", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inv_subagent_clusters")),
    )
    op.create_index(
        op.f("ix_inv_subagent_clusters_controller_id_subagent_cluster_id"),
        "inv_subagent_clusters",
        ["controller_id", "subagent_cluster_id"],
        unique=True,
    )
    op.create_table(
        "inv_subagent_cluster_members",
        sa.Column("controller_id", sa.Text(), nullable=False),
        sa.Column("subagent_cluster_id", sa.Text(), nullable=False),
        sa.Column("subagent_id", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "controller_id", "subagent_cluster_id", "subagent_id", name=op.f("pk_inv_subagent_cluster_members")
        ),
    )
    # Rows of the live tables under former names; what is right comes with the next event about the item.
    op.execute("UPDATE live_items SET type = 'Board' WHERE type IN ('GlobalBoard', 'PlannableBoard')")
    op.execute("DELETE FROM live_items WHERE type = 'WorkflowControl'")


def downgrade() -> None:
    op.drop_table("inv_subagent_cluster_members")
    op.drop_index(
        op.f("ix_inv_subagent_clusters_controller_id_subagent_cluster_id"), table_name="inv_subagent_clusters"
    )
    op.drop_table("inv_subagent_clusters")
    op.drop_index(op.f("ix_live_notices_controller_id_board"), table_name="live_notices")
    op.drop_table("live_notices")
    op.execute("DELETE FROM live_items WHERE type IN ('Board', 'WorkflowControl')")
