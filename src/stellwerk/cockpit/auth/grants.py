"""`Grants`: what an account may do, as the tables say now; and sessions that follow when that changes.

A session lives as long as each of its grounds would still let it in: an account that is enabled and not blocked, with
roles and permissions, in an identity service that is enabled. What a directory has said at login (roles of accounts
that are not kept here) stands until the session ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.auth.lookup import WITH_PASSWORDS
from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import Ground, Identity, Sessions
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

    async def of(self, grounds: Sequence[Ground]) -> Identity | None:
        """What these together entitle to; None if an account is gone, disabled, blocked, or its service is disabled."""
        async with self._database.read() as connection:
            return await _identity(connection, grounds)

    async def roles_of(self, account_id: int) -> tuple[tuple[str, ...], Permissions]:
        """Roles and permissions of an account, also of one that could not log in now."""
        async with self._database.read() as connection:
            return await _roles_and_permissions(
                connection, _held(Ground(service_id=0, account="", account_id=account_id))
            )

    async def refresh(self, account_ids: Iterable[int], service_id: int | None = None) -> None:
        """Sessions of these accounts get what they may do now, or end.

        `service_id`: also those of accounts of this identity service that are not kept here.
        """
        changed = set(account_ids)
        if not changed and service_id is None:
            return
        found: dict[tuple[Ground, ...], Identity | None] = {}
        for token_hash, grounds in await self._sessions.with_grounds():
            if not any(_concerns(ground, changed, service_id) for ground in grounds):
                continue
            if grounds not in found:
                identity = await self.of(grounds)
                found[grounds] = identity if identity is not None and is_sufficient(identity) else None
            identity = found[grounds]
            if identity is None:
                await self._sessions.end(token_hash)
            else:
                await self._sessions.change(token_hash, identity)


def is_sufficient(identity: Identity) -> bool:
    return bool(identity.roles) and not identity.permissions.is_empty


def _concerns(ground: Ground, account_ids: set[int], service_id: int | None) -> bool:
    return ground.service_id == service_id if ground.account_id is None else ground.account_id in account_ids


async def _identity(connection: AsyncConnection, grounds: Sequence[Ground]) -> Identity | None:
    accounts, services = iam_accounts.c, iam_identity_services.c
    found = await connection.execute(select(iam_identity_services).where(~services.disabled))
    enabled = {row.id: row for row in found}
    if not grounds or any(ground.service_id not in enabled for ground in grounds):
        return None
    account_ids = [ground.account_id for ground in grounds if ground.account_id is not None]
    rows = (
        await connection.execute(select(iam_accounts).where(accounts.id.in_(account_ids), ~accounts.disabled))
    ).all()
    if len(rows) != len(account_ids):
        return None
    # An account that has another name by now is known by that.
    names = {row.id: row.account_name for row in rows}
    grounds = sorted(grounds, key=lambda one: (enabled[one.service_id].ordering, one.service_id))
    accounts_named = [names.get(one.account_id or 0, one.account) for one in grounds]
    blocked = select(iam_blocklist.c.id).where(iam_blocklist.c.account_name.in_(accounts_named))
    if (await connection.execute(blocked)).first() is not None:
        return None
    roles, permissions = await _roles_and_permissions(connection, or_(*[_held(one) for one in grounds]))
    service = enabled[grounds[0].service_id]
    return Identity(
        account=accounts_named[0],
        identity_service=f"{service.type}:{service.name}",
        roles=roles,
        permissions=permissions,
        # Passwords that are kept elsewhere cannot be changed here.
        force_password_change=any(
            row.force_password_change and enabled[row.identity_service_id].type == WITH_PASSWORDS for row in rows
        ),
        grounds=tuple(grounds),
    )


def _held(ground: Ground) -> ColumnElement[bool]:
    """The roles that a ground gives: those of the account, or those that its directory names."""
    roles = iam_roles.c
    if ground.account_id is None:
        return and_(roles.identity_service_id == ground.service_id, roles.role_name.in_(ground.roles))
    return _held_by_account(ground.account_id)


def _held_by_account(account_id: int) -> ColumnElement[bool]:
    held = select(iam_account2roles.c.role_id).where(iam_account2roles.c.account_id == account_id)
    return iam_roles.c.id.in_(held)


async def _roles_and_permissions(
    connection: AsyncConnection, are_held: ColumnElement[bool]
) -> tuple[tuple[str, ...], Permissions]:
    roles, table = iam_roles.c, iam_permissions.c
    role_rows = (
        await connection.execute(select(roles.id, roles.role_name).where(are_held).order_by(roles.ordering, roles.id))
    ).all()
    rows = (
        await connection.execute(
            select(iam_permissions).where(table.role_id.in_([role.id for role in role_rows])).order_by(table.id)
        )
    ).all()
    names = {role.id: role.role_name for role in role_rows}
    permissions = [
        PermissionRow(row.account_permission, row.controller_id, bool(row.excluded), names[row.role_id])
        for row in rows
        if row.account_permission is not None
    ]
    folders = [
        FolderRow(row.folder_permission, bool(row.recursive), row.controller_id)
        for row in rows
        if row.folder_permission is not None
    ]
    return tuple(dict.fromkeys(role.role_name for role in role_rows)), Permissions(permissions, folders)
