"""Identity services, accounts, roles, permissions, login history (cockpit-services 7.5), and the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, UniqueConstraint

from stellwerk.cockpit.database.tables.base import METADATA, flag, id_column, instant, reference, text_column

iam_identity_services = Table(
    "iam_identity_services",
    METADATA,
    id_column(),
    text_column("type", nullable=False),
    text_column("name", nullable=False),
    text_column("authentication_scheme", nullable=False),
    flag("second_factor"),
    reference("second_factor_is_id", nullable=True),
    Column("ordering", Integer, nullable=False),
    flag("disabled"),
    flag("required"),
    UniqueConstraint("name"),
)

iam_accounts = Table(
    "iam_accounts",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    text_column("account_name", nullable=False),
    text_column("account_password"),
    text_column("email"),
    flag("force_password_change"),
    flag("disabled"),
    UniqueConstraint("identity_service_id", "account_name"),
)

iam_roles = Table(
    "iam_roles",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    text_column("role_name", nullable=False),
    Column("ordering", Integer, nullable=False),
    UniqueConstraint("identity_service_id", "role_name"),
)

iam_account2roles = Table(
    "iam_account2roles",
    METADATA,
    id_column(),
    reference("account_id"),
    reference("role_id"),
    UniqueConstraint("account_id", "role_id"),
)

#: One row grants (or excludes) a permission, or restricts to a folder; `controller_id` null = all Controllers.
iam_permissions = Table(
    "iam_permissions",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    reference("role_id", nullable=True),
    reference("account_id", nullable=True),
    text_column("controller_id"),
    text_column("account_permission"),
    text_column("folder_permission"),
    flag("excluded"),
    flag("recursive"),
    Index(None, "role_id"),
)

iam_history = Table(
    "iam_history",
    METADATA,
    id_column(),
    text_column("account_name", nullable=False),
    reference("identity_service_id", nullable=True),
    instant("login_date", nullable=False),
    flag("login_success"),
    text_column("message"),
    Index(None, "login_date"),
)

iam_blocklist = Table(
    "iam_blocklist",
    METADATA,
    id_column(),
    text_column("account_name", nullable=False),
    text_column("comment"),
    instant("since", nullable=False),
    UniqueConstraint("account_name"),
)

#: Devices that prove who somebody is. `public_key`: COSE, base64url, as `credential_id`. `sign_count`: uses that the
#: device has told of; a lower one comes from a copy.
iam_fido2_devices = Table(
    "iam_fido2_devices",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    reference("account_id"),
    text_column("credential_id", nullable=False),
    text_column("public_key", nullable=False),
    Column("algorithm", Integer, nullable=False),
    text_column("origin", nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    instant("created", nullable=False),
    UniqueConstraint("credential_id"),
    Index(None, "account_id"),
)

#: Devices that somebody asks to be let in with.
iam_fido2_registrations = Table(
    "iam_fido2_registrations",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    text_column("account_name", nullable=False),
    text_column("email"),
    text_column("credential_id", nullable=False),
    text_column("public_key", nullable=False),
    Column("algorithm", Integer, nullable=False),
    text_column("origin", nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    flag("deferred"),
    instant("created", nullable=False),
    UniqueConstraint("identity_service_id", "account_name", "origin"),
)

#: Challenges that have been given out; each is good once, and for a short time.
iam_fido2_requests = Table(
    "iam_fido2_requests",
    METADATA,
    id_column(),
    reference("identity_service_id"),
    text_column("request_id", nullable=False),
    text_column("purpose", nullable=False),
    text_column("account_name"),
    text_column("challenge", nullable=False),
    instant("created", nullable=False),
    UniqueConstraint("request_id"),
    Index(None, "created"),
)

#: What belongs to identity services of type FIDO.
OF_DEVICES = (iam_fido2_devices, iam_fido2_registrations, iam_fido2_requests)

#: Logins that live, valid at every member. Only a hash of the token is kept. `roles`, `permissions` and `folders` are
#: JSON, written anew when what they come from changes. `grounds`: JSON of what the identity services said
#: at login (`Ground`). `last_used` by the database's clock.
joc_sessions = Table(
    "joc_sessions",
    METADATA,
    Column("token_hash", LargeBinary, nullable=False, primary_key=True),
    text_column("account", nullable=False),
    text_column("address", nullable=False),
    text_column("identity_service", nullable=False),
    text_column("roles", nullable=False),
    text_column("permissions", nullable=False),
    text_column("folders", nullable=False, server_default="[]"),
    text_column("grounds", nullable=False, server_default="[]"),
    flag("force_password_change"),
    instant("last_used", nullable=False),
    Index(None, "account"),
    Index(None, "last_used"),
)

#: One row per changing call (cockpit-api 1.8).
joc_audit_log = Table(
    "joc_audit_log",
    METADATA,
    id_column(),
    text_column("account", nullable=False),
    text_column("request", nullable=False),
    text_column("parameters"),
    text_column("category", nullable=False),
    text_column("controller_id"),
    text_column("comment"),
    Column("time_spent", Integer),
    text_column("ticket_link"),
    instant("created", nullable=False),
    Column("status", Integer, nullable=False),
    Index(None, "created"),
)

#: The objects that a call names: of the inventory by type, path, name and folder; orders by id (as path and name).
joc_audit_log_details = Table(
    "joc_audit_log_details",
    METADATA,
    id_column(),
    reference("audit_log_id"),
    text_column("type", nullable=False),
    text_column("path", nullable=False),
    text_column("name", nullable=False),
    text_column("folder"),
    Index(None, "audit_log_id"),
)
