"""`SharedLive`: what the active member has projected is told to the live hubs of all members.

Only the active member follows Controllers, so there is one projection and one cursor. It tells *which* orders, tasks
and Agents a transaction has touched (`database.news`); a passive member that has readers loads those rows, which are
committed, and hands its hub the same `Projected` that the active member's hub got. So everything behind the hub is one
code path. What may have been missed, and what is too much to tell, is "fetch everything again".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.database import MAXIMUM_BOUND_VALUES
from stellwerk.cockpit.database.news import MAXIMUM_BYTES, News
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.live.hub import EventSnapshot, LiveHub
from stellwerk.cockpit.projection.changes import Changes
from stellwerk.cockpit.projection.follower import LinkState
from stellwerk.cockpit.projection.model import LiveOrder, decode_live_order
from stellwerk.cockpit.projection.writer import Projected

TOPIC = "live"

Links = Callable[[], Mapping[str, LinkState]]


class _Gone(msgspec.Struct, array_like=True, frozen=True):
    """An order that the Controller no longer has."""

    order_id: str
    workflow_path: str
    workflow_version_id: str
    main_history_id: int
    state: str
    started: int | None
    ended: int | None


class _Touched(msgspec.Struct, tag="touched", omit_defaults=True, frozen=True):
    """One transaction of the projection."""

    controller_id: str
    event_id: int
    count: int
    orders: list[str] = []
    gone: list[_Gone] = []
    logs: list[int] = []
    tasks: list[tuple[str, int]] = []
    agents: list[str] = []
    workflows: list[str] = []
    agents_touched: bool = False
    items_touched: bool = False
    controller_state: str | None = None


class _Everything(msgspec.Struct, tag="everything", frozen=True):
    """A snapshot has been loaded, or too much has changed to be told one by one."""

    controller_id: str


class _Link(msgspec.Struct, tag="link", frozen=True):
    """The active member's link to a Controller."""

    controller_id: str
    link: LinkState


class _Ask(msgspec.Struct, tag="ask", frozen=True):
    """A member knows nothing yet and wants to know the links."""


_Item = _Touched | _Everything | _Link | _Ask


class SharedLive:
    """The follower's `Listener` on the active member, and what hears it on the others. A `Service`."""

    def __init__(self, database: Database, hub: LiveHub, news: News, own_links: Links) -> None:
        """`own_links`: of this process; empty while it is passive."""
        self._database = database
        self._hub = hub
        self._news = news
        self._own_links = own_links
        self._heard_links: dict[str, LinkState] = {}
        news.subscribe(TOPIC, self._heard, self._missed)

    async def start(self) -> None:
        await self._tell(_Ask())

    async def stop(self) -> None:
        """Nothing to stop."""

    def links(self) -> Mapping[str, LinkState]:
        """How the active member stands to each Controller."""
        return self._own_links() or self._heard_links

    # --- on the active member

    async def projected(self, controller_id: str, projected: Projected) -> None:
        await self._hub.projected(controller_id, projected)
        await self._tell(_summary(controller_id, projected))

    async def refetch(self, controller_id: str) -> None:
        await self._hub.refetch(controller_id)
        await self._tell(_Everything(controller_id))

    async def link_changed(self, controller_id: str, link: LinkState) -> None:
        self._hub.link_changed(controller_id, link)
        await self._tell(_Link(controller_id, link))

    async def _tell(self, item: _Item) -> None:
        if self._database.is_sqlite:
            return
        if len(msgspec.json.encode(item)) > MAXIMUM_BYTES and isinstance(item, _Touched):
            item = _Everything(item.controller_id)
        await self._news.tell(TOPIC, item)

    # --- on the others

    async def _heard(self, value: Any) -> None:
        item: _Item = msgspec.convert(value, _Item)
        match item:
            case _Touched():
                await self._hub.projected(item.controller_id, await self._projected(item))
            case _Everything():
                await self._hub.refetch(item.controller_id)
            case _Link():
                self._heard_links[item.controller_id] = item.link
                self._hub.link_changed(item.controller_id, item.link)
            case _Ask():
                for controller_id, link in self._own_links().items():
                    await self._tell(_Link(controller_id, link))

    async def _missed(self) -> None:
        self._heard_links.clear()
        await self._hub.refetch("")
        await self._tell(_Ask())

    def active_changed(self, member_id: str | None, term: int) -> None:
        """Another member is active: the last news of the former one may never have been told."""
        self._heard_links.clear()
        self._hub.emit("", EventSnapshot("JOCStateChanged", "JOCCLUSTER"))
        self._hub.tear()

    async def _projected(self, item: _Touched) -> Projected:
        changes = Changes(
            removed=[_removed(gone) for gone in item.gone],
            logs=dict.fromkeys(item.logs, 0),
            tasks_touched=item.tasks,
            agents=[(item.controller_id, "A", agent) for agent in item.agents],
            items=[(item.controller_id, "Workflow", path) for path in item.workflows],
            agents_touched=item.agents_touched,
            items_touched=item.items_touched,
            controller_state=item.controller_state,
        )
        if self._hub.has_readers:
            changes.touched = await self._orders(item.controller_id, item.orders)
        return Projected(changes, item.event_id, item.count)

    async def _orders(self, controller_id: str, order_ids: list[str]) -> list[LiveOrder]:
        found: list[LiveOrder] = []
        async with self._database.read() as connection:
            for start in range(0, len(order_ids), MAXIMUM_BOUND_VALUES):
                rows = await connection.execute(
                    select(live_orders.c.data).where(
                        live_orders.c.controller_id == controller_id,
                        live_orders.c.order_id.in_(order_ids[start : start + MAXIMUM_BOUND_VALUES]),
                    )
                )
                found += [decode_live_order(row.data) for row in rows]
        return found


def _summary(controller_id: str, projected: Projected) -> _Touched:
    changes = projected.changes
    return _Touched(
        controller_id=controller_id,
        event_id=projected.event_id,
        count=projected.count,
        orders=[order.order_id for order in changes.touched],
        gone=[
            _Gone(
                order.order_id,
                order.workflow_path,
                order.workflow_version_id,
                order.main_history_id,
                order.state,
                order.started,
                order.ended,
            )
            for order in changes.removed
        ],
        logs=list(changes.logs),
        tasks=changes.tasks_touched,
        agents=[str(row[2]) for row in changes.agents],
        workflows=[str(row[2]) for row in changes.items if row[1] == "Workflow"],
        agents_touched=changes.agents_touched,
        items_touched=changes.items_touched,
        controller_state=changes.controller_state,
    )


def _removed(gone: _Gone) -> LiveOrder:
    return LiveOrder(
        order_id=gone.order_id,
        history_id=gone.main_history_id,
        main_history_id=gone.main_history_id,
        workflow_path=gone.workflow_path,
        workflow_version_id=gone.workflow_version_id,
        position=[],
        state=gone.state,
        since=0,
        added=0,
        started=gone.started,
        ended=gone.ended,
    )
