"""Deploying drafts to Controllers (cockpit-services 2.2 to 2.4).

One deployment is one commit id: the version of all its workflows, and one transaction at each Controller, of which
everything is accepted or nothing. Rows of the deployment history are written before anything is sent, as deployed, and
put right on refusal: a crash in between leaves what is most probably true.

Unlike the reference, a deployment is answered when the Controller has committed or refused it: scripts learn of it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.deployment.history import (
    Deployed,
    DeploymentError,
    DeploymentHistory,
    common_columns,
    delete_operation,
    deletion_columns,
)
from stellwerk.cockpit.deployment.keys import SigningKeys
from stellwerk.cockpit.inventory.names import folder_of
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import UPDATE, known_agents
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.inventory.validation import CONVERSIONS, describe
from stellwerk.effects.clock import Clock, Random
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.language.inventory import Target
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, sign

#: Types whose text is signed; the others go as they are.
SIGNED = frozenset({ObjectType.WORKFLOW, ObjectType.JOBRESOURCE})

#: Objects that are converted and signed without a pause.
_AT_ONCE = 10

#: Maintained by the Cockpit at each Controller (workflow spec 8.4, 8.9).
DAILY_PLAN_CALENDAR = "dailyPlan"
DAILY_PLAN_SCHEMA = {
    "TYPE": "PlanSchema",
    "id": "DailyPlan",
    "unknownPlanIsOpenFunction": "day => $day >= $unknownPlansOpenFrom",
    "namedValues": {"unknownPlansOpenFrom": ""},
}


class _Prepared(msgspec.Struct, frozen=True):
    """An object converted for one Controller."""

    source: StoredObject
    text: str
    signature: str | None
    operations: list[dict[str, Any]]


class SignedObject(msgspec.Struct, frozen=True):
    """An object of the inventory, and what was signed of it: the text as it was signed, and what it says."""

    source: StoredObject
    text: str
    value: dict[str, Any]
    signature: Signature


class Deployer(DeploymentHistory):
    """Sends inventory objects to Controllers and knows what has been sent."""

    def __init__(
        self,
        database: Database,
        inventory: Inventory,
        connections: ControllerConnections,
        keys: SigningKeys,
        clock: Clock,
        random: Random,
        plan_day_begins: Callable[[], int] = lambda: 0,
    ) -> None:
        """`plan_day_begins`: seconds after midnight at which a day of the daily plan begins."""
        super().__init__(database)
        self._plan_day_begins = plan_day_begins
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
        commit_id = new_commit_id(self._random)
        for controller_id in controller_ids:
            await self._deploy_to(account, controller_id, objects, commit_id)
        return commit_id

    async def deploy_again(self, account: str, controller_id: str, deployed: Sequence[Deployed]) -> str:
        """Sign and send what has been deployed once more, under a new commit id. Raises as `deploy` does."""
        objects = [
            StoredObject(
                id=item.inv_cid or 0,
                type=item.type,
                path=item.path,
                name=item.name,
                folder=folder_of(item.path),
                title=item.title,
                content=item.inv_content,
                valid=True,
                invalid_message=None,
                deleted=False,
                deployed=True,
                released=False,
                modified=item.deployment_date,
            )
            for item in deployed
        ]
        return await self.deploy(account, [controller_id], objects)

    async def deploy_plan_calendar(self, controller_id: str) -> None:
        """Tell a Controller when the day of the daily plan begins. Raises `DeploymentError`, `PeerUnreachableError`."""
        client = await self._connections.client(controller_id)
        item = _calendar(DAILY_PLAN_CALENDAR, self._plan_day_begins())
        try:
            await client.update_items([{"TYPE": "AddOrChangeSimple", "item": item}])
        except ProblemError as error:
            text = f"Controller '{controller_id}' refuses the calendar of the daily plan: {error.problem}"
            raise DeploymentError(text) from error

    async def _deploy_to(
        self, account: str, controller_id: str, objects: Sequence[StoredObject], commit_id: str
    ) -> None:
        async with self._database.read() as connection:
            agent_ids = await known_agents(connection, controller_id)
        scripts = await self._inventory.released_scripts()
        is_signed = any(item.type in SIGNED for item in objects)
        key = await self._keys.signing_key(account) if is_signed else None
        prepared = []
        for number, item in enumerate(objects):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # converting and signing is computation: others get their turn
            value = engine_form(item, commit_id, agent_ids, scripts)
            text = encode(value).decode()
            signature = sign(text, key) if key is not None and item.type in SIGNED else None
            prepared.append(self._prepared(item, value, text, signature))
        await self._send(account, controller_id, prepared, commit_id)

    async def deploy_signed(
        self, account: str, controller_id: str, items: Sequence[SignedObject], commit_id: str
    ) -> None:
        """Deploy what was signed elsewhere, as it is. Raises `DeploymentError`, `PeerUnreachableError`."""
        prepared = [self._prepared(item.source, item.value, item.text, item.signature) for item in items]
        await self._send(account, controller_id, prepared, commit_id)

    async def _send(self, account: str, controller_id: str, prepared: Sequence[_Prepared], commit_id: str) -> None:
        client = await self._connections.client(controller_id)
        objects = [item.source for item in prepared]
        operations = _once(operation for item in prepared for operation in item.operations)
        renamed = await self._renamed(controller_id, objects)
        operations += [delete_operation(item.type, item.name) for item in renamed]
        operations.append({"TYPE": "AddVersion", "versionId": commit_id})
        history_ids = await self._write_history(account, controller_id, prepared, renamed, commit_id)
        try:
            await client.update_items(operations)
        except (ProblemError, PeerUnreachableError) as error:
            await self.mark_refused(history_ids, objects, str(error), is_deployed=False)
            if isinstance(error, ProblemError):
                raise DeploymentError(
                    f"Controller '{controller_id}' refuses the deployment: {error.problem}"
                ) from error
            raise

    def _prepared(self, item: StoredObject, value: Any, text: str, signature: Signature | None) -> _Prepared:
        if signature is None:
            operations = [{"TYPE": "AddOrChangeSimple", "item": value}]
            if item.type == ObjectType.FILEORDERSOURCE:
                # Its orders belong to the plan of their day.
                operations.append({"TYPE": "AddOrChangeSimple", "item": DAILY_PLAN_SCHEMA})
            return _Prepared(source=item, text=text, signature=None, operations=operations)
        operations = [{"TYPE": "AddOrChangeSigned", "signedString": {"string": text, "signature": signature}}]
        calendar = value.get("calendarPath")
        if isinstance(calendar, str):
            is_own = calendar != DAILY_PLAN_CALENDAR
            offset = _day_offset_seconds(item) if is_own else self._plan_day_begins()
            operations.append({"TYPE": "AddOrChangeSimple", "item": _calendar(calendar, offset)})
        return _Prepared(source=item, text=text, signature=encode(signature).decode(), operations=operations)

    async def _renamed(self, controller_id: str, objects: Sequence[StoredObject]) -> list[Deployed]:
        """Former deployments of these objects under other names: they are deleted in the same transaction."""
        ids = {item.id: item.name for item in objects}
        taken = {(item.type, item.name) for item in objects}  # another object has the name now
        current = await self.current(controller_id)
        return [
            item
            for item in current
            if item.inv_cid in ids and item.name != ids[item.inv_cid] and (item.type, item.name) not in taken
        ]

    async def _write_history(
        self,
        account: str,
        controller_id: str,
        prepared: Sequence[_Prepared],
        renamed: Sequence[Deployed],
        commit_id: str,
    ) -> list[int]:
        common = common_columns(account, controller_id, commit_id, self._clock.now_ms())
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
        rows += [common | deletion_columns(item, common["deployment_date"]) for item in renamed]
        return await self.add(rows, [item.source for item in prepared], is_deployed=True)

    def new_commit_id(self) -> str:
        return new_commit_id(self._random)

    async def engine_forms(self, controller_id: str, objects: Sequence[StoredObject], commit_id: str) -> list[Any]:
        """What a deployment with this commit id would sign. Raises `DeploymentError`."""
        async with self._database.read() as connection:
            agent_ids = await known_agents(connection, controller_id)
        scripts = await self._inventory.released_scripts()
        return [engine_form(item, commit_id, agent_ids, scripts) for item in objects]


def engine_form(item: StoredObject, commit_id: str, agent_ids: dict[str, str], scripts: dict[str, str]) -> Any:
    """An object as a Controller reads it. Raises `DeploymentError` for what cannot be converted."""
    convert = CONVERSIONS.get(item.type)
    if convert is None:
        raise BadRequest(f"{item.path}: objects of type {item.type.name} are not deployed")
    version_id = commit_id if item.type == ObjectType.WORKFLOW else None
    target = Target(path=item.path, version_id=version_id, agent_ids=agent_ids, include_scripts=scripts)
    conversion = convert(item.configuration, target)
    if conversion.problems:
        raise DeploymentError(f"{item.path}: {describe(conversion.problems)}")
    return conversion.value


def new_commit_id(random: Random) -> str:
    """The version of a deployment: a UUID."""
    return str(uuid.UUID(bytes=random.token_bytes(16), version=4))


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
