"""Making a Controller and the Cockpit work by the files of an archive: `stellwerk diff`, `stellwerk apply`.

A plan is the import itself, done in a transaction that is rolled back: what it says is what would happen. Applying it
is one inventory transaction, then the release, then one deployment at the Controller. If that is refused everything is
put back as it was, so that all of it happens or nothing. With `prune` objects of the folder that the archive lacks are
removed at last, as a removal of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import DeploymentError
from stellwerk.cockpit.deployment.remover import Remover
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.archive_objects import ArchivedObject
from stellwerk.cockpit.inventory.importer import put
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.inventory.undo import Before, put_back, remember
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.json import decode, encode

#: Actions of a change.
CREATE, CHANGE, MOVE, DELETE = "create", "change", "move", "delete"


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One object that would be, or has been, published otherwise. `before` is what is deployed or released now."""

    action: str
    path: str
    object_type: str
    former_path: str | None = None
    before: Any = None
    after: Any = None
    #: Why it cannot be published.
    invalid_msg: str | None = None
    #: A draft that has not been published gets lost.
    overwrites_draft: bool = False


class Plan(msgspec.Struct, frozen=True, rename="camel"):
    """`digest` stands for all that the plan says: what is applied is what has been shown."""

    changes: list[Change]
    digest: str

    @classmethod
    def of(cls, changes: list[Change]) -> Plan:
        return cls(changes, hashlib.sha256(encode(changes)).hexdigest())


class _RolledBack(Exception):
    """Ends a transaction that shall leave nothing."""


class Applier:
    """Plans and applies archives."""

    def __init__(self, inventory: Inventory, deployer: Deployer, releases: Releases, remover: Remover) -> None:
        self._inventory = inventory
        self._deployer = deployer
        self._releases = releases
        self._remover = remover

    async def plan(
        self,
        controller_id: str,
        objects: Sequence[ArchivedObject],
        folder: str,
        *,
        prune: bool,
        permitted: Callable[[str], bool],
    ) -> Plan:
        """What applying the objects to a folder would change. Raises `ApiError`."""
        published = await self._published(controller_id)
        plan: Plan | None = None
        try:
            async with self._inventory.writing() as transaction:
                stored = await _store(transaction, objects, folder, permitted)
                doomed = await _surplus(transaction, stored, folder, permitted) if prune else []
                plan = Plan.of(_changes(stored, published, doomed))
                raise _RolledBack
        except _RolledBack:
            assert plan is not None, "it was made before the transaction was ended"
            return plan

    async def apply(
        self,
        account: str,
        controller_id: str,
        objects: Sequence[ArchivedObject],
        folder: str,
        *,
        prune: bool,
        digest: str | None,
        permitted: Callable[[str], bool],
        require_controller: Callable[[str], None],
    ) -> Plan:
        """Do it; `digest`: only if the plan is still this one. Raises `ApiError`, and then nothing has changed."""
        published = await self._published(controller_id)
        async with self._inventory.writing() as transaction:
            stored = await _store(transaction, objects, folder, permitted)
            doomed = await _surplus(transaction, stored, folder, permitted) if prune else []
            plan = Plan.of(_changes(stored, published, doomed))
            if digest is not None and digest != plan.digest:
                raise ApiError(
                    "the inventory or the Controller has changed since the plan was made; look at the new plan",
                    code="JOC-425",
                    kind="JocConcurrentAccessException",
                )
            invalid = [change for change in plan.changes if change.invalid_msg is not None]
            if invalid:
                texts = "; ".join(f"{change.path}: {change.invalid_msg}" for change in invalid)
                raise DeploymentError(f"invalid objects are not published. {texts}")
        changed = {(change.object_type, change.path) for change in plan.changes if change.action in (CREATE, CHANGE)}
        wanted = [item for item, _ in stored if (item.type.name, item.path) in changed]
        try:
            await self._publish(account, controller_id, wanted)
        except (ApiError, PeerUnreachableError) as error:
            async with self._inventory.writing() as transaction:
                kept = await put_back(transaction, stored)
            text = f"; somebody has changed meanwhile: {', '.join(kept)}" if kept else ""
            if isinstance(error, ApiError):
                raise DeploymentError(f"{error.message}. The inventory is as it was before{text}") from error
            raise
        schedules = [item.id for item in wanted if item.type == ObjectType.SCHEDULE]
        if schedules:  # after their workflows
            await self._releases.release(schedules)
        if doomed:
            await self._remover.remove(account, doomed, cancel_from_ms=None, require_controller=require_controller)
        return plan

    async def _publish(self, account: str, controller_id: str, objects: Sequence[StoredObject]) -> None:
        """All but schedules. Include scripts are released before jobs that include them are deployed."""
        first = [item.id for item in objects if item.type.is_releasable and item.type != ObjectType.SCHEDULE]
        deployables = [item for item in objects if item.type.is_deployable]
        if first:
            await self._releases.release(first)
        if deployables:
            await self._deployer.deploy(account, [controller_id], deployables)

    async def _published(self, controller_id: str) -> dict[tuple[ObjectType, str], tuple[str, str | None]]:
        """Path and content of what is deployed at the Controller or released, by type and name."""
        found: dict[tuple[ObjectType, str], tuple[str, str | None]] = {
            (item.type, names.name_of(item.path)): (item.path, item.content)
            for item in (await self._releases.of_objects()).values()
        }
        deployed = await self._deployer.current(controller_id)
        return found | {(item.type, item.name): (item.path, item.inv_content) for item in deployed}


