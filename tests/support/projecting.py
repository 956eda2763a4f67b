"""Rows of the Cockpit's projection, as if a Controller had told of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.projection.model import LiveOrder, encode_live_order


async def project_order(
    cockpit: Cockpit, workflow: str, order_id: str, *, state: str, controller_id: str = "controller", **members: Any
) -> None:
    """A live order of a workflow."""
    order = LiveOrder(order_id, 1, 1, workflow, "v", [0], state, 0, 0, **members)
    row = {
        "controller_id": controller_id,
        "order_id": order_id,
        "history_id": 1,
        "workflow_path": workflow,
        "workflow_version_id": "v",
        "workflow_position": "0",
        "state": 0,
        "since": 0,
        "revision": 0,
        "scheduled_for": order.scheduled_for,
        "data": encode_live_order(order),
    }
    async with cockpit.database.write() as connection:
        await connection.execute(insert(live_orders), [row])
