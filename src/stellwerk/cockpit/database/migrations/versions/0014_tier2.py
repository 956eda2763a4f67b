"""notes and documentations"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _object(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["cid"], ["inv_configurations.id"], name=op.f(f"fk_{table}_cid"), ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "inv_note_posts",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("cid", _id(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("posted", sa.BigInteger(), nullable=False),
        _object("inv_note_posts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inv_note_posts")),
    )
    op.create_index(op.f("ix_inv_note_posts_cid"), "inv_note_posts", ["cid"], unique=False)
    op.create_table(
        "inv_note_readers",
        sa.Column("cid", _id(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("is_unread", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        _object("inv_note_readers"),
        sa.PrimaryKeyConstraint("cid", "account", name=op.f("pk_inv_note_readers")),
    )
    op.create_index(op.f("ix_inv_note_readers_account"), "inv_note_readers", ["account"], unique=False)
    op.create_table(
        "inv_documentations",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("modified", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inv_documentations")),
        sa.UniqueConstraint("path", name=op.f("uq_inv_documentations_path")),
        sa.UniqueConstraint("reference", name=op.f("uq_inv_documentations_reference")),
    )


def downgrade() -> None:
    op.drop_table("inv_documentations")
    op.drop_table("inv_note_readers")
    op.drop_table("inv_note_posts")
