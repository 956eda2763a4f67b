"""`Approvals`: approval requests and the list of approvers (cockpit-services 10.4).

An approved request is executed at most once: it is claimed, in the database, before the call that it was made for
begins. States change by compare-and-set, so that of two decisions at once one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.approvals import rules
from stellwerk.cockpit.approvals.rules import ApprovalRequest
from stellwerk.cockpit.auth.lookup import check_name, next_ordering
from stellwerk.cockpit.database import Database, insert_row
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables.approvals import joc_approval_requests, joc_approvers
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock

TOPIC = "approvals"
#: Of one requestor; more would only be forgotten.
MAXIMUM_PENDING = 1000
MAXIMUM_BODY_CHARACTERS = 1_000_000

_table = joc_approval_requests.c


class Approver(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    first_name: str
    last_name: str
    email: str | None = None


class Counts(msgspec.Struct, frozen=True):
    """What concerns one account: requests that wait for it, and what has become of its own."""

    pending: int
    approved: int
    rejected: int


class Approvals:
    """All operations on requests and approvers."""

    def __init__(self, database: Database, settings: Settings, news: News, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._news = news
        self._clock = clock
        #: Called when something has changed, at any member.
        self.on_change: Callable[[], None] = lambda: None
        news.subscribe(TOPIC, self._heard)

    @property
    def requestor_role(self) -> str | None:
        """The role with which accounts need approval; None: the principle is off."""
        return self._settings.text("joc", "approval_requestor_role") or None

    # --- requests

    async def add(
        self, requestor: str, approver: str, title: str, reason: str | None, category: str, url: str, body: str
    ) -> int:
        """A new request; gives its id."""
        if not title.strip():
            raise BadRequest("title is empty: say what is to be approved")
        if len(body) > MAXIMUM_BODY_CHARACTERS:
            raise BadRequest(f"a request of more than {MAXIMUM_BODY_CHARACTERS} characters cannot be approved")
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            await self._forget_old(connection, now)
            _refuse(rules.approver_fault(requestor, approver, await _approver_names(connection)))
            waiting = select(func.count()).where(_table.requestor == requestor, _table.requestor_state == 0)
            if (await connection.execute(waiting)).scalar_one() >= MAXIMUM_PENDING:
                raise BadRequest(f"'{requestor}' has {MAXIMUM_PENDING} open requests; withdraw some first")
            row = {
                "requestor": requestor,
                "title": title,
                "comment": reason,
                "category": category,
                "request": url,
                "parameters": body,
                "requestor_state": 0,
                "requestor_state_date": now,
                "approver": approver,
                "approver_state": 0,
                "approver_state_date": now,
            }
            id_ = await insert_row(connection, joc_approval_requests, row)
        await self._changed()
        return id_

    async def requests(
        self,
        *,
        of: str | None = None,
        requestors: Sequence[str] = (),
        approvers: Sequence[str] = (),
        requestor_states: Sequence[str] = (),
        approver_states: Sequence[str] = (),
        limit: int = 10_000,
    ) -> list[ApprovalRequest]:
        """Newest first. `of`: only those that this account has made or is to decide about."""
        query = select(joc_approval_requests).order_by(_table.id.desc())
        if of is not None:
            query = query.where(or_(_table.requestor == of, _table.approver == of))
        if requestors:
            query = query.where(_table.requestor.in_(requestors))
        if approvers:
            query = query.where(_table.approver.in_(approvers))
        if requestor_states:
            query = query.where(_table.requestor_state.in_([rules.REQUESTOR_STATES.index(x) for x in requestor_states]))
        if approver_states:
            query = query.where(_table.approver_state.in_([rules.APPROVER_STATES.index(x) for x in approver_states]))
        if limit >= 0:
            query = query.limit(limit)
        async with self._database.read() as connection:
            return [_request(row) for row in await connection.execute(query)]

    async def decide(self, id_: int, account: str, decision: str) -> None:
        """Approve or reject (`decision`: the state)."""
        async with self._database.write() as connection:
            request = await _read(connection, id_)
            _refuse(rules.decision_fault(request, account, await _approver_names(connection), decision))
            values = {
                "approver_state": rules.APPROVER_STATES.index(decision),
                "approver_state_date": self._clock.now_ms(),
            }
            await self._set(connection, request, values)
        await self._changed()

    async def withdraw(self, id_: int, account: str) -> None:
        async with self._database.write() as connection:
            request = await _read(connection, id_)
            _refuse(rules.withdrawal_fault(request, account))
            await self._set(connection, request, self._requestor_state(rules.WITHDRAWN))
        await self._changed()

    async def edit(
        self,
        id_: int,
        account: str,
        *,
        title: str | None = None,
        approver: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Change what is given; see `rules.edit_fault` for who may do it."""
        given = {"title": title or None, "approver": approver or None, "comment": reason}
        values = {name: value for name, value in given.items() if value is not None}
        if not values:
            raise BadRequest("nothing is to be changed: give title, approver or reason")
        async with self._database.write() as connection:
            request = await _read(connection, id_)
            names = await _approver_names(connection)
            changes_text = "title" in values or "comment" in values
            _refuse(rules.edit_fault(request, account, names, approver=approver or None, changes_text=changes_text))
            await self._set(connection, request, values)
        await self._changed()

    async def claim(self, id_: int, account: str, url: str) -> str:
        """The body of an approved request, which counts as executed from now on; raises `BadRequest`."""
        async with self._database.write() as connection:
            request = await _read(connection, id_)
            fault = rules.execution_fault(request, account, url, await _approver_names(connection))
            if fault is not None:
                raise BadRequest(f"approval request {id_} cannot be executed: {fault}")
            await self._set(connection, request, self._requestor_state(rules.EXECUTED))
        await self._changed()
        return request.body

    async def give_back(self, id_: int) -> None:
        """The call was refused before it did anything: the approval may be used again."""
        executed, values = rules.REQUESTOR_STATES.index(rules.EXECUTED), self._requestor_state(rules.REQUESTED)
        async with self._database.write() as connection:
            same = (_table.id == id_) & (_table.requestor_state == executed)
            await connection.execute(update(joc_approval_requests).where(same).values(values))
        await self._changed()

    async def counts(self, account: str) -> Counts:
        """Of requests that are open."""
        is_open = _table.requestor_state == 0

        def count(*where: Any) -> Any:
            return select(func.count()).where(is_open, *where).scalar_subquery()

        mine = _table.requestor == account
        async with self._database.read() as connection:
            query = select(
                count(_table.approver == account, _table.approver_state == 0),
                count(mine, _table.approver_state == 1),
                count(mine, _table.approver_state == 2),
            )
            return Counts(*(await connection.execute(query)).one())

    # --- approvers

    async def approvers(self) -> list[Approver]:
        """In the order in which they are offered."""
        table = joc_approvers.c
        async with self._database.read() as connection:
            rows = await connection.execute(select(joc_approvers).order_by(table.ordering, table.id))
            return [
                Approver(account=row.account_name, first_name=row.first_name, last_name=row.last_name, email=row.email)
                for row in rows
            ]

    async def store_approver(self, approver: Approver) -> None:
        """Insert or update by account."""
        check_name(approver.account, "account")
        values = {"first_name": approver.first_name, "last_name": approver.last_name, "email": approver.email}
        statement = self._database.upsert(joc_approvers, ["account_name"], list(values))
        async with self._database.write() as connection:
            ordering = await next_ordering(connection, joc_approvers)
            await connection.execute(statement.values(account_name=approver.account, ordering=ordering, **values))
        await self._changed()

    async def delete_approver(self, account: str) -> None:
        """What this account has approved counts no more, unless it has been executed."""
        async with self._database.write() as connection:
            done = await connection.execute(delete(joc_approvers).where(joc_approvers.c.account_name == account))
        if not done.rowcount:
            raise ObjectNotFound(f"Couldn't find the approver '{account}'")
        await self._changed()

    async def reorder_approvers(self, accounts: Sequence[str]) -> None:
        """Those named come first, in this order."""
        table = joc_approvers.c
        async with self._database.write() as connection:
            rows = await connection.execute(select(table.account_name).order_by(table.ordering, table.id))
            present = list(rows.scalars())
            unknown = [account for account in accounts if account not in present]
            if unknown:
                raise ObjectNotFound(f"Couldn't find the approver '{unknown[0]}'")
            following = [*dict.fromkeys(accounts), *(one for one in present if one not in accounts)]
            for ordering, account in enumerate(following, start=1):
                await connection.execute(
                    update(joc_approvers).where(table.account_name == account).values(ordering=ordering)
                )

    # --- inside

    def _requestor_state(self, state: str) -> dict[str, int]:
        number = rules.REQUESTOR_STATES.index(state)
        return {"requestor_state": number, "requestor_state_date": self._clock.now_ms()}

    async def _set(self, connection: AsyncConnection, request: ApprovalRequest, values: dict[str, Any]) -> None:
        """Only if the request is still as it was read."""
        same = (
            (_table.id == request.id)
            & (_table.requestor_state == rules.REQUESTOR_STATES.index(request.requestor_state))
            & (_table.approver_state == rules.APPROVER_STATES.index(request.approver_state))
            & (_table.approver == request.approver)
        )
        done = await connection.execute(update(joc_approval_requests).where(same).values(values))
        if not done.rowcount:
            raise ApiError(f"approval request {request.id} was changed by somebody else; look at it again")

    async def _forget_old(self, connection: AsyncConnection, now: int) -> None:
        """Those whose last change is older than the setting `cleanup.approval_requests_age` (0: never)."""
        age_ms = int(self._settings.seconds("cleanup", "approval_requests_age") * 1000)
        if age_ms > 0:
            is_old = (_table.requestor_state_date < now - age_ms) & (_table.approver_state_date < now - age_ms)
            await connection.execute(delete(joc_approval_requests).where(is_old))

    async def _changed(self) -> None:
        self.on_change()
        await self._news.tell(TOPIC)

    async def _heard(self, value: Any) -> None:
        self.on_change()


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise BadRequest(fault)


async def _read(connection: AsyncConnection, id_: int) -> ApprovalRequest:
    row = (await connection.execute(select(joc_approval_requests).where(_table.id == id_))).first()
    if row is None:
        raise ObjectNotFound(f"Couldn't find the approval request with id {id_}")
    return _request(row)


async def _approver_names(connection: AsyncConnection) -> Collection[str]:
    return set((await connection.execute(select(joc_approvers.c.account_name))).scalars())


def _request(row: Any) -> ApprovalRequest:
    return ApprovalRequest(
        id=row.id,
        requestor=row.requestor,
        approver=row.approver,
        title=row.title,
        reason=row.comment,
        category=row.category,
        url=row.request,
        body=row.parameters,
        requestor_state=rules.REQUESTOR_STATES[row.requestor_state],
        requestor_state_date=row.requestor_state_date,
        approver_state=rules.APPROVER_STATES[row.approver_state],
        approver_state_date=row.approver_state_date,
    )
