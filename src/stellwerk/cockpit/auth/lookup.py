"""Finding identity services, accounts and roles by name; unknown ones raise `ObjectNotFound` (JOC-002)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.database.tables.identity import (
    iam_account2roles,
    iam_accounts,
    iam_identity_services,
    iam_roles,
)

#: The type of identity services whose passwords are kept (as hashes) in the database.
WITH_PASSWORDS = "JOC"


async def service_row(connection: AsyncConnection, name: str) -> Any:
    row = (await connection.execute(select(iam_identity_services).where(iam_identity_services.c.name == name))).first()
    if row is None:
        raise ObjectNotFound(f"Couldn't find the identity service '{name}'")
    return row


async def account_rows(connection: AsyncConnection, service: str, names: Sequence[str]) -> list[Any]:
    """The accounts of these names, all of which must exist."""
    service_id = (await service_row(connection, service)).id
    table = iam_accounts.c
    found = {
        row.account_name: row
        for row in await connection.execute(
            select(iam_accounts).where(table.identity_service_id == service_id, table.account_name.in_(names))
        )
    }
    missing = [name for name in names if name not in found]
    if missing:
        raise ObjectNotFound(f"Couldn't find the account '{missing[0]}' in the identity service '{service}'")
    return [found[name] for name in dict.fromkeys(names)]


async def role_rows(
    connection: AsyncConnection, service: str, names: Sequence[str], *, locked: bool = False
) -> list[Any]:
    """The roles of these names, all of which must exist; `locked`: nobody else changes them meanwhile."""
    service_id = (await service_row(connection, service)).id
    query = select(iam_roles).where(iam_roles.c.identity_service_id == service_id, iam_roles.c.role_name.in_(names))
    found = {row.role_name: row for row in await connection.execute(query.with_for_update() if locked else query)}
    missing = [name for name in names if name not in found]
    if missing:
        raise ObjectNotFound(f"Couldn't find the role '{missing[0]}' in the identity service '{service}'")
    return [found[name] for name in dict.fromkeys(names)]


async def accounts_with_roles(connection: AsyncConnection, role_ids: Sequence[int]) -> set[int]:
    """Ids of the accounts that hold one of the roles."""
    rows = await connection.execute(
        select(iam_account2roles.c.account_id).where(iam_account2roles.c.role_id.in_(role_ids))
    )
    return set(rows.scalars())


async def next_ordering(connection: AsyncConnection, table: Any, *where: Any) -> int:
    """One more than the greatest so far."""
    greatest = (await connection.execute(select(func.max(table.c.ordering)).where(*where))).scalar()
    return int(greatest or 0) + 1


def check_name(name: str, what: str, forbidden: str = "") -> None:
    """Raises `BadRequest` for names that cannot be used."""
    if not name.strip() or name != name.strip():
        raise BadRequest(f"the name of the {what} must not be empty, nor begin or end with blanks")
    if len(name) > 255:
        raise BadRequest(f"the name of the {what} is longer than 255 characters")
    bad = [character for character in name if not character.isprintable() or character in forbidden]
    if bad:
        raise BadRequest(f"the name of the {what} must not contain the character {bad[0]!r}")
