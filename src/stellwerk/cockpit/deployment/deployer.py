"""Deploying drafts to Controllers (cockpit-services 2.2 to 2.4).

One deployment is one commit id: the version of all its workflows, and one transaction at each Controller, of which
everything is accepted or nothing. Rows of the deployment history are written before anything is sent, as deployed, and
put right on refusal: a crash in between leaves what is most probably true.

Unlike the reference, a deployment is answered when the Controller has committed or refused it: scripts learn of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.deployment.keys import SigningKeys
from stellwerk.cockpit.inventory.store import (
    DELETE,
    DEPLOYED,
    NOT_DEPLOYED,
    UPDATE,
    Inventory,
    StoredObject,
    known_agents,
)
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.inventory.validation import CONVERSIONS, describe
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.language.inventory import Target
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError

#: Types whose text is signed; the others go as they are.
SIGNED = frozenset({ObjectType.WORKFLOW, ObjectType.JOBRESOURCE})

#: Type → prefix of the item key.
ITEM_KEY_PREFIX = {
    ObjectType.WORKFLOW: "Workflow",
    ObjectType.JOBRESOURCE: "JobResource",
    ObjectType.LOCK: "Lock",
    ObjectType.NOTICEBOARD: "Board",
    ObjectType.FILEORDERSOURCE: "OrderWatch",
}


#: Maintained by the Cockpit at each Controller (workflow spec 8.4, 8.9).
DAILY_PLAN_CALENDAR = "dailyPlan"
DAILY_PLAN_SCHEMA = {
    "TYPE": "PlanSchema",
    "id": "DailyPlan",
    "unknownPlanIsOpenFunction": "day => $day >= $unknownPlansOpenFrom",
    "namedValues": {"unknownPlansOpenFrom": ""},
}


class DeploymentError(ApiError):
    """JOC-415: nothing has been deployed, and why."""

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


class _Prepared(msgspec.Struct, frozen=True):
    """An object converted for one Controller."""

    source: StoredObject
    text: str
    signature: str | None
    operations: list[dict[str, Any]]


class Deployer:
    """Sends inventory objects to Controllers and knows what has been sent."""

    def __init__(
        self,
        database: Database,
        inventory: Inventory,
        connections: ControllerConnections,
        keys: SigningKeys,
        clock: Clock,
        random: Random,
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._connections = connections
        self._keys = keys
        self._clock = clock
        self._random = random

    async def deploy(self, account: str, controller_ids: Sequence[str], objects: Sequence[StoredObject]) -> str:
        """Deploy drafts to each Controller in turn; gives the commit id.

        Raises `DeploymentError` when an object is invalid or a Controller refuses, `PeerUnreachableError`. What has
        been deployed to a Controller before stays deployed.
        """
        invalid = [item for item in objects if not item.valid]
        if invalid:
            texts = "; ".join(f"{item.path}: {item.invalid_message or 'it has no content'}" for item in invalid)
            raise DeploymentError(f"invalid objects are not deployed. {texts}")
        if not objects:
            raise BadRequest("there is nothing to deploy: no valid drafts were found")
        for controller_id in controller_ids:
            await self._connections.client(controller_id)  # unknown ones are refused before anything is sent
        commit_id = str(uuid.UUID(bytes=self._random.token_bytes(16), version=4))
        for controller_id in controller_ids:
            await self._deploy_to(account, controller_id, objects, commit_id)
        return commit_id

    async def _deploy_to(
        self, account: str, controller_id: str, objects: Sequence[StoredObject], commit_id: str
    ) -> None:
        client = await self._connections.client(controller_id)
        async with self._database.read() as connection:
            agent_ids = await known_agents(connection, controller_id)
        scripts = await self._inventory.released_scripts()
        prepared = [self._prepare(item, commit_id, agent_ids, scripts) for item in objects]
        operations = _once(operation for item in prepared for operation in item.operations)
        renamed = await self._renamed(controller_id, objects)
        operations += [_delete_operation(item.type, item.name) for item in renamed]
        operations.append({"TYPE": "AddVersion", "versionId": commit_id})
        history_ids = await self._write_history(account, controller_id, prepared, renamed, commit_id)
        try:
            await client.update_items(operations)
        except (ProblemError, PeerUnreachableError) as error:
            await self._mark_refused(history_ids, objects, str(error))
            if isinstance(error, ProblemError):
                raise DeploymentError(
                    f"Controller '{controller_id}' refuses the deployment: {error.problem}"
                ) from error
            raise

    def _prepare(
        self, item: StoredObject, commit_id: str, agent_ids: dict[str, str], scripts: dict[str, str]
    ) -> _Prepared:
        convert = CONVERSIONS.get(item.type)
        if convert is None:
            raise BadRequest(f"{item.path}: objects of type {item.type.name} are not deployed")
        version_id = commit_id if item.type == ObjectType.WORKFLOW else None
        target = Target(path=item.path, version_id=version_id, agent_ids=agent_ids, include_scripts=scripts)
        conversion = convert(item.configuration, target)
        if conversion.problems:
            raise DeploymentError(f"{item.path}: {describe(conversion.problems)}")
        text = encode(conversion.value).decode()
        if item.type not in SIGNED:
            operations = [{"TYPE": "AddOrChangeSimple", "item": conversion.value}]
            if item.type == ObjectType.FILEORDERSOURCE:
                # Its orders belong to the plan of their day.
                operations.append({"TYPE": "AddOrChangeSimple", "item": DAILY_PLAN_SCHEMA})
            return _Prepared(source=item, text=text, signature=None, operations=operations)
        signature = self._keys.sign(text)
        operations = [{"TYPE": "AddOrChangeSigned", "signedString": {"string": text, "signature": signature}}]
        calendar = conversion.value.get("calendarPath")
        if isinstance(calendar, str):
            offset = 0 if calendar == DAILY_PLAN_CALENDAR else _day_offset_seconds(item)
            operations.append({"TYPE": "AddOrChangeSimple", "item": _calendar(calendar, offset)})
        return _Prepared(source=item, text=text, signature=encode(signature).decode(), operations=operations)

    async def _renamed(self, controller_id: str, objects: Iterable[StoredObject]) -> list[Deployed]:
        """Former deployments of these objects under other names: they are deleted in the same transaction."""
        ids = {item.id: item.name for item in objects}
        current = await self.current(controller_id)
        return [item for item in current if item.inv_cid in ids and item.name != ids[item.inv_cid]]

    async def _write_history(
        self,
        account: str,
        controller_id: str,
        prepared: Sequence[_Prepared],
        renamed: Sequence[Deployed],
        commit_id: str,
    ) -> list[int]:
        now = self._clock.now_ms()
        common = {
            "account": account,
            "controller_id": controller_id,
            "commit_id": commit_id,
            "state": DEPLOYED,
            "deployment_date": now,
        }
        rows = [
            {
                **common,
                "path": item.source.path,
                "folder": item.source.folder,
                "name": item.source.name,
                "title": item.source.title,
                "type": int(item.source.type),
                "inv_cid": item.source.id,
                "content": item.text,
                "inv_content": item.source.content,
                "signature": item.signature,
                "operation": UPDATE,
            }
            for item in prepared
        ]
        rows += [
            {
                **common,
                "path": item.path,
                "folder": item.path.rsplit("/", 1)[0] or "/",
                "name": item.name,
                "type": int(item.type),
                "inv_cid": item.inv_cid,
                "operation": DELETE,
                "deleted_date": now,
            }
            for item in renamed
        ]
        async with self._database.write() as connection:
            ids = [
                int((await connection.execute(insert(dep_history).values(row))).inserted_primary_key[0])  # type: ignore[index]
                for row in rows
            ]
            await self._set_deployed(connection, [item.source for item in prepared], is_deployed=True)
        return ids

    async def _mark_refused(self, history_ids: list[int], objects: Sequence[StoredObject], message: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(dep_history)
                .where(dep_history.c.id.in_(history_ids))
                .values(state=NOT_DEPLOYED, error_message=message)
            )
            await self._set_deployed(connection, objects, is_deployed=False)

    @staticmethod
    async def _set_deployed(connection: AsyncConnection, objects: Iterable[StoredObject], *, is_deployed: bool) -> None:
        """Only if the row still has the content that was sent: a store meanwhile has made it a draft again."""
        table = inv_configurations
        for item in objects:
            await connection.execute(
                update(table).where(table.c.id == item.id, table.c.content == item.content).values(deployed=is_deployed)
            )

    # --- what is deployed ---------------------------------------------------------------------------------------------

    async def current(
        self, controller_id: str | None = None, types: Iterable[ObjectType] | None = None
    ) -> list[Deployed]:
        """The current deployments: the newest row of each object at each Controller, unless that is a deletion."""
        table = dep_history
        newest = (
            select(func.max(table.c.id))
            .where(table.c.state == DEPLOYED)
            .group_by(table.c.controller_id, table.c.type, table.c.name)
        )
        if controller_id is not None:
            newest = newest.where(table.c.controller_id == controller_id)
        query = select(table).where(table.c.id.in_(newest), table.c.operation == UPDATE).order_by(table.c.path)
        if types is not None:
            query = query.where(table.c.type.in_([int(item) for item in types]))
        async with self._database.read() as connection:
            return [deployed_of(row) for row in await connection.execute(query)]

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


def deployed_of(row: Any) -> Deployed:
    values = row._mapping
    members = {name: values[name] for name in Deployed.__struct_fields__ if name != "type"}
    return Deployed(**members, type=ObjectType(values["type"]))


def _delete_operation(type_: ObjectType, name: str) -> dict[str, Any]:
    kind = "RemoveVersioned" if type_ == ObjectType.WORKFLOW else "DeleteSimple"
    return {"TYPE": kind, "path": f"{ITEM_KEY_PREFIX[type_]}:{name}"}


def _day_offset_seconds(item: StoredObject) -> int:
    hours, minutes, seconds = str(item.configuration["dayOffset"]).split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _calendar(path: str, offset_seconds: int) -> dict[str, Any]:
    """The calendar of workflows with cycles, whose day may begin at another time (cockpit-services 2.3, 2.4)."""
    return {
        "TYPE": "Calendar",
        "path": path,
        "dateOffset": offset_seconds,
        "orderIdPattern": "#([^#]+)#.*",
        "periodDatePattern": "yyyy-MM-dd",
    }


def _once(operations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without repetitions: several workflows bring the same calendar."""
    return list({encode(operation): operation for operation in operations}.values())


async def select_objects(inventory: Inventory, selections: Iterable[tuple[str, str, bool]]) -> list[StoredObject]:
    """Inventory objects by (path, object type, recursive); a folder stands for all its valid deployable drafts."""
    found: dict[int, StoredObject] = {}
    for path, type_name, is_recursive in selections:
        type_ = ObjectType.of(type_name)
        if type_ == ObjectType.FOLDER:
            for item in await inventory.in_folder(path, recursive=is_recursive):
                if item.type.is_deployable and item.valid and not item.deployed:
                    found[item.id] = item
        elif not type_.is_deployable:
            raise BadRequest(f"objects of type {type_.name} are not deployed")
        else:
            item = await inventory.read(type_, path)
            found[item.id] = item
    return list(found.values())
