"""`AuditLog`: writes a row for each changing call, with the objects that it names, and reads them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, false, func, insert, or_, select

from stellwerk.cockpit.audit.objects import objects_of
from stellwerk.cockpit.auth.permissions import FolderRow
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import joc_audit_log, joc_audit_log_details

_log, _details = joc_audit_log.c, joc_audit_log_details.c
#: The objects of a call in conditions on it.
_noted = joc_audit_log_details.alias("noted").c
Condition = ColumnElement[bool]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; empty members restrict nothing. `conditions` are further ones on the columns of the log."""

    conditions: Sequence[Condition] = ()
    object_types: Sequence[str] = ()
    object_name: Condition | None = None
    folders: Sequence[FolderRow] = ()
    limit: int = 10_000


#: Condition on the names of objects, for `Filter.object_name`.
OBJECT_NAME = _noted.name


class AuditLog:
    """Append-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, row: dict[str, Any], request: Any) -> None:
        """Values of the columns, and the request whose objects are noted."""
        objects = objects_of(request)
        async with self._database.write() as connection:
            written = await connection.execute(insert(joc_audit_log).values(**row).returning(_log.id))
            id_ = written.scalar_one()
            if objects:
                values = [
                    {"audit_log_id": id_, "type": one.type, "path": one.path, "name": one.name, "folder": one.folder}
                    for one in objects
                ]
                await connection.execute(insert(joc_audit_log_details), values)

    async def read(self, wanted: Filter) -> list[Any]:
        """Rows of the log, newest first."""
        where = list(wanted.conditions)
        if wanted.object_types:
            where.append(_has(_noted.type.in_(wanted.object_types)))
        if wanted.object_name is not None:
            where.append(_has(wanted.object_name))
        if wanted.folders:
            where.append(_has(or_(*(_lies_in(row) for row in wanted.folders))))
        query = select(joc_audit_log).where(*where).order_by(_log.created.desc(), _log.id.desc())
        async with self._database.read() as connection:
            return list(await connection.execute(query.limit(wanted.limit)))

    async def details(self, id_: int, conditions: Sequence[Condition]) -> list[Any]:
        """The objects of one call, if the conditions on the log let it be seen."""
        query = (
            select(_details.path, _details.type)
            .join(joc_audit_log, _log.id == _details.audit_log_id)
            .where(_log.id == id_, *conditions)
            .order_by(_details.id)
        )
        async with self._database.read() as connection:
            return list(await connection.execute(query))


def visible_in(folders: Sequence[FolderRow], account: str) -> Condition:
    """For who is restricted to folders: the own calls, and those about objects all of which may be seen."""
    inside = or_(*(_lies_in(row) for row in folders))
    return or_(_log.account == account, and_(_has(inside), ~_has(~func.coalesce(inside, false()))))


def _has(condition: Condition) -> Condition:
    return select(_noted.id).where(_noted.audit_log_id == _log.id, condition).correlate(joc_audit_log).exists()


def _lies_in(row: FolderRow) -> Condition:
    if not row.recursive:
        return _noted.folder == row.folder
    prefix = row.folder.rstrip("/") + "/"
    return or_(_noted.folder == row.folder, func.substr(_noted.folder, 1, len(prefix)) == prefix)
