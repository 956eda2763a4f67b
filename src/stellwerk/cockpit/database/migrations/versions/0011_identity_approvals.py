"""approval requests and approvers"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "joc_approval_requests",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("requestor", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("requestor_state", sa.Integer(), nullable=False),
        sa.Column("requestor_state_date", sa.BigInteger(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approver_state", sa.Integer(), nullable=False),
        sa.Column("approver_state_date", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_joc_approval_requests")),
    )
    for column in ("requestor", "approver"):
        name = op.f(f"ix_joc_approval_requests_{column}")
        op.create_index(name, "joc_approval_requests", [column], unique=False)
    op.create_table(
        "joc_approvers",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("account_name", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("ordering", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_joc_approvers")),
        sa.UniqueConstraint("account_name", name=op.f("uq_joc_approvers_account_name")),
    )


def downgrade() -> None:
    op.drop_table("joc_approvers")
    op.drop_table("joc_approval_requests")
