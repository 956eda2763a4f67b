"""All that is done to the inventory, step by step, within one database transaction (cockpit-services 1.4, 1.5).

Storing never refuses content: what is wrong is kept with the draft. Refused is a bad name, or one that is taken.
Each store makes the object a draft, unless the new content equals what is deployed or released. Names are unique per
type across all folders, without regard to case. `Inventory` opens these transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.database import insert_row
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances, inv_agent_names
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.inventory import (
    inv_configurations,
    inv_dependencies,
    inv_released_configurations,
)
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.cross_checks import DEPENDENT, find_misfits, with_file_parameter
from stellwerk.cockpit.inventory.references import SOFT, Reference, place_of, references_of, renaming, with_names
from stellwerk.cockpit.inventory.rows import ListedObject, StoredObject
from stellwerk.cockpit.inventory.tag_names import TagKind, order_tags_of
from stellwerk.cockpit.inventory.tags import TagTransaction
from stellwerk.cockpit.inventory.types import CALENDARS, INVENTORY_VERSION, ObjectType, name_space
from stellwerk.cockpit.inventory.validation import describe, find_problems
from stellwerk.language.inventory import Target
from stellwerk.language.reader import ReadProblem
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem

#: Types whose JSON has a `version`.
_VERSIONED = frozenset({ObjectType.WORKFLOW})
#: Operation and state of a current deployment (cockpit-services 2.2).
UPDATE, DELETE = 0, 1
DEPLOYED, NOT_DEPLOYED = 0, 1


class NameTaken(ApiError):
    """JOC-171: another object of the type has this name."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(
            f"The name has to be unique: '{name}' is already used in '{path}'",
            code="JOC-171",
            kind="JocObjectAlreadyExistException",
        )