async def _store(
    transaction: InventoryTransaction, objects: Sequence[ArchivedObject], folder: str, permitted: Callable[[str], bool]
) -> list[tuple[StoredObject, Before]]:
    """Import the objects; gives them as they are then, with what they were."""
    result: list[tuple[int, Before]] = []
    for item in objects:
        path = names.moved(item.path, "/", names.normalized(folder))
        existing = await transaction.find(rows.named(item.type, item.name))
        for place in (path, existing.path if existing is not None else path):
            if not permitted(place):
                raise ApiError(
                    f"Access denied for folder: {names.folder_of(place)}",
                    code="JOC-419",
                    kind="JocFolderPermissionsException",
                )
        before = await remember(transaction, existing)
        stored = await put(transaction, item, path, existing)
        result.append((stored.id, before))
    # Judged anew: what they refer to may have come later.
    return [(await transaction.read_by_id(id_), before) for id_, before in result]


async def _surplus(
    transaction: InventoryTransaction,
    stored: Sequence[tuple[StoredObject, Before]],
    folder: str,
    permitted: Callable[[str], bool],
) -> list[StoredObject]:
    kept = {item.id for item, _ in stored}
    found = await transaction.find_all(rows.in_folder(inv_configurations, names.normalized(folder), recursive=True))
    return [item for item in found if item.type != ObjectType.FOLDER and item.id not in kept and permitted(item.path)]


def _changes(
    stored: Sequence[tuple[StoredObject, Before]],
    published: dict[tuple[ObjectType, str], tuple[str, str | None]],
    doomed: Sequence[StoredObject],
) -> list[Change]:
    found = []
    for item, before in stored:
        former_path, content = published.get((item.type, item.name), (None, None))
        draft = None if before.row is None else before.row["content"]
        is_moved = before.row is not None and before.row["path"] != item.path
        is_same = content == item.content
        if not is_same:
            action = CREATE if former_path is None else CHANGE
        elif is_moved:
            action = MOVE
        elif not item.valid:
            action = CHANGE
        else:
            continue
        found.append(
            Change(
                action=action,
                path=item.path,
                object_type=item.type.name,
                former_path=before.row["path"] if before.row is not None and is_moved else None,
                before=None if content is None else decode(content),
                after=item.configuration,
                invalid_msg=item.invalid_message,
                overwrites_draft=draft is not None and draft not in (content, item.content),
            )
        )
    for item in doomed:
        _, content = published.get((item.type, item.name), (None, None))
        before_content = None if content is None else decode(content)
        found.append(Change(action=DELETE, path=item.path, object_type=item.type.name, before=before_content))
    return sorted(found, key=lambda change: (change.path, change.object_type))
