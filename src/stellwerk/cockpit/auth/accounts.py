"""Accounts with Argon2 passwords, roles, and login (cockpit-services 7.1 to 7.3).

At the first start the identity service `JOC-INITIAL` is created with account `root`, role `all` and the default roles;
root's password is given (`STELLWERK_ADMIN_PASSWORD`) or generated and returned once. `force_password_change` is false
for it (issue: settled points).
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import argon2
import msgspec
from sqlalchemy import insert, select

from stellwerk.cockpit.auth.delays import LoginBrake
from stellwerk.cockpit.auth.permissions import ROOT, PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import Session, Sessions
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import (
    iam_account2roles,
    iam_accounts,
    iam_blocklist,
    iam_history,
    iam_identity_services,
    iam_permissions,
    iam_roles,
)
from stellwerk.effects.clock import Clock, Random

FIRST_ACCOUNT = "root"
SERVICE_TYPE = "JOC"
SERVICE_NAME = "JOC-INITIAL"

_JOC = f"{ROOT}:joc"
_CONTROLLER = f"{ROOT}:controller"
_VIEWS = (
    f"{_CONTROLLER}:view",
    f"{_CONTROLLER}:agents:view",
    f"{_CONTROLLER}:deployment:view",
    f"{_CONTROLLER}:locks:view",
    f"{_CONTROLLER}:noticeboards:view",
    f"{_CONTROLLER}:orders:view",
    f"{_CONTROLLER}:workflows:view",
    f"{_JOC}:calendars:view",
    f"{_JOC}:dailyplan:view",
    f"{_JOC}:documentations:view",
)
#: Default roles and what they grant (cockpit-services 7.3; the exact matrix is ours).
DEFAULT_ROLES: dict[str, tuple[str, ...]] = {
    "all": (ROOT,),
    "administrator": (
        f"{_JOC}:administration",
        f"{_JOC}:cluster",
        f"{_JOC}:auditlog",
        f"{_JOC}:get_log",
        f"{_JOC}:others",
        f"{_CONTROLLER}:view",
        f"{_CONTROLLER}:restart",
        f"{_CONTROLLER}:terminate",
        f"{_CONTROLLER}:switch_over",
        f"{_CONTROLLER}:get_log",
        f"{_CONTROLLER}:agents",
    ),
    "application_manager": (*_VIEWS, f"{_JOC}:inventory", f"{_CONTROLLER}:deployment", f"{_JOC}:dailyplan"),
    "it_operator": (*_VIEWS, f"{_CONTROLLER}:orders", f"{_CONTROLLER}:noticeboards", f"{_JOC}:dailyplan"),
    "incident_manager": (*_VIEWS, _CONTROLLER, f"{_JOC}:administration", f"{_JOC}:auditlog", f"{_JOC}:notification"),
    "business_user": _VIEWS,
    "api_user": _VIEWS,
}


class LoginRefused(Exception):
    """`reason` is said to the client; it does not tell whether the account exists."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Accounts:
    """Login and the first account."""

    def __init__(self, database: Database, sessions: Sessions, brake: LoginBrake, clock: Clock, random: Random) -> None:
        self._database = database
        self._sessions = sessions
        self._brake = brake
        self._clock = clock
        self._random = random
        # 19 MiB, 2 passes: the OWASP minimum; a login costs about 20 ms of one core.
        self._hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._decoy: str | None = None
        # Hashing runs in a thread; one at a time bounds memory and keeps the other cores for jobs.
        self._hashing = asyncio.Lock()

    async def create_first(self, password: str | None) -> str | None:
        """Create service, roles and `root` if there is no identity service yet.

        Returns the password if one was generated or given now, None on every later start.
        """
        async with self._database.read() as connection:
            if (await connection.execute(select(iam_identity_services.c.id).limit(1))).first():
                return None
        password = password or base64.urlsafe_b64encode(self._random.token_bytes(15)).decode()
        hashed = await self.hash(password)
        async with self._database.write() as connection:
            service = {
                "type": SERVICE_TYPE,
                "name": SERVICE_NAME,
                "authentication_scheme": "SINGLE-FACTOR",
                "ordering": 1,
            }
            only_once = self._database.upsert(iam_identity_services, ["name"], []).values(service)
            found = await connection.execute(only_once.returning(iam_identity_services.c.id))
            service_id = found.scalar_one_or_none()
            if service_id is None:
                return None  # another Cockpit of the cluster has been quicker
            for ordering, (role, permissions) in enumerate(DEFAULT_ROLES.items(), start=1):
                role_id = await _insert(
                    connection, iam_roles, identity_service_id=service_id, role_name=role, ordering=ordering
                )
                await connection.execute(
                    insert(iam_permissions),
                    [
                        {"identity_service_id": service_id, "role_id": role_id, "account_permission": permission}
                        for permission in permissions
                    ],
                )
                if role == "all":
                    account_id = await _insert(
                        connection,
                        iam_accounts,
                        identity_service_id=service_id,
                        account_name=FIRST_ACCOUNT,
                        account_password=hashed,
                        force_password_change=False,
                    )
                    await connection.execute(
                        insert(iam_account2roles), [{"account_id": account_id, "role_id": role_id}]
                    )
        return password

    async def set_password(self, account: str, password: str) -> bool:
        """Set a password and end the account's sessions; False if there is no such account."""
        hashed = await self.hash(password)
        async with self._database.write() as connection:
            result = await connection.execute(
                iam_accounts.update().where(iam_accounts.c.account_name == account).values(account_password=hashed)
            )
        await self._sessions.close_account(account)
        return bool(result.rowcount)

    async def login(self, account: str, password: str, address: str) -> tuple[str, Session]:
        """Check the password; returns token and session or raises `LoginRefused` after the delay that is due."""
        async with self._brake.lock(account, address):
            found = await self._find(account)
            reason = await self._refusal(found, password)
            if reason is not None:
                self._brake.failed(account, address)
                await self._record(account, found, reason)
                await asyncio.sleep(self._brake.delay_seconds(account, address))
                raise LoginRefused(reason)
            assert found is not None
            self._brake.succeeded(account, address)
        await self._record(account, found, None)
        return await self._sessions.open(
            account=found.name,
            address=address,
            identity_service=f"{found.service_type}:{found.service_name}",
            roles=found.roles,
            permissions=Permissions(found.permissions),
            force_password_change=found.force_password_change,
        )

    async def hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _refusal(self, found: _Found | None, password: str) -> str | None:
        hashed = found.password_hash if found is not None else None
        if hashed is None:
            # An unknown account costs the same time as a known one.
            self._decoy = self._decoy or await self.hash("decoy")
            await self._verify(self._decoy, password)
            return "Unknown account or wrong password"
        assert found is not None
        if not await self._verify(hashed, password):
            return "Unknown account or wrong password"
        if found.blocked:
            return "Account is blocked"
        if found.disabled:
            return "Access denied"
        if not found.roles:
            return "login denied: no role assignment found"
        if not found.permissions:
            return "login denied: no permission assignment found"
        return None

    async def _verify(self, hashed: str, password: str) -> bool:
        async with self._hashing:
            try:
                return await asyncio.to_thread(self._hasher.verify, hashed, password)
            except argon2.exceptions.VerifyMismatchError:
                return False

    async def _find(self, account: str) -> _Found | None:
        services, accounts, roles = iam_identity_services, iam_accounts, iam_roles
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(
                        accounts.c.id,
                        accounts.c.account_name,
                        accounts.c.account_password,
                        accounts.c.disabled,
                        accounts.c.force_password_change,
                        services.c.id.label("service_id"),
                        services.c.type,
                        services.c.name,
                    )
                    .join(services, services.c.id == accounts.c.identity_service_id)
                    .where(accounts.c.account_name == account, ~services.c.disabled)
                    .order_by(services.c.ordering)
                    .limit(1)
                )
            ).first()
            if row is None:
                return None
            role_rows = (
                await connection.execute(
                    select(roles.c.id, roles.c.role_name)
                    .join(iam_account2roles, iam_account2roles.c.role_id == roles.c.id)
                    .where(iam_account2roles.c.account_id == row.id)
                    .order_by(roles.c.ordering)
                )
            ).all()
            permissions = (
                await connection.execute(
                    select(
                        iam_permissions.c.account_permission,
                        iam_permissions.c.controller_id,
                        iam_permissions.c.excluded,
                    ).where(
                        iam_permissions.c.account_permission.is_not(None),
                        iam_permissions.c.role_id.in_([role.id for role in role_rows]),
                    )
                )
            ).all()
            blocked = (
                await connection.execute(select(iam_blocklist.c.id).where(iam_blocklist.c.account_name == account))
            ).first()
        return _Found(
            name=row.account_name,
            password_hash=row.account_password,
            disabled=row.disabled,
            blocked=blocked is not None,
            force_password_change=row.force_password_change,
            service_id=row.service_id,
            service_type=row.type,
            service_name=row.name,
            roles=tuple(role.role_name for role in role_rows),
            permissions=tuple(
                PermissionRow(item.account_permission, item.controller_id, bool(item.excluded)) for item in permissions
            ),
        )

    async def _record(self, account: str, found: _Found | None, message: str | None) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                insert(iam_history),
                [
                    {
                        "account_name": account[:255],
                        "identity_service_id": found.service_id if found else None,
                        "login_date": self._clock.now_ms(),
                        "login_success": message is None,
                        "message": message,
                    }
                ],
            )


class _Found(msgspec.Struct, frozen=True):
    name: str
    password_hash: str | None
    disabled: bool
    blocked: bool
    force_password_change: bool
    service_id: int
    service_type: str
    service_name: str
    roles: tuple[str, ...]
    permissions: tuple[PermissionRow, ...]


async def _insert(connection: Any, table: Any, **values: Any) -> int:
    result = await connection.execute(insert(table).values(**values))
    return int(result.inserted_primary_key[0])