class InventoryTransaction:
    """Operations on inventory rows; whoever opened the transaction commits it."""

    def __init__(self, connection: AsyncConnection, now_ms: int) -> None:
        self.connection = connection
        self.now_ms = now_ms
        self.tags = TagTransaction(connection, now_ms)
        self._agents: dict[str, str] | None = None
        #: What has been looked up by name; forgotten with each change of what it says.
        self._known: dict[Reference, StoredObject | None] = {}
        #: Folders that are known to exist.
        self._folders: set[str] = {"/"}

    # --- finding ------------------------------------------------------------------------------------------------------

    async def find(self, condition: Any) -> StoredObject | None:
        row = (await self.connection.execute(select(inv_configurations).where(condition).limit(1))).first()
        return None if row is None else StoredObject.of(row)

    async def find_all(self, condition: Any) -> list[StoredObject]:
        """By path, so that folders come before what is in them."""
        query = select(inv_configurations).where(condition).order_by(inv_configurations.c.path)
        return [StoredObject.of(row) for row in await self.connection.execute(query)]

    async def read(self, type_: ObjectType, path_or_name: str) -> StoredObject:
        """One object by full path, or by its bare name. Raises `ObjectNotFound`."""
        found = await self.find(rows.at(type_, names.normalized(path_or_name)))
        if found is None and type_ != ObjectType.FOLDER:
            table = inv_configurations
            name = names.name_of(path_or_name)
            found = await self.find((table.c.type == int(type_)) & (table.c.name == name))
        if found is None:
            raise ObjectNotFound(f"Couldn't find the {type_.name.lower()} '{path_or_name}' in the inventory")
        return found

    async def read_by_id(self, id_: int) -> StoredObject:
        found = await self.find(inv_configurations.c.id == id_)
        if found is None:
            raise ObjectNotFound(f"Couldn't find inventory object with id {id_}")
        return found

    async def in_folder(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[StoredObject]:
        """The objects of a folder by path, its folders among them. Raises `ObjectNotFound`."""
        return await self.find_all(await self._in_folder(folder, recursive=recursive, types=types))

    async def listed(
        self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None = None
    ) -> list[ListedObject]:
        """As `in_folder`, without contents."""
        condition = await self._in_folder(folder, recursive=recursive, types=types)
        found = await self.connection.execute(select(*rows.LISTED).where(condition).order_by(inv_configurations.c.path))
        return [rows.listed(row) for row in found]

    async def _in_folder(self, folder: str, *, recursive: bool, types: Iterable[ObjectType] | None) -> Any:
        folder = names.normalized(folder)
        if folder != "/" and await self.find(rows.at(ObjectType.FOLDER, folder)) is None:
            raise ObjectNotFound(f"Couldn't find the folder '{folder}' in the inventory")
        condition = rows.in_folder(inv_configurations, folder, recursive=recursive)
        if types is not None:
            condition = condition & inv_configurations.c.type.in_([int(item) for item in types])
        return condition

    async def of_names(self, type_: ObjectType, names_: Sequence[str]) -> list[StoredObject]:
        """The objects of a type with these names."""
        table = inv_configurations.c
        found: list[StoredObject] = []
        for start in range(0, len(names_), _MAXIMUM_BOUND_VALUES):
            part = list(names_[start : start + _MAXIMUM_BOUND_VALUES])
            found += await self.find_all((table.type == int(type_)) & table.name.in_(part))
        return found

    async def referrers(self, type_: ObjectType, name: str) -> list[StoredObject]:
        """The objects that refer to a name."""
        table, edges = inv_configurations, inv_dependencies
        ids = select(edges.c.inv_id).where(edges.c.dep_type.in_(_as_referred_to(type_)), edges.c.dep_name == name)
        return await self.find_all(table.c.id.in_(ids))

    async def referred(self, item: StoredObject) -> list[StoredObject]:
        """The objects that an object refers to, as far as they exist."""
        found = [await self.find_named(reference) for reference in sorted(references_of(item.type, item.configuration))]
        return [each for each in found if each is not None]

    # --- storing ------------------------------------------------------------------------------------------------------

    async def check_new_name(self, type_: ObjectType, path: str, *, of: StoredObject | None = None) -> None:
        """Whether an object (`of`, or a new one) can have this path. Raises `ApiError`."""
        self._check_fault(path)
        name = names.name_of(path)
        condition = rows.at(type_, path) if type_ == ObjectType.FOLDER else rows.named(type_, name)
        taken = await self.find(condition if of is None else condition & (inv_configurations.c.id != of.id))
        if taken is not None and type_ != ObjectType.FOLDER:
            raise NameTaken(name, taken.path)

    def _check_fault(self, path: str) -> None:
        fault = names.path_fault(path)
        if fault is not None:
            raise BadRequest(f"path {path!r} is not possible: {fault}")

    async def create_folders(self, paths: Iterable[str]) -> None:
        for path in paths:
            if path not in self._folders and await self.find(rows.at(ObjectType.FOLDER, path)) is None:
                row = rows.identity(ObjectType.FOLDER, path)
                row |= {"valid": True, "created": self.now_ms, "modified": self.now_ms}
                await self.connection.execute(insert(inv_configurations), [row])
            self._folders.add(path)

    async def store(self, type_: ObjectType, path: str, configuration: Any) -> StoredObject:
        """Insert or update one object by its path. Raises `ApiError` for names that are not possible."""
        path = names.normalized(path)
        existing = await self.find(rows.at(type_, path))
        if existing is not None:
            return await self.change(existing, configuration)
        await self.check_new_name(type_, path)
        return await self.create(type_, path, configuration)

    async def create(self, type_: ObjectType, path: str, configuration: Any) -> StoredObject:
        """Insert an object whose path and name are known to be free. Raises `ApiError` for a name with a fault."""
        path = names.normalized(path)
        self._check_fault(path)
        await self.create_folders(names.parents_of(path))
        if type_ == ObjectType.FOLDER:
            await self.create_folders([path])
            return await self.read(type_, path)
        new = StoredObject(
            id=0,
            type=type_,
            path=path,
            name=names.name_of(path),
            folder=names.folder_of(path),
            title=None,
            content=None,
            valid=False,
            invalid_message=None,
            deleted=False,
            deployed=False,
            released=False,
            modified=self.now_ms,
        )
        return await self._write(new, configuration)

    async def change(self, existing: StoredObject, configuration: Any) -> StoredObject:
        """New content of an object; its referrers may become valid or invalid by it."""
        if existing.type in (ObjectType.FOLDER, ObjectType.DESCRIPTORFOLDER):
            return existing  # folders have no content
        return await self._write(existing, configuration)

    async def _write(self, existing: StoredObject, configuration: Any) -> StoredObject:
        """Write an object; one with id 0 is new, so that there is nothing that it could be equal to."""
        is_new = existing.id == 0
        type_, path = existing.type, existing.path
        referrers = [item for item in await self.referrers(type_, existing.name) if item.id != existing.id]
        if isinstance(configuration, dict):
            configuration = _prepared(type_, configuration, referrers)
        problems = await self.problems(type_, path, configuration)
        content = None if configuration is None else encode(configuration).decode()
        title = configuration.get("title") if isinstance(configuration, dict) else None
        values = {
            "title": title if isinstance(title, str) else None,
            "content": content,
            "valid": not problems,
            "invalid_message": describe(problems),
            "deployed": False,
            "released": False,
            "deleted": False,
            "modified": self.now_ms,
        }
        id_ = existing.id
        if is_new:
            row = rows.identity(type_, path) | values | {"created": self.now_ms}
            id_ = await insert_row(self.connection, inv_configurations, row)
        else:
            if not problems:
                values["deployed"] = type_.is_deployable and await self._equals_deployed(existing, content)
                values["released"] = type_.is_releasable and await self._equals_released(existing, content)
            await self._update(existing, values)
        self._forget(type_, existing.name)
        await self.write_references(id_, references_of(type_, configuration), is_new=is_new)
        await self.tags.add(TagKind.ORDER, order_tags_of(type_, configuration))
        await self._revalidate_some(referrers)
        return msgspec.structs.replace(existing, id=id_, **values)

    def _forget(self, type_: ObjectType, name: str) -> None:
        for other in name_space(type_):
            self._known.pop(Reference(other, name), None)

    async def _update(self, item: StoredObject, values: Mapping[str, Any]) -> None:
        table = inv_configurations
        self._forget(item.type, item.name)
        await self.connection.execute(update(table).where(table.c.id == item.id).values(**values))

    async def _equals_deployed(self, existing: StoredObject, content: str | None) -> bool:
        """Whether this very content is the newest deployment: then the object is no draft."""
        newest = await self.newest_deployment(existing)
        return (
            newest is not None
            and newest.operation == UPDATE
            and newest.name == existing.name
            and newest.inv_content == content
        )

    async def newest_deployment(self, item: StoredObject) -> Any:
        """The newest row of the deployment history that took effect, at any Controller."""
        table = dep_history
        query = (
            select(table.c.inv_content, table.c.operation, table.c.name)
            .where(table.c.inv_cid == item.id, table.c.state == DEPLOYED)
            .order_by(table.c.id.desc())
            .limit(1)
        )
        return (await self.connection.execute(query)).first()

    async def _equals_released(self, existing: StoredObject, content: str | None) -> bool:
        table = inv_released_configurations
        query = select(table.c.content, table.c.name).where(table.c.cid == existing.id)
        released = (await self.connection.execute(query)).first()
        return released is not None and released.name == existing.name and released.content == content

    async def write_references(self, id_: int, references: Iterable[Reference], *, is_new: bool = False) -> None:
        if not is_new:
            await self.connection.execute(delete(inv_dependencies).where(inv_dependencies.c.inv_id == id_))
        edges = [{"inv_id": id_, "dep_type": int(item.type), "dep_name": item.name} for item in references]
        if edges:
            await self.connection.execute(insert(inv_dependencies), edges)

    # --- validity -----------------------------------------------------------------------------------------------------

    async def problems(self, type_: ObjectType, path: str, configuration: Any) -> list[ReadProblem]:
        """All that is wrong with a content, in itself and with what it refers to."""
        if self._agents is None:
            self._agents = await known_agents(self.connection)
        problems = find_problems(type_, configuration, Target(path=path, agent_ids=self._agents))
        referred: dict[str, Any] = {}
        for reference in sorted(references_of(type_, configuration)):
            if reference.type in SOFT or (reference.type == type_ and reference.name == names.name_of(path)):
                continue
            found = await self.find_named(reference)
            if found is None:
                text = f"Missing assigned {reference.type.name}: {reference.name!r} does not exist"
                remedy = "store it first, or choose another name"
                place = place_of(type_, configuration, reference)
                problems.append(ReadProblem(path=place, problem=Problem(message=text), remedy=remedy))
            elif type_ in DEPENDENT and reference.type == ObjectType.WORKFLOW:
                referred[reference.name] = found.configuration
        return problems + find_misfits(type_, configuration, referred)

    async def find_named(self, reference: Reference) -> StoredObject | None:
        """The object that is referred to, by its exact name."""
        if reference not in self._known:
            table = inv_configurations
            types = [int(item) for item in name_space(reference.type)]
            self._known[reference] = await self.find(table.c.type.in_(types) & (table.c.name == reference.name))
        return self._known[reference]

    async def revalidate_referrers(self, type_: ObjectType, name: str, *, is_gone: bool = False) -> None:
        """Invalid ones may be valid now; valid ones may not when it is gone, or when they depend on its content."""
        await self._revalidate_some(await self.referrers(type_, name), is_gone=is_gone)

    async def _revalidate_some(self, referrers: Iterable[StoredObject], *, is_gone: bool = False) -> None:
        await self.revalidate(item for item in referrers if is_gone or not item.valid or item.type in DEPENDENT)

    async def revalidate(self, objects: Iterable[StoredObject]) -> list[StoredObject]:
        """Judge stored content anew; gives the objects as they are then."""
        result = []
        for item in objects:
            problems = await self.problems(item.type, item.path, item.configuration)
            await self._update(item, {"valid": not problems, "invalid_message": describe(problems)})
            result.append(await self.read_by_id(item.id))
        return result

    # --- moving and removing ------------------------------------------------------------------------------------------

    async def move(self, item: StoredObject, path: str) -> StoredObject:
        """Another folder, another name, or both; a new name is adopted by all drafts that refer to the object.

        With a new name the object is a draft: Controllers know names. In another folder it stays what it was
        (cockpit-services 1.4). Raises `ApiError` if the path is not possible.
        """
        await self.check_new_name(item.type, path, of=item)
        await self.create_folders(names.parents_of(path))
        values: dict[str, Any] = rows.identity(item.type, path)
        is_renamed = names.name_of(path) != item.name
        # Nobody but the Cockpit knows the names of job templates: what is released is renamed at once.
        keeps_state = not is_renamed or item.type == ObjectType.JOBTEMPLATE
        if not keeps_state:
            values |= {"deployed": False, "released": False}
        if is_renamed:
            values["modified"] = self.now_ms
        await self._update(item, values)
        self._folders.discard(item.path)
        if keeps_state:
            await self._move_publications(item, path)
        moved = await self.read_by_id(item.id)
        self._forget(item.type, moved.name)
        if is_renamed and item.type != ObjectType.FOLDER:
            await self._adopt_name(item, moved)
        if is_renamed and item.type == ObjectType.WORKFLOW:
            await self.tags.rename_workflow(item.name, moved.name)
        return moved

    async def _move_publications(self, item: StoredObject, path: str) -> None:
        place = {"path": path, "folder": names.folder_of(path)}
        history, released = dep_history, inv_released_configurations
        await self.connection.execute(update(history).where(history.c.inv_cid == item.id).values(place))
        place["name"] = names.name_of(path)
        await self.connection.execute(update(released).where(released.c.cid == item.id).values(place))

    async def _adopt_name(self, old: StoredObject, new: StoredObject) -> None:
        renames = {Reference(type_, old.name): new.name for type_ in name_space(old.type)}
        for referrer in await self.referrers(old.type, old.name):
            content = with_names(referrer.type, referrer.configuration, renaming(renames))
            await self.change(await self.read_by_id(referrer.id), content)
            if old.type in SOFT:  # what has been deployed does not depend on it
                await self._update(referrer, {"deployed": referrer.deployed})
        await self.revalidate_referrers(new.type, new.name)

    async def delete(self, items: Iterable[StoredObject]) -> None:
        """Rows, released copies and references go; objects that refer to them become invalid."""
        gone = list(items)
        for item in gone:
            self._forget(item.type, item.name)
        ids = [item.id for item in gone]
        self._folders.difference_update(item.path for item in gone if item.type == ObjectType.FOLDER)
        for table, key in (
            (inv_released_configurations, inv_released_configurations.c.cid),
            (inv_dependencies, inv_dependencies.c.inv_id),
            (inv_configurations, inv_configurations.c.id),
        ):
            for start in range(0, len(ids), _MAXIMUM_BOUND_VALUES):
                part = ids[start : start + _MAXIMUM_BOUND_VALUES]
                await self.connection.execute(delete(table).where(key.in_(part)))
        for item in gone:
            await self.revalidate_referrers(item.type, item.name, is_gone=True)


_MAXIMUM_BOUND_VALUES = 500


def _prepared(type_: ObjectType, configuration: Mapping[str, Any], referrers: Iterable[StoredObject]) -> dict[str, Any]:
    """What a store always sets (cockpit-services 1.5)."""
    result = {name: value for name, value in configuration.items() if value is not None}
    if type_ in _VERSIONED:
        result["version"] = INVENTORY_VERSION
    if type_ == ObjectType.LOCK:
        result.setdefault("limit", 1)
    elif type_ in CALENDARS:
        result["type"] = type_.name
    elif type_ == ObjectType.JOBTEMPLATE:
        result.pop("hash", None)
    elif type_ == ObjectType.WORKFLOW and any(item.type == ObjectType.FILEORDERSOURCE for item in referrers):
        result = with_file_parameter(result)
    return result


def _as_referred_to(type_: ObjectType) -> list[int]:
    return [int(item) for item in name_space(type_)]


async def known_agents(connection: AsyncConnection, controller_id: str | None = None) -> dict[str, str]:
    """Name, alias or id → id of the Agents of a Controller, or of all Controllers."""
    agents, aliases = inv_agent_instances, inv_agent_names
    agent_query = select(agents.c.agent_id, agents.c.agent_name)
    alias_query = select(aliases.c.agent_id, aliases.c.agent_name)
    if controller_id is not None:
        agent_query = agent_query.where(agents.c.controller_id == controller_id)
        alias_query = alias_query.where(aliases.c.controller_id == controller_id)
    result = {row.agent_name: row.agent_id for row in await connection.execute(alias_query)}
    found = list(await connection.execute(agent_query))
    result |= {row.agent_id: row.agent_id for row in found}
    return result | {row.agent_name: row.agent_id for row in found}
