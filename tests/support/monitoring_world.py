"""A Cockpit to which a Controller's events are told, and what it makes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import func, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.monitoring import mon_observations, mon_outbox
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.monitoring.service import MonitorService
from stellwerk.cockpit.projection.writer import ProjectionWriter

ENGINE_WORKFLOW = {
    "TYPE": "Workflow",
    "path": "nightly",
    "versionId": "v1",
    "instructions": [
        {"TYPE": "Execute.Named", "jobName": "load", "label": "load"},
        {"TYPE": "Execute.Named", "jobName": "check", "label": "check"},
    ],
    "jobs": {name: {"agentPath": "A", "executable": {}} for name in ("load", "check")},
}
SECOND = 1_000_000
#: Longest wait for what must come; a busy machine needs it.
LIMIT_SECONDS = 60.0


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` gives, as soon as that is something."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


class MonitoringWorld:
    """`await world.tell(...)` events; each is a second after the one before unless `after` says otherwise."""

    def __init__(self, cockpit: Cockpit, client: Any, controller_id: str = "controller") -> None:
        self.cockpit = cockpit
        self.controller_id = controller_id
        self.client = client
        self.monitor = cockpit.services.get(MonitorService)
        self.writer = ProjectionWriter(cockpit.database, controller_id, None, self.monitor)
        self.event_id = (cockpit.clock.now_ms() - 3_600_000) * 1000
        #: Notifications of the system belong to who comes after.
        self.last_system = 0

    @classmethod
    def of_database(cls, database: Database, monitor: MonitorService) -> MonitoringWorld:
        """Without a Cockpit: only `make` and `writer`."""
        world = cls.__new__(cls)
        world.controller_id, world.monitor = "controller", monitor
        world.writer = ProjectionWriter(database, "controller", None, monitor)
        world.event_id = 1_700_000_000_000_000
        return world

    def make(self, *events: dict[str, Any]) -> list[bytes]:
        """Lines of a Controller's stream."""
        lines = []
        for event in events:
            self.event_id += int(float(event.pop("after", 1)) * SECOND)
            lines.append(json.dumps({"eventId": self.event_id, **event}).encode())
        return lines

    async def tell(self, *events: dict[str, Any]) -> None:
        await self.writer.project(self.make(*events))

    async def workflow(self, **job: Any) -> None:
        """Deploy workflow `nightly`; `job`: members of its job `load` in inventory spelling."""
        inventory = {"jobs": {"load": {"executable": {"TYPE": "ShellScriptExecutable", "script": ""}, **job}}}
        row = {
            "account": "root",
            "path": "/etl/nightly",
            "folder": "/etl",
            "name": "nightly",
            "type": int(ObjectType.WORKFLOW),
            "controller_id": self.controller_id,
            "inv_content": json.dumps(inventory),
            "commit_id": "v1",
            "operation": 0,
            "state": 0,
            "deployment_date": self.cockpit.clock.now_ms(),
        }
        async with self.cockpit.database.write() as connection:
            await connection.execute(dep_history.insert(), [row])
        await self.tell({"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(ENGINE_WORKFLOW)}})

    async def release(self, xml: str) -> None:
        await self.client.post("notification/release", {"configuration": xml})

    async def settle(self) -> None:
        """All that was told has been looked at."""
        mine = mon_observations.c.controller_id == self.controller_id

        async def is_empty() -> bool:
            return await self.count(mon_observations, mine) == 0

        await until(is_empty)

    async def count(self, table: Any, *where: Any) -> int:
        async with self.cockpit.database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(table).where(*where))).scalar_one())

    async def notifications(self, **request: Any) -> list[dict[str, Any]]:
        """The oldest first."""
        await self.settle()
        answer = await self.client.post("monitoring/notifications", {"controllerId": self.controller_id, **request})
        return list(reversed(answer["notifications"]))

    async def kinds(self) -> list[tuple[str, str]]:
        """Type and job, or `-` for an order; the oldest first."""
        return [(item["type"], item.get("job", {}).get("job", "-")) for item in await self.notifications()]

    async def system(self, **request: Any) -> list[dict[str, Any]]:
        await self.settle()
        answer = await self.client.post("monitoring/sysnotifications", request)
        return [item for item in reversed(answer["notifications"]) if item["notificationId"] > self.last_system]

    async def alerts(self, q: str = "") -> list[dict[str, Any]]:
        await self.settle()
        return list((await self.alerts_page(q))["rows"])

    async def alerts_page(self, q: str = "") -> dict[str, Any]:
        page: dict[str, Any] = await self.client.get("stellwerk/alerts", q=q, controllerId=self.controller_id)
        return page

    async def outbox(self) -> list[Any]:
        async with self.cockpit.database.read() as connection:
            return list(await connection.execute(select(mon_outbox).order_by(mon_outbox.c.id)))

    async def until_outbox(self, is_so: Callable[[list[Any]], bool]) -> list[Any]:
        """The messages, as soon as they are so."""

        async def look() -> list[Any] | None:
            rows = await self.outbox()
            return rows if is_so(rows) else None

        found: list[Any] = await until(look)
        return found


# --- events


def order(kind: str, key: str = "A", **members: Any) -> dict[str, Any]:
    return {"Key": key, "TYPE": kind, **members}


def begins(key: str = "A") -> list[dict[str, Any]]:
    added = order("OrderAdded", key, workflowId={"path": "nightly", "versionId": "v1"}, planId=[])
    return [added, order("OrderStarted", key), starts(key)]


def starts(key: str = "A") -> dict[str, Any]:
    return order("OrderProcessingStarted", key, subagentId="A-1")


def processed(return_code: int, key: str = "A", *, seconds: float = 1, message: str = "disk full") -> dict[str, Any]:
    outcome: dict[str, Any] = {"TYPE": "Succeeded", "namedValues": {"returnCode": return_code}}
    if return_code == 1:
        outcome |= {"TYPE": "Failed", "message": message}
    return order("OrderProcessed", key, outcome=outcome, after=seconds)


def fails(key: str = "A", message: str = "disk full") -> list[dict[str, Any]]:
    outcome = {"TYPE": "Failed", "message": message, "namedValues": {"returnCode": 1}}
    return [processed(1, key, message=message), order("OrderFailed", key, outcome=outcome, movedTo=[0])]


def ends(key: str = "A") -> list[dict[str, Any]]:
    return [order("OrderMoved", key, to=[1]), order("OrderFinished", key), order("OrderDeleted", key)]
