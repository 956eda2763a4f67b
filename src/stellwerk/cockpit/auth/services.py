"""`IdentityServices`: who checks credentials, in which order (cockpit-services 7.1).

Services of all types can be kept and configured; through which one can log in says `AVAILABLE_TYPES`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.lookup import check_name, next_ordering, service_row
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import (
    OF_DEVICES,
    iam_account2roles,
    iam_accounts,
    iam_identity_services,
    iam_permissions,
    iam_roles,
)
from stellwerk.cockpit.database.tables.settings import joc_configurations

TYPES = ("JOC", "LDAP", "LDAP-JOC", "OIDC", "OIDC-JOC", "CERTIFICATE", "FIDO", "KEYCLOAK", "KEYCLOAK-JOC")
#: Types through which one can log in.
AVAILABLE_TYPES = frozenset({"JOC", "LDAP", "LDAP-JOC", "OIDC", "OIDC-JOC", "CERTIFICATE", "FIDO"})
#: Types of services that can be a second factor.
_SECOND_FACTORS = ("CERTIFICATE", "FIDO")
TWO_FACTOR = "TWO-FACTOR"
SCHEMES = ("SINGLE-FACTOR", TWO_FACTOR)

_table = iam_identity_services.c


class IdentityService(msgspec.Struct, frozen=True, kw_only=True):
    """One identity service; `second_factor_name` names another one."""

    id: int = 0
    type: str
    name: str
    authentication_scheme: str = "SINGLE-FACTOR"
    second_factor: bool = False
    second_factor_name: str | None = None
    ordering: int | None = None
    disabled: bool = False
    required: bool = False

    @property
    def is_chosen(self) -> bool:
        """Asked only if the client chooses it, and not with passwords."""
        return self.type.startswith(("OIDC", "FIDO"))

    @property
    def has_second_factor(self) -> bool:
        return self.authentication_scheme == TWO_FACTOR

    @property
    def maps_roles(self) -> bool:
        """It keeps no accounts here: what it says of somebody's groups stands for roles."""
        return self.type in ("LDAP", "OIDC")

    @property
    def unavailable(self) -> str | None:
        """Why nobody can log in through this service yet; None: one can."""
        if self.type not in AVAILABLE_TYPES:
            return f"logins through identity service '{self.name}' of type {self.type} are not available yet"
        if self.has_second_factor and self.second_factor_name is None:
            return f"identity service '{self.name}' has the scheme TWO-FACTOR, and no second factor: name one"
        return None


