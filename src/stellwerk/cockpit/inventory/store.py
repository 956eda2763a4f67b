"""The inventory's objects in the database: store, read, list (cockpit-services 1.4, 1.5).

Storing never refuses content: what is wrong is kept with the draft. Refused is a bad name, or one that is taken.
Each store makes the object a draft, unless the new content equals what is deployed. Names are unique per type across
all folders, without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances, inv_agent_names
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import (
    inv_configurations,
    inv_dependencies,
    inv_released_configurations,
)
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.types import ObjectType, name_space
from stellwerk.cockpit.inventory.validation import (
    Reference,
    describe,
    find_problems,
    references_of,
)
from stellwerk.effects.clock import Clock
from stellwerk.language.inventory import Target
from stellwerk.language.reader import ReadProblem
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import Problem

#: Written into every stored object (cockpit-services 1.2).
INVENTORY_VERSION = "1.8.0"
#: Types whose JSON has a `version`.
_VERSIONED = frozenset({ObjectType.WORKFLOW})
#: Any number that nobody else uses for an advisory lock of this database.
_STORE_LOCK = 0x5E110001
#: Operation and state of a current deployment (cockpit-services 2.2).
UPDATE, DELETE = 0, 1
DEPLOYED, NOT_DEPLOYED = 0, 1


class StoredObject(msgspec.Struct, frozen=True):
    """One row of the inventory."""

    id: int
    type: ObjectType
    path: str
    name: str
    folder: str
    title: str | None
    content: str | None
    valid: bool
    invalid_message: str | None
    deleted: bool
    deployed: bool
    released: bool
    modified: int

    @classmethod
    def of(cls, row: Row[Any]) -> StoredObject:
        values = row._mapping
        return cls(
            **{name: values[name] for name in cls.__struct_fields__ if name != "type"}, type=ObjectType(values["type"])
        )

    @property
    def configuration(self) -> Any:
        return None if self.content is None else decode(self.content)


class Inventory:
    """All operations on inventory objects."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def store(self, type_: ObjectType, path: str, configuration: Any, *, id_: int | None = None) -> StoredObject:
        """Insert or update one object by path, or by id; raises `ApiError` for names that are not possible."""
        async with self._database.write() as connection:
            await self._lock(connection)
            if id_ is not None:
                existing = await self._row(connection, inv_configurations.c.id == id_)
                if existing is None:
                    raise ObjectNotFound(f"Couldn't find inventory object with id {id_}")
                type_, path = existing.type, existing.path
            else:
                path = names.normalized(path)
                existing = await self._row(
                    connection, (inv_configurations.c.type == int(type_)) & (inv_configurations.c.path == path)
                )
            if existing is None:
                await self._check_new_name(connection, type_, path)
                await self._create_folders(connection, names.parents_of(path))
            return await self._write(connection, type_, path, configuration, existing)

    async def _lock(self, connection: AsyncConnection) -> None:
        """One store at a time, over all Cockpits: names are unique by look-up. SQLite has one writer anyway."""
        if not self._database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _STORE_LOCK})

    async def _check_new_name(self, connection: AsyncConnection, type_: ObjectType, path: str) -> None:
        fault = names.path_fault(path)
        if fault is not None:
            raise BadRequest(f"path {path!r} is not possible: {fault}")
        name = names.name_of(path)
        table = inv_configurations
        if type_ == ObjectType.FOLDER:
            return
        taken = await self._row(
            connection,
            table.c.type.in_([int(item) for item in name_space(type_)]) & (table.c.name_key == name.lower()),
        )
        if taken is not None:
            raise ApiError(
                f"The name has to be unique: '{name}' is already used in '{taken.path}'",
                code="JOC-171",
                kind="JocObjectAlreadyExistException",
            )

    async def _create_folders(self, connection: AsyncConnection, paths: Iterable[str]) -> None:
        now = self._clock.now_ms()
        for path in paths:
            condition = (inv_configurations.c.type == int(ObjectType.FOLDER)) & (inv_configurations.c.path == path)
            if await self._row(connection, condition) is None:
                row = _identity(ObjectType.FOLDER, path) | {"valid": True, "created": now, "modified": now}
                await connection.execute(insert(inv_configurations), [row])

    async def _write(
        self,
        connection: AsyncConnection,
        type_: ObjectType,
        path: str,
        configuration: Any,
        existing: StoredObject | None,
    ) -> StoredObject:
        if isinstance(configuration, dict):
            configuration = _prepared(type_, configuration)
        problems = await self._problems(connection, type_, path, configuration)
        now = self._clock.now_ms()
        content = None if configuration is None else encode(configuration).decode()
        title = configuration.get("title") if isinstance(configuration, dict) else None
        values = {
            "title": title if isinstance(title, str) else None,
            "content": content,
            "valid": not problems,
            "invalid_message": describe(problems),
            "deployed": not problems and await self._equals_deployed(connection, existing, content),
            "released": False,
            "deleted": False,
            "modified": now,
        }
        if existing is None:
            row = _identity(type_, path) | values | {"created": now}
            result = await connection.execute(insert(inv_configurations).values(row))
            id_ = int(result.inserted_primary_key[0])  # type: ignore[index]  # this table has one key column
        else:
            id_ = existing.id
            await connection.execute(update(inv_configurations).where(inv_configurations.c.id == id_).values(values))
        await self._write_references(connection, id_, references_of(type_, configuration))
        await self._revalidate_referrers(connection, type_, names.name_of(path))
        stored = await self._row(connection, inv_configurations.c.id == id_)
        assert stored is not None, "the row has been written in this transaction"
        return stored

    async def _equals_deployed(
        self, connection: AsyncConnection, existing: StoredObject | None, content: str | None
    ) -> bool:
        """Whether this very content is the newest deployment: then the object is no draft."""
        if existing is None or content is None:
            return False
        table = dep_history
        newest = (
            await connection.execute(
                select(table.c.inv_content, table.c.operation)
                .where(table.c.inv_cid == existing.id, table.c.state == DEPLOYED)
                .order_by(table.c.id.desc())
                .limit(1)
            )
        ).first()
        return newest is not None and newest.operation == UPDATE and newest.inv_content == content

    async def _problems(
        self, connection: AsyncConnection, type_: ObjectType, path: str, configuration: Any
    ) -> list[ReadProblem]:
        target = Target(path=path, agent_ids=await known_agents(connection))
        problems = find_problems(type_, configuration, target)
        missing = [
            reference
            for reference in sorted(references_of(type_, configuration))
            if not (reference.type == type_ and reference.name == names.name_of(path))
            and not await self._exists(connection, reference)
        ]
        return problems + [
            ReadProblem(
                path="$",
                problem=Problem(message=f"Missing assigned {reference.type.name}: {reference.name!r} does not exist"),
                remedy="store it first, or choose another name",
            )
            for reference in missing
        ]

    async def _exists(self, connection: AsyncConnection, reference: Reference) -> bool:
        table = inv_configurations
        condition = (table.c.type == int(reference.type)) & (table.c.name == reference.name)
        return await self._row(connection, condition) is not None

    async def _write_references(self, connection: AsyncConnection, id_: int, references: Iterable[Reference]) -> None:
        await connection.execute(delete(inv_dependencies).where(inv_dependencies.c.inv_id == id_))
        rows = [{"inv_id": id_, "dep_type": int(item.type), "dep_name": item.name} for item in references]
        if rows:
            await connection.execute(insert(inv_dependencies), rows)

    async def _revalidate_referrers(self, connection: AsyncConnection, type_: ObjectType, name: str) -> None:
        """Objects that refer to this name may have become valid."""
        table = inv_configurations
        rows = await connection.execute(
            select(table)
            .join(inv_dependencies, inv_dependencies.c.inv_id == table.c.id)
            .where(inv_dependencies.c.dep_type == int(type_), inv_dependencies.c.dep_name == name, ~table.c.valid)
        )
        await self._revalidate(connection, [StoredObject.of(row) for row in rows])

    async def _revalidate(self, connection: AsyncConnection, objects: Iterable[StoredObject]) -> None:
        for item in objects:
            problems = await self._problems(connection, item.type, item.path, item.configuration)
            await connection.execute(
                update(inv_configurations)
                .where(inv_configurations.c.id == item.id)
                .values(valid=not problems, invalid_message=describe(problems))
            )

    async def revalidate_invalid_workflows(self) -> None:
        """After Agents have been registered: workflows that missed them may have become valid."""
        table = inv_configurations
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(table).where(table.c.type == int(ObjectType.WORKFLOW), ~table.c.valid)
            )
            await self._revalidate(connection, [StoredObject.of(row) for row in rows])

    # --- reading ------------------------------------------------------------------------------------------------------

    async def read(self, type_: ObjectType, path_or_name: str) -> StoredObject:
        """One object by full path, or by its bare name. Raises `ObjectNotFound`."""
        table = inv_configurations
        async with self._database.read() as connection:
            found = await self._row(
                connection, (table.c.type == int(type_)) & (table.c.path == names.normalized(path_or_name))
            )
            if found is None:
                name = names.name_of(path_or_name)
                found = await self._row(connection, (table.c.type == int(type_)) & (table.c.name == name))
        if found is None:
            raise ObjectNotFound(f"Couldn't find the {type_.name.lower()} '{path_or_name}' in the inventory")
        return found

    async def read_by_id(self, id_: int) -> StoredObject:
        async with self._database.read() as connection:
            found = await self._row(connection, inv_configurations.c.id == id_)
        if found is None:
            raise ObjectNotFound(f"Couldn't find inventory object with id {id_}")
        return found

    async def in_folder(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[StoredObject]:
        """The objects of a folder by path; folders themselves only if asked for. Raises `ObjectNotFound`."""
        folder = names.normalized(folder)
        table = inv_configurations
        async with self._database.read() as connection:
            if folder != "/":
                is_folder = (table.c.type == int(ObjectType.FOLDER)) & (table.c.path == folder)
                if await self._row(connection, is_folder) is None:
                    raise ObjectNotFound(f"Couldn't find the folder '{folder}' in the inventory")
            condition: Any = table.c.folder == folder
            if recursive and folder == "/":
                condition = table.c.folder.is_not(None)
            elif recursive:
                condition = condition | table.c.folder.startswith(folder + "/", autoescape=True)
            if types is not None:
                condition = condition & table.c.type.in_([int(item) for item in types])
            rows = await connection.execute(select(table).where(condition).order_by(table.c.path))
            return [StoredObject.of(row) for row in rows if row.path != "/"]

    async def paths_of(self, type_: ObjectType) -> dict[str, str]:
        """Name → full path of all objects of a type."""
        table = inv_configurations
        async with self._database.read() as connection:
            rows = await connection.execute(select(table.c.name, table.c.path).where(table.c.type == int(type_)))
            return {row.name: row.path for row in rows}

    async def released_scripts(self) -> dict[str, str]:
        """Name → text of the released include scripts."""
        table = inv_released_configurations
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(table.c.name, table.c.content).where(table.c.type == int(ObjectType.INCLUDESCRIPT))
            )
            return {row.name: str(decode(row.content).get("script", "")) for row in rows}

    @staticmethod
    async def _row(connection: AsyncConnection, condition: Any) -> StoredObject | None:
        row = (await connection.execute(select(inv_configurations).where(condition).limit(1))).first()
        return None if row is None else StoredObject.of(row)


