"""`stellwerk order ...`, `status`, `deploy`: the REST API in the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from stellwerk.author.check import as_text
from stellwerk.author.files import kind_of, object_name
from stellwerk.cli.author import errors_of, inventory_files
from stellwerk.cli.output import CommandError, print_json, print_table, state_text, time_text
from stellwerk.cli.rest import Cockpit, Target
from stellwerk.language.reader import parse_json

T = TypeVar("T")


def execute(target: Target, action: Callable[[Cockpit], Awaitable[T]]) -> T:
    """Run one action in a session of its own."""

    async def run() -> T:
        async with Cockpit(target) as cockpit:
            return await action(cockpit)

    return asyncio.run(run())


async def add(
    cockpit: Cockpit,
    workflow: str,
    name: str,
    arguments: dict[str, Any],
    scheduled_for: str | None,
    count: int,
    as_json: bool,
) -> list[str]:
    """Add orders; prints and returns their ids."""
    order: dict[str, Any] = {"workflowPath": workflow, "orderName": name, "arguments": arguments}
    if scheduled_for:
        order["scheduledFor"] = scheduled_for
    answer = await cockpit.post("orders/add", {"controllerId": cockpit.target.controller_id, "orders": [order] * count})
    ids = [str(order_id) for order_id in answer.get("orderIds", [])]
    if as_json:
        print_json({"orderIds": ids})
    else:
        for order_id in ids:
            print(order_id)
    return ids


async def list_orders(cockpit: Cockpit, states: list[str], workflow: str | None, limit: int, as_json: bool) -> None:
    body: dict[str, Any] = {"controllerId": cockpit.target.controller_id, "limit": limit, "compact": True}
    if states:
        body["states"] = [state.upper() for state in states]
    if workflow:
        body["workflowIds"] = [{"path": workflow}]
    answer = await cockpit.post("orders", body)
    orders = answer.get("orders", [])
    if as_json:
        print_json(orders)
        return
    print_table(
        ("ORDER", "WORKFLOW", "STATE", "POSITION", "SCHEDULED FOR", "LABEL"),
        [
            (
                order.get("orderId"),
                order.get("workflowId", {}).get("path"),
                state_text(order.get("state", {}).get("_text")),
                order.get("positionString") or _position(order.get("position")),
                time_text(order.get("scheduledFor")),
                order.get("label"),
            )
            for order in orders
        ],
        "no orders",
    )


def _position(position: Any) -> str:
    from stellwerk.language.positions import position_text

    return position_text(tuple(position)) if position else ""


async def change(cockpit: Cockpit, verb: str, order_ids: list[str], options: dict[str, Any], as_json: bool) -> None:
    """cancel, suspend, resume, continue (answer a prompt: confirm)."""
    await cockpit.post(
        f"orders/{verb}", {"controllerId": cockpit.target.controller_id, "orderIds": order_ids, **options}
    )
    if as_json:
        print_json({"ok": True, "orderIds": order_ids})
    else:
        words = {"cancel": "cancelled", "suspend": "suspended", "resume": "resumed", "confirm": "confirmed"}
        print(f"{words.get(verb, verb)}: {', '.join(order_ids)}")


#: Native states in which an order does not move any more by itself.
#: After these an order waits for a person, or for nothing.
_RESTS = frozenset(
    {
        "OrderFinished",
        "OrderCancelled",
        "OrderFailed",
        "OrderStopped",
        "OrderBroken",
        "OrderSuspended",
        "OrderPrompted",
        "OrderDeleted",
    }
)


async def watch(cockpit: Cockpit, order_id: str, as_json: bool) -> int:
    """Print the order's events, first those up to now, then as they come, until it rests; 0 when it has finished."""
    from urllib.parse import quote

    following = 0
    last = ""
    has_finished = False
    path = f"stellwerk/order/{quote(order_id, safe='')}/events"
    while True:
        answer = await cockpit.get(f"{path}?from={following}&limit=500&level=story")
        events = answer["events"]
        for event in events:
            following = int(event["eventId"]) + 1
            if as_json:
                print_json(event)
            else:
                print(f"{time_text(event['time'])}  {_story(event, order_id)}")
            if event["orderId"] == order_id:
                last = event["type"]
                has_finished = has_finished or last == "OrderFinished"
        if "next" in answer:
            continue
        # Only the newest event tells: an order that has failed may have been resumed since.
        if last in _RESTS:
            return 0 if has_finished else 1
        if not events:
            await cockpit.post(
                "events",
                {"controllerId": cockpit.target.controller_id, "eventId": str(following - 1)},
            )


