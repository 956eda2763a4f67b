"""devices of people (WebAuthn)"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "iam_fido2_devices",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("identity_service_id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iam_fido2_devices")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_iam_fido2_devices_credential_id")),
    )
    op.create_index(op.f("ix_iam_fido2_devices_account_id"), "iam_fido2_devices", ["account_id"], unique=False)
    op.create_table(
        "iam_fido2_registrations",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("identity_service_id", Id, nullable=False),
        sa.Column("account_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("deferred", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iam_fido2_registrations")),
        sa.UniqueConstraint(
            "identity_service_id",
            "account_name",
            "origin",
            name=op.f("uq_iam_fido2_registrations_identity_service_id_account_name_origin"),
        ),
    )
    op.create_table(
        "iam_fido2_requests",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("identity_service_id", Id, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("account_name", sa.Text(), nullable=True),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iam_fido2_requests")),
        sa.UniqueConstraint("request_id", name=op.f("uq_iam_fido2_requests_request_id")),
    )
    op.create_index(op.f("ix_iam_fido2_requests_created"), "iam_fido2_requests", ["created"], unique=False)


def downgrade() -> None:
    for table in ("iam_fido2_requests", "iam_fido2_registrations", "iam_fido2_devices"):
        op.drop_table(table)
