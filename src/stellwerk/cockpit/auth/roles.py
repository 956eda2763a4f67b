"""`Roles`: roles, what they permit and to which folders they restrict (cockpit-services 7.3).

`controller_id` is that of one Controller, or empty: for all of them. Changes reach the sessions of those who hold the
role.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.lookup import accounts_with_roles, check_name, next_ordering, role_rows, service_row
from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, long_form, permission_fault
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import iam_account2roles, iam_permissions, iam_roles
from stellwerk.cockpit.inventory.names import normalized

_table, _roles = iam_permissions.c, iam_roles.c


class Role(msgspec.Struct, frozen=True):
    """`controllers`: for which ones rows exist; empty text: rows for all."""

    name: str
    ordering: int
    controllers: list[str]


class RoleRows(msgspec.Struct, frozen=True):
    """Everything that one role holds, for all Controllers and for single ones."""

    name: str
    permissions: list[PermissionRow]
    folders: list[FolderRow]


class Roles:
    """All operations on roles."""

    def __init__(self, database: Database, grants: Grants) -> None:
        self._database = database
        self._grants = grants

    async def all(self, service: str) -> list[Role]:
        async with self._database.read() as connection:
            service_id = (await service_row(connection, service)).id
            rows = (
                await connection.execute(
                    select(iam_roles)
                    .where(_roles.identity_service_id == service_id)
                    .order_by(_roles.ordering, _roles.id)
                )
            ).all()
            scopes = await connection.execute(
                select(_table.role_id, _table.controller_id).where(_table.identity_service_id == service_id).distinct()
            )
            controllers: dict[int, set[str]] = {}
            for role_id, controller_id in scopes:
                controllers.setdefault(role_id, set()).add(controller_id or "")
        return [Role(row.role_name, row.ordering, sorted(controllers.get(row.id, ()))) for row in rows]

    async def read(self, service: str, name: str) -> Role:
        for role in await self.all(service):
            if role.name == name:
                return role
        raise ObjectNotFound(f"Couldn't find the role '{name}' in the identity service '{service}'")

    async def all_rows(self, service: str) -> list[RoleRows]:
        """All roles of a service with all that they hold, in order."""
        async with self._database.read() as connection:
            service_id = (await service_row(connection, service)).id
            roles = await connection.execute(
                select(iam_roles).where(_roles.identity_service_id == service_id).order_by(_roles.ordering, _roles.id)
            )
            found = {row.id: RoleRows(row.role_name, [], []) for row in roles}
            rows = await connection.execute(
                select(iam_permissions).where(_table.role_id.in_(list(found))).order_by(_table.id)
            )
            for row in rows:
                role = found[row.role_id]
                if row.account_permission is not None:
                    permission = long_form(row.account_permission)
                    role.permissions.append(PermissionRow(permission, row.controller_id, bool(row.excluded), role.name))
                if row.folder_permission is not None:
                    role.folders.append(FolderRow(row.folder_permission, bool(row.recursive), row.controller_id))
        return list(found.values())

    async def store(self, service: str, name: str, ordering: int | None = None) -> None:
        """Insert, or give an existing role another place."""
        check_name(name, "role")
        async with self._database.write() as connection:
            service_id = (await service_row(connection, service)).id
            of_service = _roles.identity_service_id == service_id
            if ordering is None:
                ordering = await next_ordering(connection, iam_roles, of_service)
                changes: list[str] = []
            else:
                changes = ["ordering"]
            statement = self._database.upsert(iam_roles, ["identity_service_id", "role_name"], changes)
            await connection.execute(
                statement.values(identity_service_id=service_id, role_name=name, ordering=ordering)
            )

    async def rename(self, service: str, old: str, new: str) -> None:
        check_name(new, "role")
        async with self._database.write() as connection:
            (row,) = await role_rows(connection, service, [old])
            taken = select(_roles.id).where(
                _roles.identity_service_id == row.identity_service_id, _roles.role_name == new
            )
            if old != new and (await connection.execute(taken)).first() is not None:
                raise ApiError(f"a role '{new}' exists already in the identity service '{service}'")
            await connection.execute(update(iam_roles).where(_roles.id == row.id).values(role_name=new))
            holders = await accounts_with_roles(connection, [row.id])
        await self._grants.refresh(holders, row.identity_service_id)

    async def delete(self, service: str, names: Sequence[str]) -> None:
        if not names:
            raise BadRequest("roleNames is empty: name at least one role")
        async with self._database.write() as connection:
            rows = await role_rows(connection, service, names)
            ids = [row.id for row in rows]
            holders = await accounts_with_roles(connection, ids)
            await connection.execute(delete(iam_account2roles).where(iam_account2roles.c.role_id.in_(ids)))
            await connection.execute(delete(iam_permissions).where(_table.role_id.in_(ids)))
            await connection.execute(delete(iam_roles).where(_roles.id.in_(ids)))
        await self._grants.refresh(holders, rows[0].identity_service_id)

    async def reorder(self, service: str, names: Sequence[str]) -> None:
        """Those named come first, in this order."""
        async with self._database.write() as connection:
            named = await role_rows(connection, service, names)
            ids = [row.id for row in named]
            of_service = _roles.identity_service_id == (await service_row(connection, service)).id
            others = await connection.execute(
                select(_roles.id).where(of_service, _roles.id.not_in(ids)).order_by(_roles.ordering, _roles.id)
            )
            for ordering, role_id in enumerate([*ids, *others.scalars()], start=1):
                await connection.execute(update(iam_roles).where(_roles.id == role_id).values(ordering=ordering))

    # --- permissions

    async def permissions(self, service: str, role: str, controller_id: str = "") -> list[PermissionRow]:
        async with self._database.read() as connection:
            (row,) = await role_rows(connection, service, [role])
            found = await self._rows(connection, row.id, controller_id, _table.account_permission)
        return [PermissionRow(one.account_permission, one.controller_id, bool(one.excluded)) for one in found]

    async def store_permissions(
        self, service: str, role: str, controller_id: str, permissions: Sequence[tuple[str, bool]]
    ) -> None:
        """Add or change `(permission, is excluded)`; others stay."""
        rows = {
            _permission(path): {"account_permission": _permission(path), "excluded": excluded}
            for path, excluded in permissions
        }
        await self._change(service, role, controller_id, _table.account_permission, (), rows)

    async def rename_permission(
        self, service: str, role: str, controller_id: str, old: str, new: tuple[str, bool]
    ) -> None:
        path, excluded = _permission(new[0]), new[1]
        rows = {path: {"account_permission": path, "excluded": excluded}}
        await self._change(service, role, controller_id, _table.account_permission, [long_form(old)], rows)

    async def delete_permissions(self, service: str, role: str, controller_id: str, paths: Sequence[str]) -> None:
        given = [long_form(path) for path in paths]
        await self._change(service, role, controller_id, _table.account_permission, given, {})

    # --- folders

    async def folders(self, service: str, role: str, controller_id: str = "") -> list[FolderRow]:
        async with self._database.read() as connection:
            (row,) = await role_rows(connection, service, [role])
            found = await self._rows(connection, row.id, controller_id, _table.folder_permission)
        return [FolderRow(one.folder_permission, bool(one.recursive), one.controller_id) for one in found]

    async def store_folders(
        self, service: str, role: str, controller_id: str, folders: Sequence[tuple[str, bool]]
    ) -> None:
        """Add or change `(folder, is recursive)`; others stay."""
        rows = {
            normalized(folder): {"folder_permission": normalized(folder), "recursive": recursive}
            for folder, recursive in folders
        }
        await self._change(service, role, controller_id, _table.folder_permission, (), rows)

    async def rename_folder(self, service: str, role: str, controller_id: str, old: str, new: tuple[str, bool]) -> None:
        folder, recursive = normalized(new[0]), new[1]
        rows = {folder: {"folder_permission": folder, "recursive": recursive}}
        await self._change(service, role, controller_id, _table.folder_permission, [normalized(old)], rows)

    async def delete_folders(self, service: str, role: str, controller_id: str, folders: Sequence[str]) -> None:
        given = [normalized(folder) for folder in folders]
        await self._change(service, role, controller_id, _table.folder_permission, given, {})

    # --- inside

    async def _rows(self, connection: AsyncConnection, role_id: int, controller_id: str, column: Any) -> list[Any]:
        """Rows of one kind, in the order of their permissions or folders."""
        query = select(iam_permissions).where(_table.role_id == role_id, _is_scope(controller_id), column.is_not(None))
        return list(await connection.execute(query.order_by(column)))

    async def _change(
        self,
        service: str,
        role: str,
        controller_id: str,
        column: Any,
        removed: Sequence[str],
        added: dict[str, dict[str, Any]],
    ) -> None:
        """Remove rows, which must exist, by the value of `column`; put rows in the place of those of their value."""
        async with self._database.write() as connection:
            (row,) = await role_rows(connection, service, [role], locked=True)
            present: dict[str, list[int]] = {}
            for one in await self._rows(connection, row.id, controller_id, column):
                value = one._mapping[column]
                # Stored data may have a permission in its misspelt form.
                present.setdefault(long_form(value), []).append(one.id)
            missing = [value for value in removed if value not in present]
            if missing:
                raise ObjectNotFound(f"Couldn't find '{missing[0]}' in the role '{role}'")
            gone = [id_ for value in (*removed, *added) for id_ in present.get(value, ())]
            await connection.execute(delete(iam_permissions).where(_table.id.in_(gone)))
            scope = {
                "identity_service_id": row.identity_service_id,
                "role_id": row.id,
                "controller_id": controller_id or None,
            }
            for values in added.values():
                await connection.execute(insert(iam_permissions).values(**scope, **values))
            holders = await accounts_with_roles(connection, [row.id])
        await self._grants.refresh(holders, row.identity_service_id)


def _is_scope(controller_id: str) -> Any:
    return _table.controller_id == controller_id if controller_id else _table.controller_id.is_(None)


def _permission(path: str) -> str:
    fault = permission_fault(path)
    if fault is not None:
        raise BadRequest(fault)
    return long_form(path)
