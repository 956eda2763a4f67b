"""What people do with orders: add, cancel, suspend, resume, let run, confirm (cockpit-api 2.3).

Every call returns after the Controller's commit. The Controller decides; here orders are only found and commands built:
which orders a request means comes from the live rows of the projection (they may lag a moment behind, so that explicit
ids are sent to the Controller even when they are not known here).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BadRequest, BulkError, ControllerObjectNotFound
from stellwerk.cockpit.controllers.arrivals import Arrivals
from stellwerk.cockpit.controllers.client import ControllerClient
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.controllers.idempotency import Idempotency
from stellwerk.cockpit.controllers.order_ids import OrderIds
from stellwerk.cockpit.controllers.order_selection import (
    FAILED_STATES,
    OrderFinder,
    Selection,
    is_cancelable,
    is_continuable,
    is_resumable,
    is_suspendible,
)
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.language.inventory.names import name_fault
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.problems import Problem, ProblemError

PositionOrLabel = list[Any] | str


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order to add, as requested."""

    workflow: str
    name: str
    scheduled_for_ms: int | None = None
    arguments: Mapping[str, Any] = {}
    start_position: PositionOrLabel | None = None
    end_positions: Sequence[PositionOrLabel] = ()
    block_position: PositionOrLabel | None = None
    force_job_admission: bool = False
    plan_id: Sequence[str] = ()
    priority: int = 0


class Call(msgspec.Struct, frozen=True):
    """Who calls, with which idempotency key, and what identifies the request."""

    account: str
    key: str | None = None
    request: bytes = b""


