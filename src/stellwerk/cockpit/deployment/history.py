"""What has been sent to which Controller: rows of the deployment history, written before anything is sent and put
right on refusal, so that a crash in between leaves what is most probably true (cockpit-services 2.2, 2.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, ObjectNotFound
from stellwerk.cockpit.database import Database, insert_row
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.transaction import DELETE, DEPLOYED, NOT_DEPLOYED, UPDATE
from stellwerk.cockpit.inventory.types import ObjectType

#: Type → prefix of the item key.
ITEM_KEY_PREFIX = {
    ObjectType.WORKFLOW: "Workflow",
    ObjectType.JOBRESOURCE: "JobResource",
    ObjectType.LOCK: "Lock",
    ObjectType.NOTICEBOARD: "Board",
    ObjectType.FILEORDERSOURCE: "OrderWatch",
}


class DeploymentError(ApiError):
    """JOC-415: nothing has been changed at the Controller, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-415", kind="JocDeployException")


class Deployed(msgspec.Struct, frozen=True):
    """One current or former deployment of an object at a Controller."""

    id: int
    controller_id: str
    type: ObjectType
    path: str
    name: str
    title: str | None
    commit_id: str
    content: str
    inv_content: str
    deployment_date: int
    inv_cid: int | None = None


class DeploymentHistory:
    """The deployment rows of all Controllers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- writing ------------------------------------------------------------------------------------------------------

    async def add(
        self, rows: Sequence[Mapping[str, Any]], objects: Sequence[StoredObject], *, is_deployed: bool
    ) -> list[int]:
        """Write rows, and the flag of the inventory objects that are as `objects` say; gives the ids of the rows."""
        async with self._database.write() as connection:
            ids = [await insert_row(connection, dep_history, row) for row in rows]
            await _set_deployed(connection, objects, is_deployed=is_deployed)
        return ids

    async def mark_refused(
        self, ids: Sequence[int], objects: Sequence[StoredObject], message: str, *, is_deployed: bool
    ) -> None:
        """Nothing of it has happened; the objects get the flag that they had."""
        async with self._database.write() as connection:
            for start in range(0, len(ids), MAXIMUM_BOUND_VALUES):
                own = dep_history.c.id.in_(list(ids[start : start + MAXIMUM_BOUND_VALUES]))
                refused = update(dep_history).where(own).values(state=NOT_DEPLOYED, error_message=message)
                await connection.execute(refused)
            await _set_deployed(connection, objects, is_deployed=is_deployed)

    # --- reading ---------------------------------------------------------------------------------------------

    async def current(
        self, controller_id: str | None = None, types: Iterable[ObjectType] | None = None
    ) -> list[Deployed]:
        """The current deployments: the newest row of each object at each Controller, unless that is a deletion."""
        table = dep_history
        query = select(table).where(_is_current(controller_id)).order_by(table.c.path)
        if types is not None:
            query = query.where(table.c.type.in_([int(item) for item in types]))
        async with self._database.read() as connection:
            return [deployed_of(row) for row in await connection.execute(query)]

    async def deployed_ids(self) -> set[int]:
        """The ids of the inventory objects that are deployed somewhere."""
        query = select(dep_history.c.inv_cid).where(_is_current(None)).distinct()
        async with self._database.read() as connection:
            return {id_ for id_ in (await connection.execute(query)).scalars() if id_ is not None}

    async def workflow(self, controller_id: str, path: str, version_id: str | None = None) -> Deployed:
        """A deployed workflow by path or name: its current or the given version. Raises `ObjectNotFound`."""
        table = dep_history
        name = path.rsplit("/", 1)[-1]
        query = (
            select(table)
            .where(
                table.c.controller_id == controller_id,
                table.c.type == int(ObjectType.WORKFLOW),
                table.c.name == name,
                table.c.state == DEPLOYED,
            )
            .order_by(table.c.id.desc())
            .limit(1)
        )
        if version_id:
            query = query.where(table.c.commit_id == version_id, table.c.operation == UPDATE)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None or row.operation != UPDATE:
            text = f"workflow '{path}'" + (f" in version {version_id}" if version_id else "")
            raise ObjectNotFound(f"Couldn't find the {text}: it is not deployed to Controller '{controller_id}'")
        return deployed_of(row)

    async def versions(self, controller_id: str, version_ids: Iterable[tuple[str, str]]) -> list[Deployed]:
        """Former versions of workflows by (name, version id)."""
        table = dep_history
        wanted = set(version_ids)
        query = select(table).where(
            table.c.controller_id == controller_id,
            table.c.type == int(ObjectType.WORKFLOW),
            table.c.operation == UPDATE,
            table.c.commit_id.in_(sorted({version for _, version in wanted})),
        )
        async with self._database.read() as connection:
            rows = [row for row in await connection.execute(query) if (row.name, row.commit_id) in wanted]
        return [deployed_of(row) for row in rows]

    async def history(self, *, controller_id: str | None, commit_id: str | None, limit: int) -> list[Any]:
        """Deployment rows, newest first."""
        query = select(dep_history).order_by(dep_history.c.id.desc()).limit(limit)
        if controller_id is not None:
            query = query.where(dep_history.c.controller_id == controller_id)
        if commit_id is not None:
            query = query.where(dep_history.c.commit_id == commit_id)
        async with self._database.read() as connection:
            return list(await connection.execute(query))

    async def of_object(self, inventory_id: int) -> list[Any]:
        """All deployment rows of an inventory object, newest first."""
        table = dep_history
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(table).where(table.c.inv_cid == inventory_id).order_by(table.c.id.desc())
            )
            return list(rows)

    async def versions_of(self, inventory_ids: Sequence[int]) -> dict[int, list[Any]]:
        """The deployment rows of inventory objects, newest first, without contents."""
        table = dep_history.c
        columns = (table.id, table.inv_cid, table.controller_id, table.path, table.commit_id, table.operation)
        query = select(*columns, table.state, table.deployment_date).order_by(table.id.desc())
        found: dict[int, list[Any]] = {}
        async with self._database.read() as connection:
            for start in range(0, len(inventory_ids), MAXIMUM_BOUND_VALUES):
                part = list(inventory_ids[start : start + MAXIMUM_BOUND_VALUES])
                for row in await connection.execute(query.where(table.inv_cid.in_(part))):
                    found.setdefault(row.inv_cid, []).append(row)
        return found


def _is_current(controller_id: str | None) -> Any:
    table = dep_history.c
    newest = (
        select(func.max(table.id)).where(table.state == DEPLOYED).group_by(table.controller_id, table.type, table.name)
    )
    if controller_id is not None:
        newest = newest.where(table.controller_id == controller_id)
    return table.id.in_(newest) & (table.operation == UPDATE)


async def _set_deployed(connection: AsyncConnection, objects: Iterable[StoredObject], *, is_deployed: bool) -> None:
    """Only if the row still has the content that was sent: a store meanwhile has made it a draft again."""
    table = inv_configurations
    rows = [{"object_id": item.id, "sent": item.content} for item in objects]
    if rows:
        is_as_sent = (table.c.id == bindparam("object_id")) & (table.c.content == bindparam("sent"))
        await connection.execute(update(table).where(is_as_sent).values(deployed=is_deployed), rows)


def common_columns(account: str, controller_id: str, commit_id: str, now_ms: int) -> dict[str, Any]:
    """What all rows of one transaction at a Controller share."""
    return {
        "account": account,
        "controller_id": controller_id,
        "commit_id": commit_id,
        "state": DEPLOYED,
        "deployment_date": now_ms,
    }


def deletion_columns(item: Deployed, now_ms: int) -> dict[str, Any]:
    """The row of an object that is deleted at a Controller."""
    return {
        "path": item.path,
        "folder": names.folder_of(item.path),
        "name": item.name,
        "type": int(item.type),
        "inv_cid": item.inv_cid,
        "operation": DELETE,
        "deleted_date": now_ms,
    }


def deployed_of(row: Any) -> Deployed:
    values = row._mapping
    members = {name: values[name] for name in Deployed.__struct_fields__ if name != "type"}
    return Deployed(**members, type=ObjectType(values["type"]))


def delete_operation(type_: ObjectType, name: str) -> dict[str, Any]:
    """The operation that deletes an item at a Controller."""
    kind = "RemoveVersioned" if type_ == ObjectType.WORKFLOW else "DeleteSimple"
    return {"TYPE": kind, "path": f"{ITEM_KEY_PREFIX[type_]}:{name}"}
