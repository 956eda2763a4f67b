"""sessions know on which grounds they were opened, also without an account in the database"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Their grounds are not known: people log in again.
    op.execute("DELETE FROM joc_sessions")
    op.drop_column("joc_sessions", "account_ids")
    op.add_column("joc_sessions", sa.Column("grounds", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM joc_sessions")
    op.drop_column("joc_sessions", "grounds")
    op.add_column("joc_sessions", sa.Column("account_ids", sa.Text(), server_default="[]", nullable=False))