class OrderService:
    """Commands on orders."""

    def __init__(
        self,
        connections: ControllerConnections,
        deployer: Deployer,
        order_ids: OrderIds,
        idempotency: Idempotency,
        finder: OrderFinder,
        arrivals: Arrivals,
    ) -> None:
        self._connections = connections
        self._deployer = deployer
        self._order_ids = order_ids
        self._idempotency = idempotency
        self._finder = finder
        self._arrivals = arrivals

    # --- add ----------------------------------------------------------------------------------------------------------

    async def add(self, call: Call, controller_id: str, orders: Sequence[NewOrder]) -> list[str]:
        """Add orders; gives their ids. Each order succeeds or fails alone.

        Raises `BulkError` naming the orders that the Controller has refused, `PeerUnreachableError` if it cannot be
        reached; then a repeat with the same Idempotency-Key adds each order once, whatever has arrived.
        """
        client = await self._connections.client(controller_id)

        async def prepare() -> list[dict[str, Any]]:
            for order in orders:
                fault = name_fault(order.name)
                if fault is not None:
                    raise BadRequest(f"orderName '{order.name}': {fault}")
            ids = await self._order_ids.next([order.name for order in orders])
            return [await self.fresh_order(controller_id, id_, order) for id_, order in zip(ids, orders, strict=True)]

        async def execute(fresh_orders: list[dict[str, Any]], is_repeat: bool) -> list[str]:
            try:
                await self._add(client, fresh_orders, is_repeat)
            except PeerUnreachableError:
                # The answer got lost, or all of it: once more, in a way that adds nothing twice.
                await self._add(client, fresh_orders, True)
            return [order["id"] for order in fresh_orders]

        ids: list[str] = await self._idempotency.once(call.account, call.key, call.request, prepare, execute)
        return ids

    async def _add(self, client: ControllerClient, fresh_orders: list[dict[str, Any]], is_repeat: bool) -> None:
        """Send AddOrder for each; in a repeat only for those that have not arrived."""
        if is_repeat:
            added = await self._arrivals.added(client, [order["id"] for order in fresh_orders])
            fresh_orders = [order for order in fresh_orders if order["id"] not in added]
        results = await client.batch([{"TYPE": "AddOrder", "order": order} for order in fresh_orders])
        _raise_failures([(order["id"], result) for order, result in zip(fresh_orders, results, strict=True)])

    async def fresh_order(self, controller_id: str, id_: str, order: NewOrder) -> dict[str, Any]:
        """The order as `AddOrder` takes it. Raises `BadRequest` for a block that the workflow does not have."""
        fresh: dict[str, Any] = {
            "id": id_,
            "workflowPath": name_of(order.workflow),
            "planId": list(order.plan_id),
            "arguments": dict(order.arguments),
            # The history keeps what has ended; the Controller need not.
            "deleteWhenTerminated": True,
        }
        if order.scheduled_for_ms is not None:
            fresh["scheduledFor"] = order.scheduled_for_ms
        if order.priority:
            fresh["priority"] = order.priority
        if order.force_job_admission:
            fresh["forceAdmission"] = True
        if order.start_position:
            fresh["startPosition"] = order.start_position
        if order.end_positions:
            fresh["stopPositions"] = list(order.end_positions)
        if order.block_position:
            fresh["innerBlock"] = await self._block(controller_id, order.workflow, order.block_position)
        return fresh

    async def _block(self, controller_id: str, workflow: str, position: PositionOrLabel) -> list[Any]:
        """The branch path of a block: given as such, or as position or label of the instruction that has just one."""
        if not isinstance(position, str) and len(position) % 2 == 0:
            return list(position)
        loaded = await self._workflow(controller_id, workflow, None)
        instruction_position = loaded.resolve(position if isinstance(position, str) else tuple(position))
        branches = [nested.branch_id for nested in loaded.instruction(instruction_position).nested(False)]
        if len(branches) != 1:
            names = ", ".join(branches) or "none"
            raise BadRequest(f"blockPosition {position!r} must be an instruction with one block; its blocks: {names}")
        return [*instruction_position, branches[0]]

    async def _workflow(self, controller_id: str, path: str, version_id: str | None) -> Workflow:
        deployed = await self._deployer.workflow(controller_id, path, version_id)
        return read_workflow(deployed.content)

    # --- commands on existing orders ----------------------------------------------------------------------------------

    async def cancel(
        self, call: Call, controller_id: str, selection: Selection, *, kill: bool, deep: bool, mode: str
    ) -> None:
        """CancelOrders, with `deep` also for the children of forks."""
        cancel_mode: dict[str, Any] = {"TYPE": mode}
        if kill and mode != "FreshOnly":
            cancel_mode["kill"] = {}

        async def prepare() -> list[dict[str, Any]]:
            ids = await self._finder.ids(controller_id, selection, is_cancelable, deep=deep)
            _require(ids, "No orders found.")
            return [{"TYPE": "CancelOrders", "orderIds": ids, "mode": cancel_mode}]

        await self._command(call, controller_id, prepare, "No orders found.", repeatable=True)

    async def suspend(
        self, call: Call, controller_id: str, selection: Selection, *, kill: bool, reset: bool, deep: bool
    ) -> None:
        """SuspendOrders; `reset` leaves waiting states, `kill` ends running processes."""
        mode: dict[str, Any] = {}
        if reset:
            mode["resetState"] = True
        if kill:
            mode["kill"] = {}

        async def prepare() -> list[dict[str, Any]]:
            ids = await self._finder.ids(controller_id, selection, is_suspendible, deep=deep)
            _require(ids, "No suspendible orders found.")
            return [{"TYPE": "SuspendOrders", "orderIds": ids, "mode": mode}]

        await self._command(call, controller_id, prepare, "No suspendible orders found.", repeatable=True)

    async def resume(
        self,
        call: Call,
        controller_id: str,
        selection: Selection,
        *,
        position: PositionOrLabel | None,
        from_current_block: bool,
        variables: Mapping[str, Any],
        force: bool,
    ) -> None:
        """ResumeOrder(s): at the same place, at a position or label, or at the begin of the current block.

        A failed order is resumed as succeeded, for otherwise it would fail again at once; without a position it
        repeats the instruction that failed.
        """

        async def prepare() -> list[dict[str, Any]]:
            known = {order.order_id: order for order in await self._finder.select(controller_id, selection)}
            ids = await self._finder.named(controller_id, selection) or [
                order.order_id for order in known.values() if is_resumable(order)
            ]
            if variables and len({known[id_].workflow_path for id_ in ids if id_ in known}) > 1:
                raise BadRequest("arguments are only possible for orders of one workflow")
            commands = []
            for id_ in ids:
                order = known.get(id_)
                command: dict[str, Any] = {"TYPE": "ResumeOrder", "orderId": id_}
                target = await self._resume_position(controller_id, order, position, from_current_block)
                if target is not None:
                    command["position"] = target
                if order is not None and (order.state in FAILED_STATES or target is not None):
                    command["asSucceeded"] = True
                if variables:
                    if order is None and target is None:
                        raise BadRequest(f"arguments are not possible for the unknown order {id_}")
                    place = target if target is not None else order.position  # type: ignore[union-attr]
                    command["historyOperations"] = [_append(place, variables)]
                if force:
                    command["restartKilledJob"] = True
                commands.append(command)
            return _merged_resumes(commands)

        await self._command(call, controller_id, prepare, "No resumable orders found.", repeatable=False)

    async def _resume_position(
        self,
        controller_id: str,
        order: LiveOrder | None,
        position: PositionOrLabel | None,
        from_current_block: bool,
    ) -> list[Any] | None:
        if from_current_block:
            if order is None:
                raise BadRequest("fromCurrentBlock is not possible for an order that is not known")
            return [*order.position[:-1], 0]
        if not position:
            return None
        if not isinstance(position, str):
            return list(position)
        if order is None:
            raise BadRequest(f"the label '{position}' is not possible for an order that is not known")
        workflow = await self._workflow(controller_id, order.workflow_path, order.workflow_version_id)
        return list(workflow.position_of_label(position))

    async def let_run(self, call: Call, controller_id: str, selection: Selection) -> None:
        """GoOrder at the present position of each order that waits for a time."""

        async def prepare() -> list[dict[str, Any]]:
            orders = [order for order in await self._finder.select(controller_id, selection) if is_continuable(order)]
            _require(orders, "No continuable orders found.")
            return [{"TYPE": "GoOrder", "orderId": order.order_id, "position": order.position} for order in orders]

        await self._command(call, controller_id, prepare, "No continuable orders found.", repeatable=True)

    async def confirm(self, call: Call, controller_id: str, selection: Selection) -> None:
        """AnswerOrderPrompt for each prompting order."""

        async def prepare() -> list[dict[str, Any]]:
            ids = await self._finder.ids(controller_id, selection, lambda order: order.state == "Prompting", deep=False)
            _require(ids, "No prompting orders found.")
            return [{"TYPE": "AnswerOrderPrompt", "orderId": id_} for id_ in ids]

        await self._command(call, controller_id, prepare, "No prompting orders found.", repeatable=False)

    async def change(self, call: Call, controller_id: str, selection: Selection, *, priority: int) -> None:
        """ChangeOrder: another priority for each order that has not ended."""

        async def prepare() -> list[dict[str, Any]]:
            ids = await self._finder.ids(controller_id, selection, is_cancelable, deep=False)
            _require(ids, "No orders found.")
            return [{"TYPE": "ChangeOrder", "orderId": id_, "priority": priority} for id_ in ids]

        await self._command(call, controller_id, prepare, "No orders found.", repeatable=True)

    async def remove_when_terminated(self, call: Call, controller_id: str, selection: Selection) -> None:
        """DeleteOrdersWhenTerminated: what has ended leaves the Controller, the others when they end."""

        async def prepare() -> list[dict[str, Any]]:
            ids = await self._finder.ids(controller_id, selection, lambda order: not order.is_child, deep=False)
            _require(ids, "No orders found.")
            return [{"TYPE": "DeleteOrdersWhenTerminated", "orderIds": ids}]

        await self._command(call, controller_id, prepare, "No orders found.", repeatable=True)

    async def _command(
        self, call: Call, controller_id: str, prepare: Any, nothing_found: str, *, repeatable: bool
    ) -> None:
        client = await self._connections.client(controller_id)

        async def execute(commands: list[dict[str, Any]], is_repeat: bool) -> bool:
            await _execute(client, commands, nothing_found, repeatable=repeatable)
            return True

        await self._idempotency.once(call.account, call.key, call.request, prepare, execute)