def _story(event: dict[str, Any], order_id: str) -> str:
    """`ProcessingStarted at 0, agent-1`; children of the order by their branch."""
    payload = event.get("payload", {})
    outcome = payload.get("outcome") or {}
    values = outcome.get("namedValues") or {}
    details = [
        f"at {event['position']}" if event.get("position") else "",
        str(payload.get("subagentId") or payload.get("agentPath") or ""),
        str(outcome.get("TYPE", "")),
        f"return code {values['returnCode']}" if "returnCode" in values else "",
        str(outcome.get("message", "")),
    ]
    child = str(event["orderId"]).removeprefix(order_id)
    return f"{child} {event['type'].removeprefix('Order')} {', '.join(filter(None, details))}".strip()


async def status(cockpit: Cockpit, as_json: bool) -> None:
    """Cockpits, Controller and Agents with their states, and orders by state."""
    controller_id = cockpit.target.controller_id
    agents = (await cockpit.post("agents", {"controllerId": controller_id})).get("agents", [])
    controller = await cockpit.post("controller", {"controllerId": controller_id})
    counts = await cockpit.get("stellwerk/counts?by=state")
    members = (await cockpit.post("jocs", {})).get("jocs", [])
    if as_json:
        print_json(
            {"cockpits": members, "controller": controller.get("controller"), "agents": agents, "counts": counts}
        )
        return
    item = controller.get("controller", {})
    rows: list[tuple[Any, ...]] = [
        ("cockpit", member.get("title"), member.get("clusterNodeState", {}).get("_text"), member.get("url"))
        for member in members
    ]
    rows += [("controller", controller_id, item.get("connectionState", {}).get("_text"), item.get("url"))]
    rows += [
        (
            "agent",
            agent.get("agentId"),
            agent.get("state", {}).get("_text"),
            agent.get("url"),
            agent.get("errorMessage"),
        )
        for agent in agents
    ]
    print_table(("COMPONENT", "ID", "STATE", "URL"), [row[:4] for row in rows])
    for row in rows:
        if len(row) > 4 and row[4]:
            print(f"{row[1]}: {row[4]}")
    totals = counts.get("counts", counts)
    if isinstance(totals, dict):
        print("orders: " + (", ".join(f"{k.lower()} {v}" for k, v in totals.items() if v) or "none"))


async def deploy(cockpit: Cockpit, paths: list[Path], folder: str, as_json: bool) -> None:
    """Check, store and deploy inventory files; nothing is stored when one of them has an error."""
    files = inventory_files(paths)
    findings = errors_of(files)
    if findings:
        for finding in findings:
            print(as_text(finding))
        raise CommandError(f"{len(findings)} problems; nothing was deployed", "stellwerk check tells more")
    names = await deploy_files(cockpit, files, folder)
    if as_json:
        print_json({"deployed": names})
    else:
        for name in names:
            print(f"deployed {name}")


async def deploy_files(cockpit: Cockpit, files: list[Path], folder: str) -> list[str]:
    """Store the files as objects of the folder and deploy them in one transaction."""
    objects: list[dict[str, str]] = []
    for file in files:
        path, kind = f"{folder.rstrip('/')}/{object_name(file)}", kind_of(file)
        configuration = parse_json(file.read_bytes())
        await cockpit.post("inventory/store", {"path": path, "objectType": kind, "configuration": configuration})
        objects.append({"path": path, "objectType": kind})
    await cockpit.post(
        "inventory/deployment/deploy",
        {
            "controllerIds": [cockpit.target.controller_id],
            "store": {"draftConfigurations": [{"configuration": item} for item in objects]},
        },
    )
    return [item["path"] for item in objects]
