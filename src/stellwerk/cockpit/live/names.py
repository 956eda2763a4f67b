"""Names for live rows: full paths of workflows and what stands at a position, both cached.

The Controller knows workflows by name; people see the inventory path. Versions are read from the live items when first
needed, so that a row never waits for a Controller.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import select

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.database.tables.live import live_items
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.model import LiveOrder
from stellwerk.cockpit.projection.workflow_index import Step, WorkflowIndex

MAXIMUM_INDEXES = 500


class WorkflowNames:
    """A `Service`; `refresh` after items have changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._paths: dict[str, str] = {}
        self._indexes: OrderedDict[tuple[str, str], WorkflowIndex] = OrderedDict()

    async def start(self) -> None:
        await self.refresh()

    async def stop(self) -> None:
        """Nothing to stop."""

    async def refresh(self) -> None:
        """Read all names again: inventory objects may have been moved."""
        table = inv_configurations
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(table.c.name, table.c.path).where(table.c.type == int(ObjectType.WORKFLOW))
            )
            self._paths = {row.name: row.path for row in rows}

    def path(self, name: str) -> str:
        """The inventory path of a workflow; `/name` if the inventory does not have it."""
        return self._paths.get(name) or f"/{name}"

    def names_like(self, matches: Iterable[str]) -> list[str]:
        """Names of the paths given (a bare name stands for itself)."""
        return [path.rsplit("/", 1)[-1] for path in matches]

    def all_paths(self) -> dict[str, str]:
        """Name → path."""
        return dict(self._paths)

    async def prepare(self, orders: Iterable[LiveOrder]) -> None:
        """Load the versions that `step` will be asked for."""
        wanted = {(order.workflow_path, order.workflow_version_id) for order in orders} - self._indexes.keys()
        if not wanted:
            return
        async with self._database.read() as connection:
            for name, version in wanted:
                content = (
                    await connection.execute(
                        select(live_items.c.content).where(
                            live_items.c.type == "Workflow",
                            live_items.c.path == name,
                            live_items.c.version_id == version,
                        )
                    )
                ).scalar()
                self._indexes[name, version] = WorkflowIndex(content or "{}")
        while len(self._indexes) > MAXIMUM_INDEXES:
            self._indexes.popitem(last=False)

    def step(self, order: LiveOrder) -> Step | None:
        """What stands where the order is; None if it is not known."""
        index = self._indexes.get((order.workflow_path, order.workflow_version_id))
        return index.step(order.position) if index is not None else None