async def _execute(
    client: ControllerClient, commands: list[dict[str, Any]], nothing_found: str, *, repeatable: bool
) -> None:
    """Send commands; one that names several orders is all or nothing, so it is tried per order if it is refused."""
    results = await client.batch(commands, repeatable=repeatable)
    failed = [
        (command, result) for command, result in zip(commands, results, strict=True) if isinstance(result, Problem)
    ]
    single: list[dict[str, Any]] = []
    failures: list[tuple[str, Any]] = []
    for command, problem in failed:
        if len(command.get("orderIds", ())) > 1:
            single += [{**command, "orderIds": [id_]} for id_ in command["orderIds"]]
        else:
            failures.append((_order_of(command), problem))
    if single:
        answers = await client.batch(single, repeatable=repeatable)
        failures += [(_order_of(command), answer) for command, answer in zip(single, answers, strict=True)]
    problems = [problem for _, problem in failures if isinstance(problem, Problem)]
    addressed = sum(len(command.get("orderIds", (1,))) for command in commands)
    if problems and len(problems) == addressed and all(_is_unknown_order(problem) for problem in problems):
        raise ControllerObjectNotFound(f"{nothing_found} {'; '.join(problem.message for problem in problems)}")
    if len(problems) == 1 and addressed == 1:
        raise ProblemError(problems[0])
    _raise_failures(failures)


def _is_unknown_order(problem: Problem) -> bool:
    return problem.code == "UnknownKey" and problem.arguments.get("type") in ("OrderId", "Order")


def _order_of(command: Mapping[str, Any]) -> str:
    ids = command.get("orderIds")
    return str(ids[0]) if ids else str(command.get("orderId"))


def _raise_failures(results: Iterable[tuple[str, Any]]) -> None:
    failures = [(id_, COMMAND_REFUSED, str(result)) for id_, result in results if isinstance(result, Problem)]
    if failures:
        raise BulkError(failures)


def _require(found: Sequence[Any], message: str) -> None:
    if not found:
        raise ControllerObjectNotFound(message)


def _append(position: Sequence[Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables given at a resume become a succeeded outcome at the resume position."""
    values = dict(variables)
    code = values.get("returnCode")
    if isinstance(code, str) and code.lstrip("-").isdigit():
        values["returnCode"] = int(code)
    outcome = {"TYPE": "Succeeded", "namedValues": values}
    return {"TYPE": "Append", "position": list(position), "outcome": outcome}


def _merged_resumes(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Resumes that differ in nothing but the order are one ResumeOrders command."""
    merged: dict[tuple[bool | None, bool | None], list[str]] = {}
    others = []
    for command in commands:
        if "position" in command or "historyOperations" in command:
            others.append(command)
        else:
            key = (command.get("asSucceeded"), command.get("restartKilledJob"))
            merged.setdefault(key, []).append(command["orderId"])
    for (as_succeeded, restart), ids in merged.items():
        options = {"asSucceeded": as_succeeded, "restartKilledJob": restart}
        given = {name: value for name, value in options.items() if value is not None}
        others.append({"TYPE": "ResumeOrders", "orderIds": ids, **given})
    return others
