"""`Directory`: accounts with their roles and passwords, and the block list (cockpit-services 7.2, 7.4).

What changes here takes effect at once: sessions of an account end when its password, name or being able to log in
changes, and get the new permissions when its roles change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.lookup import WITH_PASSWORDS, account_rows, check_name, service_row
from stellwerk.cockpit.auth.passwords import MAXIMUM_LENGTH, Passwords
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import (
    iam_account2roles,
    iam_accounts,
    iam_blocklist,
    iam_fido2_devices,
    iam_roles,
)
from stellwerk.cockpit.database.tables.settings import joc_configurations
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock

#: Stands in a request for a password that is not to be changed.
UNCHANGED = "********"

_table = iam_accounts.c


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account as it is shown: never with its password."""

    id: int
    name: str
    email: str | None
    disabled: bool
    blocked: bool
    force_password_change: bool
    roles: list[str]


class Blocked(msgspec.Struct, frozen=True):
    name: str
    comment: str | None
    since: int


class Directory:
    """All operations on accounts."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        passwords: Passwords,
        sessions: Sessions,
        grants: Grants,
        clock: Clock,
    ) -> None:
        self._database = database
        self._settings = settings
        self._passwords = passwords
        self._sessions = sessions
        self._grants = grants
        self._clock = clock

    # --- accounts

    async def accounts(self, service: str, name: str | None = None) -> list[Account]:
        """The accounts of a service by name; or the one of a name, if it exists."""
        async with self._database.read() as connection:
            service_id = (await service_row(connection, service)).id
            query = select(iam_accounts).where(_table.identity_service_id == service_id)
            if name:
                query = query.where(_table.account_name == name)
            rows = (await connection.execute(query.order_by(_table.account_name))).all()
            held = await connection.execute(
                select(iam_account2roles.c.account_id, iam_roles.c.role_name)
                .join(iam_roles, iam_roles.c.id == iam_account2roles.c.role_id)
                .where(iam_roles.c.identity_service_id == service_id)
                .order_by(iam_roles.c.ordering, iam_roles.c.id)
            )
            roles: dict[int, list[str]] = {}
            for account_id, role in held:
                roles.setdefault(account_id, []).append(role)
            blocked = set((await connection.execute(select(iam_blocklist.c.account_name))).scalars())
        return [
            Account(
                id=row.id,
                name=row.account_name,
                email=row.email,
                disabled=row.disabled,
                blocked=row.account_name in blocked,
                force_password_change=row.force_password_change,
                roles=roles.get(row.id, []),
            )
            for row in rows
        ]

    async def account_id(self, service: str, name: str) -> int:
        async with self._database.read() as connection:
            return int((await account_rows(connection, service, [name]))[0].id)

    async def store(
        self,
        service: str,
        name: str,
        *,
        email: str | None = None,
        password: str | None = None,
        force_password_change: bool = False,
        disabled: bool = False,
        roles: Sequence[str] | None = None,
    ) -> None:
        """Insert or update. A new account without a password gets the initial one, which it must change; it has none
        where the identity service checks credentials elsewhere.

        `roles` replaces the roles held (None: they stay); names of roles that do not exist are ignored. A password of
        None, empty, or `UNCHANGED` leaves that of an existing account as it is.
        """
        check_name(name, "account", forbidden=":")
        given = password if password and password != UNCHANGED else None
        if given is not None:
            self._check_password(given)
        async with self._database.read() as connection:
            row = await service_row(connection, service)
            service_id = row.id
            is_new = (await self._find(connection, service_id, name)) is None
        if is_new and given is None and row.type == WITH_PASSWORDS:
            given, force_password_change = self._initial_password(), True
        # Outside of the transaction: hashing takes its time.
        hashed = await self._passwords.hash(given) if given is not None else None
        values: dict[str, Any] = {"disabled": disabled, "force_password_change": force_password_change}
        values |= {"email": email} if email is not None else {}
        values |= {"account_password": hashed} if hashed is not None else {}
        key = {"identity_service_id": service_id, "account_name": name}
        statement = self._database.upsert(iam_accounts, list(key), list(values)).values(**key, **values)
        async with self._database.write() as connection:
            account_id = int((await connection.execute(statement.returning(_table.id))).scalar_one())
            if roles is not None:
                await self._assign(connection, service_id, account_id, roles)
        if given is not None and not is_new:
            await self._sessions.close_account(name)
        await self._grants.refresh([account_id])

    async def _assign(
        self, connection: AsyncConnection, service_id: int, account_id: int, roles: Sequence[str]
    ) -> None:
        await connection.execute(delete(iam_account2roles).where(iam_account2roles.c.account_id == account_id))
        found = await connection.execute(
            select(iam_roles.c.id).where(
                iam_roles.c.identity_service_id == service_id, iam_roles.c.role_name.in_(roles)
            )
        )
        rows = [{"account_id": account_id, "role_id": role_id} for role_id in found.scalars()]
        if rows:
            await connection.execute(insert(iam_account2roles), rows)

    async def _find(self, connection: AsyncConnection, service_id: int, name: str) -> Any:
        query = select(iam_accounts).where(_table.identity_service_id == service_id, _table.account_name == name)
        return (await connection.execute(query)).first()

    async def rename(self, service: str, old: str, new: str) -> None:
        """The sessions of the old name end."""
        check_name(new, "account", forbidden=":")
        async with self._database.write() as connection:
            (row,) = await account_rows(connection, service, [old])
            if old == new:
                return
            if await self._find(connection, row.identity_service_id, new) is not None:
                raise ApiError(f"an account '{new}' exists already in the identity service '{service}'")
            await connection.execute(update(iam_accounts).where(_table.id == row.id).values(account_name=new))
            await _hand_over(connection, old, new)
        await self._sessions.close_account(old)

    async def delete(
        self, service: str, names: Sequence[str], *, only_enabled: bool = False, only_disabled: bool = False
    ) -> None:
        """Delete accounts; of those named only the enabled or disabled ones, if one of the two is asked for."""
        async with self._database.write() as connection:
            rows = [
                row
                for row in await account_rows(connection, service, _some(names))
                if only_enabled == only_disabled or row.disabled == only_disabled
            ]
            ids = [row.id for row in rows]
            await connection.execute(delete(iam_account2roles).where(iam_account2roles.c.account_id.in_(ids)))
            await connection.execute(delete(iam_fido2_devices).where(iam_fido2_devices.c.account_id.in_(ids)))
            await connection.execute(delete(iam_accounts).where(_table.id.in_(ids)))
            for row in rows:
                await _hand_over(connection, row.account_name, None)
        await self._grants.refresh(ids)

    async def set_disabled(self, service: str, names: Sequence[str], disabled: bool) -> None:
        await self._update(service, names, disabled=disabled)

    async def force_password_change(self, service: str, names: Sequence[str]) -> None:
        """They can log in, and do nothing before they have changed their password."""
        await self._update(service, names, force_password_change=True)

    async def _update(self, service: str, names: Sequence[str], **values: Any) -> None:
        async with self._database.write() as connection:
            ids = [row.id for row in await account_rows(connection, service, _some(names))]
            await connection.execute(update(iam_accounts).where(_table.id.in_(ids)).values(**values))
        await self._grants.refresh(ids)

    # --- passwords

    async def reset_passwords(self, service: str, names: Sequence[str]) -> None:
        """Back to the initial password, which must be changed."""
        async with self._database.read() as connection:
            await account_rows(connection, service, _some(names))
            await _check_has_passwords(connection, service)
        password = self._initial_password()
        hashes = {name: await self._passwords.hash(password) for name in dict.fromkeys(names)}
        async with self._database.write() as connection:
            for row in await account_rows(connection, service, names):
                await connection.execute(
                    update(iam_accounts)
                    .where(_table.id == row.id)
                    .values(account_password=hashes[row.account_name], force_password_change=True)
                )
        for name in hashes:
            await self._sessions.close_account(name)

    async def has_password(self, service: str, name: str, password: str) -> bool:
        async with self._database.read() as connection:
            (row,) = await account_rows(connection, service, [name])
        return await self._passwords.matches(row.account_password, password)

    async def change_password(
        self, service: str, name: str, password: str, *, force_password_change: bool = False, kept: bytes = b""
    ) -> None:
        """A new password, not the initial one. All sessions of the account end but `kept` (a hash of its token)."""
        async with self._database.read() as connection:
            await _check_has_passwords(connection, service)
        self._check_password(password)
        if password == self._initial_password():
            raise ApiError("the initial password cannot be the new one; choose another")
        hashed = await self._passwords.hash(password)
        async with self._database.write() as connection:
            (row,) = await account_rows(connection, service, [name])
            await connection.execute(
                update(iam_accounts)
                .where(_table.id == row.id)
                .values(account_password=hashed, force_password_change=force_password_change)
            )
        await self._sessions.close_account(name, but=kept)
        await self._grants.refresh([row.id])

    def _initial_password(self) -> str:
        return self._settings.text("identityService", "initial_password") or ""

    def _check_password(self, password: str) -> None:
        minimum = self._settings.integer("identityService", "minimum_password_length")
        if len(password) < minimum:
            raise ApiError(f"the password is too short: it needs at least {minimum} characters")
        if len(password) > MAXIMUM_LENGTH:
            raise ApiError(f"the password is longer than {MAXIMUM_LENGTH} characters")

    # --- block list: names, whether or not there is such an account, over all services

    async def blocked(
        self, name: str | None = None, since: int | None = None, until: int | None = None, limit: int = -1
    ) -> list[Blocked]:
        """Newest first."""
        table = iam_blocklist.c
        query = select(iam_blocklist).order_by(table.since.desc(), table.id.desc())
        if name:
            query = query.where(table.account_name == name)
        if since is not None:
            query = query.where(table.since >= since)
        if until is not None:
            query = query.where(table.since < until)
        if limit >= 0:
            query = query.limit(limit)
        async with self._database.read() as connection:
            return [Blocked(row.account_name, row.comment, row.since) for row in await connection.execute(query)]

    async def block(self, name: str, comment: str | None = None) -> None:
        """The account cannot log in any more; its sessions end."""
        check_name(name, "account")
        values = {"account_name": name, "comment": comment, "since": self._clock.now_ms()}
        statement = self._database.upsert(iam_blocklist, ["account_name"], ["comment"]).values(values)
        async with self._database.write() as connection:
            await connection.execute(statement)
            named = await connection.execute(select(_table.id).where(_table.account_name == name))
            ids = list(named.scalars())
        await self._sessions.close_account(name)
        await self._grants.refresh(ids)

    async def unblock(self, names: Sequence[str]) -> None:
        async with self._database.write() as connection:
            await connection.execute(delete(iam_blocklist).where(iam_blocklist.c.account_name.in_(_some(names))))


async def _hand_over(connection: AsyncConnection, old: str, new: str | None) -> None:
    """What was stored for an account that is gone is its new name's, or nobody's: not that of who gets the old name.

    Accounts of several identity services with one name share what is stored under it.
    """
    stored = joc_configurations.c
    named = {}
    for name in (old, new):
        count = select(func.count()).select_from(iam_accounts).where(_table.account_name == name)
        named[name] = (await connection.execute(count)).scalar_one()
    if named[old]:
        return
    if new is None or named[new] > 1:
        await connection.execute(delete(joc_configurations).where(stored.account == old))
    else:
        await connection.execute(delete(joc_configurations).where(stored.account == new))
        await connection.execute(update(joc_configurations).where(stored.account == old).values(account=new))


async def _check_has_passwords(connection: AsyncConnection, service: str) -> None:
    row = await service_row(connection, service)
    if row.type != WITH_PASSWORDS:
        raise BadRequest(
            f"identity service '{service}' of type {row.type} keeps no passwords here: change it where it is kept"
        )


def _some(names: Sequence[str]) -> Sequence[str]:
    if not names:
        raise BadRequest("accountNames is empty: name at least one account")
    return names
