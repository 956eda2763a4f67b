"""`Grants`: what an account may do, as the tables say now; and sessions that follow when that changes.

A session lives as long as each account by which it was opened could still log in: enabled, not blocked, with roles and
permissions, in an identity service that is enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import Identity, Sessions
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import (
    iam_account2roles,
    iam_accounts,
    iam_blocklist,
    iam_identity_services,
    iam_permissions,
    iam_roles,
)


class Grants:
    """Reads grants; `refresh` after each change of accounts, roles, permissions, folders, identity services."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions

    async def of(self, account_ids: Sequence[int]) -> Identity | None:
        """What these accounts together may do; None if one is gone, disabled, blocked, or its service is disabled."""
        async with self._database.read() as connection:
            return await _identity(connection, account_ids)

    async def roles_of(self, account_id: int) -> tuple[tuple[str, ...], Permissions]:
        """Roles and permissions of an account, also of one that could not log in now."""
        async with self._database.read() as connection:
            return await _roles_and_permissions(connection, [account_id])

    async def refresh(self, account_ids: Iterable[int]) -> None:
        """Sessions of these accounts get what the accounts may do now, or end."""
        changed = set(account_ids)
        if not changed:
            return
        found: dict[tuple[int, ...], Identity | None] = {}
        for token_hash, ids in await self._sessions.with_accounts():
            if changed.isdisjoint(ids):
                continue
            if ids not in found:
                identity = await self.of(ids)
                found[ids] = identity if identity is not None and is_sufficient(identity) else None
            identity = found[ids]
            if identity is None:
                await self._sessions.end(token_hash)
            else:
                await self._sessions.change(token_hash, identity)


def is_sufficient(identity: Identity) -> bool:
    return bool(identity.roles) and not identity.permissions.is_empty


async def _identity(connection: AsyncConnection, account_ids: Sequence[int]) -> Identity | None:
    accounts, services = iam_accounts.c, iam_identity_services.c
    rows = (
        await connection.execute(
            select(accounts.id, accounts.account_name, accounts.force_password_change, services.type, services.name)
            .join(iam_identity_services, services.id == accounts.identity_service_id)
            .where(accounts.id.in_(account_ids), ~accounts.disabled, ~services.disabled)
            .order_by(services.ordering, services.id)
        )
    ).all()
    if not rows or len(rows) != len(account_ids):
        return None
    names = [row.account_name for row in rows]
    blocked = select(iam_blocklist.c.id).where(iam_blocklist.c.account_name.in_(names))
    if (await connection.execute(blocked)).first() is not None:
        return None
    roles, permissions = await _roles_and_permissions(connection, account_ids)
    return Identity(
        account=rows[0].account_name,
        identity_service=f"{rows[0].type}:{rows[0].name}",
        roles=roles,
        permissions=permissions,
        force_password_change=any(row.force_password_change for row in rows),
        account_ids=tuple(account_ids),
    )


async def _roles_and_permissions(
    connection: AsyncConnection, account_ids: Sequence[int]
) -> tuple[tuple[str, ...], Permissions]:
    roles, table = iam_roles.c, iam_permissions.c
    role_rows = (
        await connection.execute(
            select(roles.id, roles.role_name)
            .join(iam_account2roles, iam_account2roles.c.role_id == roles.id)
            .where(iam_account2roles.c.account_id.in_(account_ids))
            .order_by(roles.ordering, roles.id)
        )
    ).all()
    rows = (
        await connection.execute(
            select(iam_permissions).where(table.role_id.in_([role.id for role in role_rows])).order_by(table.id)
        )
    ).all()
    permissions = [
        PermissionRow(row.account_permission, row.controller_id, bool(row.excluded))
        for row in rows
        if row.account_permission is not None
    ]
    folders = [
        FolderRow(row.folder_permission, bool(row.recursive), row.controller_id)
        for row in rows
        if row.folder_permission is not None
    ]
    return tuple(dict.fromkeys(role.role_name for role in role_rows)), Permissions(permissions, folders)
