"""What has been sent to which Controller, and the keys it was signed with (cockpit-services 9.2, 2.9)."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table

from stellwerk.cockpit.database.tables.base import METADATA, id_column, instant, reference, text_column

#: One row per object × Controller × deployment. `operation`: 0 update, 1 delete; `state`: 0 deployed, 1 not deployed.
dep_history = Table(
    "dep_history",
    METADATA,
    id_column(),
    text_column("account", nullable=False),
    text_column("path", nullable=False),
    text_column("folder", nullable=False),
    text_column("name", nullable=False),
    text_column("title"),
    Column("type", Integer, nullable=False),
    reference("inv_cid", nullable=True),
    reference("inv_iid", nullable=True),
    text_column("controller_id", nullable=False),
    #: The exact text in engine spelling that was signed and sent.
    text_column("content"),
    text_column("inv_content"),
    text_column("signature"),
    text_column("commit_id", nullable=False),
    text_column("version"),
    Column("operation", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    text_column("error_message"),
    instant("deployment_date", nullable=False),
    instant("deleted_date"),
    reference("auditlog_id", nullable=True),
    Index(None, "controller_id", "type", "name", "id"),
    Index(None, "inv_cid"),
    Index(None, "commit_id"),
)

#: `key_type`: PRIVATE, PUBLIC, X509, CA; `key_alg`: PGP, RSA, ECDSA; `seclvl`: LOW, MEDIUM, HIGH.
dep_keys = Table(
    "dep_keys",
    METADATA,
    id_column(),
    text_column("key_type", nullable=False),
    text_column("key_alg", nullable=False),
    text_column("key"),
    text_column("certificate"),
    text_column("account", nullable=False),
    text_column("seclvl", nullable=False),
    Index(None, "account", "seclvl", "key_type", unique=True),
)
