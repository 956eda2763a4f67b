"""Notice boards of Controllers: what lies on them, by the projection; posting and deleting notices (cockpit-api 2.3).

Notices have an id of one text here: the key on global boards, `<plan schema>/<plan key>[/<key>]` on boards of plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.errors import COMMAND_REFUSED, BulkError, ControllerObjectNotFound
from stellwerk.cockpit.controllers.connections import ControllerConnections
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.live import live_items, live_notices, live_orders
from stellwerk.cockpit.inventory.names import name_of
from stellwerk.cockpit.projection.model import WAITING, LiveOrder, decode_live_order
from stellwerk.cockpit.projection.notices import place_of
from stellwerk.engine.events.board import notice_id, split_notice_id
from stellwerk.engine.events.order_parts import NoticeId
from stellwerk.engine.notices import EMPTY, Place
from stellwerk.values.json import decode
from stellwerk.values.problems import Problem, ProblemError

DAILY_PLAN = "DailyPlan"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class KnownPlace(msgspec.Struct, frozen=True):
    """A place on a board with a notice, an announcement, or orders that expect a notice."""

    id: NoticeId
    place: Place
    expecting: list[LiveOrder]

    @property
    def plan_id(self) -> tuple[str, ...]:
        return split_notice_id(self.id)[0]

    @property
    def key(self) -> str:
        return split_notice_id(self.id)[2]

    @property
    def text(self) -> str:
        """The id as people know it."""
        return "/".join(part for part in (*self.plan_id, self.key) if part)


class NoticeBoards:
    """Boards of registered Controllers."""

    def __init__(self, database: Database, connections: ControllerConnections) -> None:
        self._database = database
        self._connections = connections

    async def boards(self, controller_id: str) -> dict[str, dict[str, Any]]:
        """The boards that the Controller has: name → item."""
        table = live_items
        query = select(table.c.path, table.c.content).where(
            table.c.controller_id == controller_id, table.c.type == "Board"
        )
        async with self._database.read() as connection:
            return {row.path: decode(row.content) for row in await connection.execute(query)}

    async def places(self, controller_id: str, boards: Iterable[str]) -> dict[str, list[KnownPlace]]:
        """Board name → places with something at them, in the order of their ids."""
        wanted = set(boards)
        notices, orders = live_notices, live_orders
        places: dict[NoticeId, Place] = {}
        expecting: dict[NoticeId, list[LiveOrder]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(select(notices).where(notices.c.controller_id == controller_id)):
                if row.board in wanted:
                    places[tuple(decode(row.notice_id))] = place_of(row)
            waiting = select(orders.c.data).where(
                orders.c.controller_id == controller_id,
                orders.c.state == WAITING.code,
                orders.c.reason == "EXPECTING_NOTICES",
            )
            for row in await connection.execute(waiting.order_by(orders.c.order_id)):
                order = decode_live_order(row.data)
                for id_ in map(tuple, order.expected):
                    if split_notice_id(id_)[1] in wanted:
                        expecting.setdefault(id_, []).append(order)
        found: dict[str, list[KnownPlace]] = {board: [] for board in wanted}
        for id_ in sorted(places.keys() | expecting.keys()):
            known = KnownPlace(id_, places.get(id_, EMPTY), expecting.get(id_, []))
            found[split_notice_id(id_)[1]].append(known)
        return found

    async def post(self, controller_id: str, notices: Sequence[tuple[str, str]], *, end_of_life_ms: int | None) -> None:
        """Post notices, each a board's path or name and an id. Raises `ControllerObjectNotFound`, `BulkError`."""
        members: dict[str, Any] = {} if end_of_life_ms is None else {"endOfLife": end_of_life_ms}
        await self._command(controller_id, "PostNotice", notices, members)

    async def delete(self, controller_id: str, notices: Sequence[tuple[str, str]]) -> None:
        """Delete notices, as `post`."""
        await self._command(controller_id, "DeleteNotice", notices, {})

    async def _command(
        self, controller_id: str, type_: str, notices: Sequence[tuple[str, str]], members: Mapping[str, Any]
    ) -> None:
        client = await self._connections.client(controller_id)
        boards = await self.boards(controller_id)
        commands = [
            {"TYPE": type_, "noticeId": list(_id_of(boards, name_of(path), text)), **members} for path, text in notices
        ]
        results = await client.batch(commands, repeatable=type_ == "PostNotice")
        failures = [
            (f"{path}: {text}", result)
            for (path, text), result in zip(notices, results, strict=True)
            if isinstance(result, Problem)
        ]
        if len(failures) == len(notices) == 1:
            [(_, problem)] = failures
            if problem.code == "UnknownKey":
                raise ControllerObjectNotFound(problem.message)
            raise ProblemError(problem)
        if failures:
            raise BulkError([(name, COMMAND_REFUSED, str(problem)) for name, problem in failures])


def _id_of(boards: Mapping[str, Mapping[str, Any]], board: str, text: str) -> NoticeId:
    """A text without `/` is a key in the global plan; of a board of plans a date is that day of the daily plan."""
    parts = text.split("/", 2)
    if len(parts) > 1:
        return notice_id((parts[0], parts[1]), board, parts[2] if len(parts) == 3 else "")
    if _DATE.fullmatch(text) and boards.get(board, {}).get("TYPE") == "PlannableBoard":
        return notice_id((DAILY_PLAN, text), board, "")
    return notice_id((), board, text)
