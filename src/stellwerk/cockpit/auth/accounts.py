"""Login through the identity services, and the first account (cockpit-api 1.2, cockpit-services 7.1 to 7.3).

At the first start the identity service `JOC-INITIAL` is created with account `root`, role `all` and the default roles;
root's password is given (`STELLWERK_ADMIN_PASSWORD`) or generated and returned once. `force_password_change` is false
for it (issue: settled points).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import insert, select

from stellwerk.cockpit.auth.credentials import (
    WRONG,
    Credentials,
    LoginRefused,
    Proven,
    SecondFactorNeeded,
    Verifier,
)
from stellwerk.cockpit.auth.delays import LoginBrake
from stellwerk.cockpit.auth.grants import Grants, is_sufficient
from stellwerk.cockpit.auth.passwords import Passwords
from stellwerk.cockpit.auth.permissions import ROOT
from stellwerk.cockpit.auth.services import IdentityService, read_all
from stellwerk.cockpit.auth.sessions import Ground, Identity, Session, Sessions
from stellwerk.cockpit.database import Database, insert_row
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
MAXIMUM_NAME_LENGTH = 255

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


class _Known(msgspec.Struct, frozen=True):
    """What the tables say about a name that wants to log in."""

    #: Those that are enabled, in the order in which they are asked.
    services: list[IdentityService]
    #: Rows of `iam_accounts` by the id of their service.
    accounts: dict[int, Any]
    is_blocked: bool


class Accounts:
    """Login and the first account."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        grants: Grants,
        passwords: Passwords,
        brake: LoginBrake,
        clock: Clock,
        random: Random,
        verifiers: Mapping[str, Verifier],
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._grants = grants
        self._passwords = passwords
        self._brake = brake
        self._clock = clock
        self._random = random
        #: How credentials are checked, by the type of the identity service.
        self._verifiers = verifiers

    async def create_first(self, password: str | None) -> str | None:
        """Create service, roles and `root` if there is no identity service yet.

        Returns the password if one was generated or given now, None on every later start.
        """
        async with self._database.read() as connection:
            if (await connection.execute(select(iam_identity_services.c.id).limit(1))).first():
                return None
        password = password or base64.urlsafe_b64encode(self._random.token_bytes(15)).decode()
        hashed = await self._passwords.hash(password)
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
                new_role = {"identity_service_id": service_id, "role_name": role, "ordering": ordering}
                role_id = await insert_row(connection, iam_roles, new_role)
                await connection.execute(
                    insert(iam_permissions),
                    [
                        {"identity_service_id": service_id, "role_id": role_id, "account_permission": permission}
                        for permission in permissions
                    ],
                )
                if role == "all":
                    new_account = {
                        "identity_service_id": service_id,
                        "account_name": FIRST_ACCOUNT,
                        "account_password": hashed,
                        "force_password_change": False,
                    }
                    account_id = await insert_row(connection, iam_accounts, new_account)
                    await connection.execute(
                        insert(iam_account2roles), [{"account_id": account_id, "role_id": role_id}]
                    )
        return password

    async def login(self, credentials: Credentials) -> tuple[str, Session]:
        """Check the credentials; returns token and session or raises `LoginRefused` after the delay that is due.

        Raises `SecondFactorNeeded` when the first factor is right and the second one has not been shown.
        """
        account, address = credentials.account, credentials.address
        if credentials.chosen_type is not None:
            # They cannot be guessed, and all people of a provider may come from one address.
            return await self._enter(credentials)
        async with self._brake.lock(account, address):
            try:
                opened = await self._enter(credentials)
            except LoginRefused:
                await self._brake.wait_after_failure(account, address)
                raise
            self._brake.succeeded(account, address)
        return opened

    async def _enter(self, credentials: Credentials) -> tuple[str, Session]:
        try:
            identity = await self._check(credentials)
            opened = await self._sessions.open(identity, credentials.address)
            await self._is_still(opened[1], identity)
        except LoginRefused as refused:
            await self._record(credentials.account, None, refused.reason)
            raise
        await self._record(identity.account, identity.identity_service, None)
        return opened

    async def _check(self, credentials: Credentials) -> Identity:
        """The service that was chosen; else all required ones must accept, or the first optional one that does."""
        known = await self._known(credentials.account)
        chosen, type_ = credentials.identity_service, credentials.chosen_type
        asked = [one for one in known.services if one.is_chosen and one.name == chosen and not one.second_factor]
        if type_ is not None:
            asked = [one for one in asked if one.type.startswith(type_)]
            if not asked:
                raise LoginRefused(f"there is no identity service '{chosen}' of type {type_}")
        asked = asked or _asked_by_order(known.services, credentials)
        required = [one for one in asked if one.required]
        for service in required:
            if service.unavailable is not None:
                raise LoginRefused(service.unavailable)
        grounds = (
            await self._required(required, known, credentials)
            if required
            else [await self._optional(asked, known, credentials)]
        )
        identity = await self._grants.of(grounds)
        if identity is None:
            raise LoginRefused("Access denied")
        if not identity.roles:
            raise LoginRefused("login denied: no role assignment found")
        if identity.permissions.is_empty:
            raise LoginRefused("login denied: no permission assignment found")
        return identity

    async def _required(
        self, services: Sequence[IdentityService], known: _Known, credentials: Credentials
    ) -> list[Ground]:
        """Each service is asked, also after one that refuses: how long it takes tells nobody which one it was."""
        grounds: list[Ground] = []
        refusals: list[LoginRefused] = []
        needs: list[SecondFactorNeeded] = []
        for service in services:
            try:
                grounds.append(await self._verify(service, known, credentials))
            except LoginRefused as refused:
                refusals.append(refused)
            except SecondFactorNeeded as needed:
                needs.append(needed)
        for error in (*refusals, *needs):
            raise error
        return grounds

    async def _optional(self, services: Sequence[IdentityService], known: _Known, credentials: Credentials) -> Ground:
        reasons = []
        for service in services:
            if service.unavailable is None:
                try:
                    return await self._verify(service, known, credentials)
                except LoginRefused as refused:
                    reasons.append(refused.reason)
        unavailable = [service.unavailable for service in services if service.unavailable is not None]
        # What is said of a wrong password must not depend on the account: the first reason of one that is more.
        reasons.sort(key=lambda reason: reason == WRONG)
        raise LoginRefused(next(iter([*reasons, *unavailable, "there is no identity service"])))

    async def _verify(self, service: IdentityService, known: _Known, credentials: Credentials) -> Ground:
        verifier, row = self._verifiers[service.type], known.accounts.get(service.id)
        try:
            proven = await verifier.verify(service, row, credentials)
        finally:
            # Whatever the credentials, and only after the time that these take.
            if known.is_blocked:
                raise LoginRefused("Account is blocked")
        ground = await self._ground(service, row, proven)
        if service.has_second_factor:
            await self._second_factor(service, known, msgspec.structs.replace(credentials, account=ground.account))
        return ground

    async def _second_factor(self, first: IdentityService, known: _Known, credentials: Credentials) -> None:
        """Something else must prove the same account, in the service that the first one names."""
        service = next((one for one in known.services if one.name == first.second_factor_name), None)
        if service is None:
            raise LoginRefused(f"the second factor of identity service '{first.name}' is disabled")
        if service.unavailable is not None:
            raise LoginRefused(service.unavailable)
        if service.type == "FIDO" and credentials.assertion is None:
            raise SecondFactorNeeded(credentials.account, first, service.name)
        row = (await self._known(credentials.account)).accounts.get(service.id)
        proven = await self._verifiers[service.type].verify(service, row, credentials)
        if proven.account != credentials.account or (row is not None and row.disabled):
            raise LoginRefused("Access denied")

    async def _ground(self, service: IdentityService, row: Any, proven: Proven) -> Ground:
        if not proven.account.isprintable() or not 0 < len(proven.account) <= MAXIMUM_NAME_LENGTH:
            # Other systems may allow such names; here they stand in logs and requests.
            raise LoginRefused("the name of the account has characters that cannot be used, or too many")
        if row is None or row.account_name != proven.account:
            # It is not the name that was typed.
            known = await self._known(proven.account)
            if known.is_blocked:
                raise LoginRefused("Account is blocked")
            row = known.accounts.get(service.id)
        if proven.roles is not None:
            return Ground(service_id=service.id, account=proven.account, roles=proven.roles)
        if row is None:
            raise LoginRefused(f"there is no account '{proven.account}' here" if service.is_chosen else WRONG)
        if row.disabled:
            raise LoginRefused("Access denied")
        return Ground(service_id=service.id, account=row.account_name, account_id=row.id)

    async def _is_still(self, session: Session, identity: Identity) -> None:
        """A change of the account between reading it and opening the session has not found the session: look again."""
        now = await self._grants.of(identity.grounds)
        if now is None or not is_sufficient(now):
            await self._sessions.end(session.token_hash)
            raise LoginRefused("Access denied")
        if now.columns() != identity.columns():
            await self._sessions.change(session.token_hash, now)

    async def _known(self, account: str) -> _Known:
        table = iam_accounts.c
        async with self._database.read() as connection:
            services = [one for one in await read_all(connection) if not one.disabled]
            rows = await connection.execute(select(iam_accounts).where(table.account_name == account))
            accounts = {row.identity_service_id: row for row in rows}
            blocked = await connection.execute(
                select(iam_blocklist.c.id).where(iam_blocklist.c.account_name == account)
            )
            return _Known(services=services, accounts=accounts, is_blocked=blocked.first() is not None)

    async def _record(self, account: str, identity_service: str | None, message: str | None) -> None:
        name = (identity_service or "").partition(":")[2]
        service_id = select(iam_identity_services.c.id).where(iam_identity_services.c.name == name).scalar_subquery()
        async with self._database.write() as connection:
            await connection.execute(
                insert(iam_history).values(
                    account_name=account[:255],
                    identity_service_id=service_id,
                    login_date=self._clock.now_ms(),
                    login_success=message is None,
                    message=message,
                )
            )


def _asked_by_order(services: Sequence[IdentityService], credentials: Credentials) -> list[IdentityService]:
    """Services that nobody has to choose. Without a certificate those for certificates have nothing to say."""
    candidates = [
        one
        for one in services
        if not one.is_chosen and not one.second_factor and credentials.first_service in (None, one.name)
    ]
    if credentials.certificate_name is not None:
        return candidates
    return [one for one in candidates if one.type != "CERTIFICATE" or one.required] or candidates
