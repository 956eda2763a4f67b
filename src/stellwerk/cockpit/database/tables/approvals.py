"""The four-eyes principle: requests and who approves them (cockpit-services 10.4)."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from stellwerk.cockpit.database.tables.base import METADATA, id_column, instant, text_column

#: States are numbers: `approvals.rules`. `request`: the path of the call below `/joc/api`; `parameters`: its body.
joc_approval_requests = Table(
    "joc_approval_requests",
    METADATA,
    id_column(),
    text_column("requestor", nullable=False),
    text_column("title", nullable=False),
    text_column("comment"),
    text_column("category", nullable=False),
    text_column("request", nullable=False),
    text_column("parameters", nullable=False),
    Column("requestor_state", Integer, nullable=False),
    instant("requestor_state_date", nullable=False),
    text_column("approver", nullable=False),
    Column("approver_state", Integer, nullable=False),
    instant("approver_state_date", nullable=False),
    Index(None, "requestor"),
    Index(None, "approver"),
)

joc_approvers = Table(
    "joc_approvers",
    METADATA,
    id_column(),
    text_column("account_name", nullable=False),
    text_column("first_name", nullable=False),
    text_column("last_name", nullable=False),
    text_column("email"),
    Column("ordering", Integer, nullable=False),
    UniqueConstraint("account_name"),
)