class IdentityServices:
    """All operations on identity services."""

    def __init__(self, database: Database, grants: Grants) -> None:
        self._database = database
        self._grants = grants

    async def all(self) -> list[IdentityService]:
        """In the order in which they are asked."""
        async with self._database.read() as connection:
            return await read_all(connection)

    async def read(self, name: str) -> IdentityService:
        async with self._database.read() as connection:
            row = await service_row(connection, name)
            return next(one for one in await read_all(connection) if one.id == row.id)

    async def store(self, service: IdentityService) -> IdentityService:
        """Insert or update by name; an `ordering` of None is kept, or becomes the last."""
        check_name(service.name, "identity service")
        if service.type not in TYPES:
            raise BadRequest(f"'{service.type}' is no type of identity services; give one of {', '.join(TYPES)}")
        if service.authentication_scheme not in SCHEMES:
            raise BadRequest(f"serviceAuthenticationScheme must be one of {', '.join(SCHEMES)}")
        if service.has_second_factor and service.type.startswith("OIDC"):
            raise BadRequest("a provider asks for a second factor itself: use the scheme SINGLE-FACTOR")
        if service.second_factor and service.type not in _SECOND_FACTORS:
            raise BadRequest(f"only services of type {' or '.join(_SECOND_FACTORS)} can be a second factor")
        if service.required and service.second_factor:
            raise BadRequest("a service that is a second factor is not asked by itself: it cannot be required")
        if service.required and service.is_chosen:
            raise BadRequest(
                f"an identity service of type {service.type} is asked only when people choose it: it cannot be required"
            )
        if service.required and not service.disabled and service.unavailable is not None:
            raise BadRequest(
                f"{service.unavailable}: a required one would lock everybody out; store it disabled, or not required"
            )
        async with self._database.write() as connection:
            existing = {one.name: one for one in await read_all(connection)}
            values = self._values(service, existing)
            present = existing.get(service.name)
            if present is None:
                values["ordering"] = service.ordering or await next_ordering(connection, iam_identity_services)
                await connection.execute(insert(iam_identity_services).values(**values))
            else:
                if present.type != service.type:
                    raise BadRequest(
                        f"identity service '{service.name}' is of type {present.type}; the type cannot be changed"
                    )
                values["ordering"] = service.ordering if service.ordering is not None else present.ordering
                await connection.execute(update(iam_identity_services).where(_table.id == present.id).values(**values))
        stored = await self.read(service.name)
        await self._refresh(stored.id)
        return stored

    @staticmethod
    def _values(service: IdentityService, existing: dict[str, IdentityService]) -> dict[str, Any]:
        second_id = None
        if service.second_factor_name:
            second = existing.get(service.second_factor_name)
            if second is None or second.type not in _SECOND_FACTORS or second.name == service.name:
                raise BadRequest(
                    f"'{service.second_factor_name}' is no identity service of type {' or '.join(_SECOND_FACTORS)}"
                )
            second_id = second.id
        return {
            "type": service.type,
            "name": service.name,
            "authentication_scheme": service.authentication_scheme,
            "second_factor": service.second_factor,
            "second_factor_is_id": second_id,
            "disabled": service.disabled,
            "required": service.required,
        }

    async def rename(self, old: str, new: str) -> None:
        """Its stored configuration goes with it."""
        check_name(new, "identity service")
        configurations = joc_configurations.c
        async with self._database.write() as connection:
            row = await service_row(connection, old)
            if old != new and new in {one.name for one in await read_all(connection)}:
                raise ApiError(f"an identity service '{new}' exists already")
            await connection.execute(update(iam_identity_services).where(_table.id == row.id).values(name=new))
            await connection.execute(
                update(joc_configurations)
                .where(configurations.configuration_type == "IAM", configurations.name == old)
                .values(name=new)
            )
        await self._refresh(row.id)

    async def delete(self, name: str) -> None:
        """With its accounts, roles and configuration."""
        configurations = joc_configurations.c
        async with self._database.write() as connection:
            row = await service_row(connection, name)
            account_ids = await _accounts_of(connection, row.id)
            held = select(iam_accounts.c.id).where(iam_accounts.c.identity_service_id == row.id)
            await connection.execute(delete(iam_account2roles).where(iam_account2roles.c.account_id.in_(held)))
            for table in (*OF_DEVICES, iam_accounts, iam_permissions, iam_roles):
                await connection.execute(delete(table).where(table.c.identity_service_id == row.id))
            await connection.execute(delete(iam_identity_services).where(_table.id == row.id))
            await connection.execute(
                delete(joc_configurations).where(
                    configurations.configuration_type == "IAM", configurations.name == name
                )
            )
        await self._grants.refresh(account_ids, row.id)

    async def reorder(self, names: list[str]) -> None:
        """Those named come first, in this order."""
        async with self._database.write() as connection:
            present = [one.name for one in await read_all(connection)]
            for name in names:
                await service_row(connection, name)
            following = [*dict.fromkeys(names), *(name for name in present if name not in names)]
            for ordering, name in enumerate(following, start=1):
                await connection.execute(
                    update(iam_identity_services).where(_table.name == name).values(ordering=ordering)
                )

    async def _refresh(self, service_id: int) -> None:
        async with self._database.read() as connection:
            account_ids = await _accounts_of(connection, service_id)
        await self._grants.refresh(account_ids, service_id)


async def read_all(connection: AsyncConnection) -> list[IdentityService]:
    rows = (await connection.execute(select(iam_identity_services).order_by(_table.ordering, _table.id))).all()
    names = {row.id: row.name for row in rows}
    return [
        IdentityService(
            id=row.id,
            type=row.type,
            name=row.name,
            authentication_scheme=row.authentication_scheme,
            second_factor=row.second_factor,
            second_factor_name=names.get(row.second_factor_is_id),
            ordering=row.ordering,
            disabled=row.disabled,
            required=row.required,
        )
        for row in rows
    ]


async def _accounts_of(connection: AsyncConnection, service_id: int) -> set[int]:
    rows = await connection.execute(select(iam_accounts.c.id).where(iam_accounts.c.identity_service_id == service_id))
    return set(rows.scalars())
