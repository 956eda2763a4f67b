"""Workflows at a Controller: what is known of them, and what people do with them: suspend, skip, stop, transfer.

Commands are those of orders spec 7.2 (ControlWorkflowPath, ControlWorkflow, TransferOrders). The Controller knows
best and takes all of them again and again; that there is nothing to change is found here, in the projection. It may lag
a moment behind, so that a call is refused only when it is still so after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BadRequest, BulkError, ControllerObjectNotFound
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.orders import PositionOrLabel
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.live import live_items, live_orders
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.language.positions import Position, normalize
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.json import decode
from stellwerk.values.problems import Problem, ProblemError

#: A refusal waits so long for what another call may just have changed.
SETTLING_SECONDS = 2.0
_LOOKS = 20


class KnownWorkflows(msgspec.Struct, frozen=True):
    """What a Controller has, as the projection knows it."""

    #: (name, version id) → is it current?
    versions: dict[tuple[str, str], bool]
    suspended: frozenset[str]
    #: Name → labels that are skipped in all versions.
    skipped: dict[str, frozenset[str]]
    #: (name, version id) → positions at which orders are stopped.
    stopped: dict[tuple[str, str], frozenset[Position]]
    #: (name, version id) of workflows with orders
    in_use: frozenset[tuple[str, str]]


class WorkflowControls:
    """Workflows of registered Controllers."""

    def __init__(self, database: Database, connections: ControllerConnections, deployer: Deployer) -> None:
        self._database = database
        self._connections = connections
        self._deployer = deployer

    async def known(self, controller_id: str) -> KnownWorkflows:
        items, orders = live_items, live_orders
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(items.c.path, items.c.version_id, items.c.is_current).where(
                    items.c.controller_id == controller_id, items.c.type == "Workflow"
                )
            )
            versions = {(row.path, row.version_id): bool(row.is_current) for row in rows}
            controls = list(
                await connection.execute(
                    select(items.c.type, items.c.path, items.c.version_id, items.c.content).where(
                        items.c.controller_id == controller_id,
                        items.c.type.in_(["WorkflowPathControl", "WorkflowControl"]),
                    )
                )
            )
            used = await connection.execute(
                select(orders.c.workflow_path, orders.c.workflow_version_id)
                .where(orders.c.controller_id == controller_id)
                .distinct()
            )
            in_use = frozenset((row.workflow_path, row.workflow_version_id) for row in used)
        of_paths = {row.path: decode(row.content) for row in controls if row.type == "WorkflowPathControl"}
        return KnownWorkflows(
            versions=versions,
            suspended=frozenset(path for path, control in of_paths.items() if control.get("suspended") is True),
            skipped={path: frozenset(control.get("skip") or ()) for path, control in of_paths.items()},
            stopped={
                (row.path, row.version_id): frozenset(map(tuple, decode(row.content).get("breakpoints") or ()))
                for row in controls
                if row.type == "WorkflowControl"
            },
            in_use=in_use,
        )

    # --- stop, unstop: one version -----------------------------------------------------------------------------------

    async def stop(
        self, controller_id: str, path: str, version_id: str | None, places: Sequence[PositionOrLabel], *, stopped: bool
    ) -> None:
        """Let orders stop at positions or labels of a workflow (its current version, if none is given), or no more.

        Raises `ObjectNotFound`, `ControllerObjectNotFound` for an unknown position, `BadRequest` if nothing is to do.
        """
        deployed = await self._deployer.workflow(controller_id, path, version_id)
        workflow = read_workflow(deployed.content)
        positions = list(dict.fromkeys(_position(workflow, path, place) for place in places))
        key = (deployed.name, deployed.commit_id)

        def to_change(known: KnownWorkflows) -> list[Position]:
            present = known.stopped.get(key, frozenset())
            return [position for position in positions if (position in present) is not stopped]

        if not (changing := await self._settled(controller_id, to_change)):
            raise BadRequest(f"{path}: {'all positions are stopped already' if stopped else 'no position is stopped'}")
        client = await self._connections.client(controller_id)
        await client.command(
            {
                "TYPE": "ControlWorkflow",
                "workflowId": {"path": deployed.name, "versionId": deployed.commit_id},
                "addBreakpoints" if stopped else "removeBreakpoints": changing,
            },
            repeatable=True,
        )

    # --- skip, suspend: all versions of a path ------------------------------------------------------------------------

    async def skip(self, controller_id: str, path: str, labels: Sequence[str], *, skipped: bool) -> None:
        """Let orders skip the instructions with these labels, or no more.

        Raises `ObjectNotFound`, `ControllerObjectNotFound` for a label that no deployed version has.
        """
        current = await self._deployer.workflow(controller_id, path)
        known = await self.known(controller_id)
        others = {key for key in known.versions if key[0] == current.name and key[1] != current.commit_id}
        versions = [current, *(await self._deployer.versions(controller_id, others) if others else ())]
        present = {
            instruction.label
            for version in versions
            for _, instruction in read_workflow(version.content).instructions()
            if instruction.label is not None
        }
        missing = [label for label in labels if label not in present]
        if missing:
            raise ControllerObjectNotFound(
                f"{path}: no deployed version has the label {', '.join(missing)}; deploy the workflow if it is new"
            )
        client = await self._connections.client(controller_id)
        await client.command(
            {"TYPE": "ControlWorkflowPath", "workflowPath": current.name, "skip": dict.fromkeys(labels, skipped)},
            repeatable=True,
        )

    async def suspend(self, controller_id: str, paths: Collection[str], *, suspended: bool) -> None:
        """Suspend workflows as a whole, or resume them. Raises `ControllerObjectNotFound` if none is left to change.

        `BulkError` names those that the Controller refuses.
        """
        names = list(dict.fromkeys(map(name_of, paths)))

        def to_change(known: KnownWorkflows) -> list[str]:
            existing = {name for name, _ in known.versions}
            return [name for name in names if name in existing and (name in known.suspended) is not suspended]

        changing = await self._settled(controller_id, to_change)
        if not changing:
            raise ControllerObjectNotFound(f"No {'unsuspended' if suspended else 'suspended'} workflows found.")
        client = await self._connections.client(controller_id)
        results = await client.batch(
            [{"TYPE": "ControlWorkflowPath", "workflowPath": name, "suspend": suspended} for name in changing],
            repeatable=True,
        )
        failures = [
            (name, COMMAND_REFUSED, str(result))
            for name, result in zip(changing, results, strict=True)
            if isinstance(result, Problem)
        ]
        if failures:
            raise BulkError(failures)

    # --- transfer -----------------------------------------------------------------------------------------------------

    async def transfer_orders(self, controller_id: str, path: str, version_id: str) -> None:
        """Move the orders of an old version to the current one. Raises `ObjectNotFound`, `BadRequest`."""
        current = await self._deployer.workflow(controller_id, path)
        if current.commit_id == version_id:
            raise BadRequest(f"{path}: {version_id} is the current version; give the versionId of an old one")
        old = await self._deployer.workflow(controller_id, path, version_id)
        client = await self._connections.client(controller_id)
        workflow_id = {"path": old.name, "versionId": old.commit_id}
        await client.command({"TYPE": "TransferOrders", "workflowId": workflow_id}, repeatable=True)

    async def _settled(self, controller_id: str, find: Callable[[KnownWorkflows], list[Any]]) -> list[Any]:
        """What is found; nothing only if that stays so for a while."""
        for _ in range(_LOOKS):
            if found := find(await self.known(controller_id)):
                return found
            await asyncio.sleep(SETTLING_SECONDS / _LOOKS)
        return []


def _position(workflow: Workflow, path: str, place: PositionOrLabel) -> Position:
    try:
        return normalize(workflow.resolve(place if isinstance(place, str) else tuple(place)))
    except ProblemError as error:
        raise ControllerObjectNotFound(f"{path}: {error.problem.message}") from error