async def known_agents(connection: AsyncConnection, controller_id: str | None = None) -> dict[str, str]:
    """Name, alias or id → id of the Agents of a Controller, or of all Controllers."""
    agents, aliases = inv_agent_instances, inv_agent_names
    agent_query = select(agents.c.agent_id, agents.c.agent_name)
    alias_query = select(aliases.c.agent_id, aliases.c.agent_name)
    if controller_id is not None:
        agent_query = agent_query.where(agents.c.controller_id == controller_id)
        alias_query = alias_query.where(aliases.c.controller_id == controller_id)
    result = {row.agent_name: row.agent_id for row in await connection.execute(alias_query)}
    rows = list(await connection.execute(agent_query))
    result |= {row.agent_id: row.agent_id for row in rows}
    return result | {row.agent_name: row.agent_id for row in rows}


def _identity(type_: ObjectType, path: str) -> dict[str, Any]:
    name = names.name_of(path)
    return {
        "type": int(type_),
        "path": path,
        "name": name,
        "name_key": name.lower(),
        "folder": names.folder_of(path),
    }


def _prepared(type_: ObjectType, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What a store always sets (cockpit-services 1.5)."""
    result = {name: value for name, value in configuration.items() if value is not None}
    if type_ in _VERSIONED:
        result["version"] = INVENTORY_VERSION
    if type_ == ObjectType.LOCK:
        result.setdefault("limit", 1)
    return result
