"""Sessions in the database: idle time-out, bound, end everywhere, and cheap reads (cockpit-api 1.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, update
from tests.cockpit.cluster.conftest import eventually

from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import CACHE_SECONDS, Identity, Sessions
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables.identity import joc_sessions
from stellwerk.effects.clock import SystemRandom

ALL = Permissions([PermissionRow("sos:products"), PermissionRow("ctl:orders:cancel", "prod", excluded=True)])
IDLE = 100.0


class Members:
    """Several processes on one database; their time passes together, also in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = 0.0

    def member(self, maximum: int = 3) -> Sessions:
        return Sessions(
            self.database,
            News(self.database),
            SystemRandom(),
            idle_seconds=IDLE,
            maximum=maximum,
            time=lambda: self.now,
        )

    async def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
        async with self.database.write() as connection:
            await connection.execute(
                update(joc_sessions).values(last_used=joc_sessions.c.last_used - int(seconds * 1000))
            )


@pytest.fixture
def members(database: Database) -> Members:
    return Members(database)


def identity(account: str, **changes: Any) -> Identity:
    values: dict[str, Any] = {"identity_service": "JOC", "roles": ("all",), "permissions": ALL} | changes
    return Identity(account=account, **values)


async def opened(sessions: Sessions, account: str = "root") -> str:
    token, _ = await sessions.open(identity(account), "here")
    return token


async def test_a_session_ends_when_idle_and_polling_does_not_renew_it(members: Members) -> None:
    register = members.member()
    token = await opened(register)
    assert len(token) >= 43
    await members.pass_seconds(90)
    assert await register.get(token, renew=False) is not None
    await members.pass_seconds(11)
    assert await register.get(token) is None
    token = await opened(register)
    for _ in range(5):
        await members.pass_seconds(90)
        assert await register.get(token) is not None


async def test_a_session_is_valid_at_every_member_with_all_that_it_may_do(members: Members) -> None:
    token = await opened(members.member(), "anna")
    session = await members.member().get(token)
    assert session is not None
    assert (session.account, session.address, session.roles) == ("anna", "here", ("all",))
    assert session.permissions.allows("ctl:orders:cancel", "test")
    assert not session.permissions.allows("ctl:orders:cancel", "prod")


async def test_use_at_one_member_keeps_the_session_alive_at_the_others(members: Members) -> None:
    first, second = members.member(), members.member()
    token = await opened(first)
    kept = await first.get(token)
    assert kept is not None
    for _ in range(4):
        await members.pass_seconds(40)
        assert await second.get(token) is not None
    assert await first.is_live(kept)
    await members.pass_seconds(101)
    assert not await first.is_live(kept)
    assert kept.revoked.is_set()


async def test_the_session_idle_longest_gives_way_and_its_streams_hear_of_it(members: Members) -> None:
    register = members.member()
    tokens = []
    for _ in range(3):
        tokens.append(await opened(register))
        await members.pass_seconds(10)
    eldest = await register.get(tokens[1], renew=False)
    await register.get(tokens[0])
    await opened(register)
    assert await register.get(tokens[1]) is None
    assert eldest is not None and eldest.revoked.is_set()
    assert await register.get(tokens[0]) is not None


async def test_a_logout_and_a_changed_password_end_sessions_everywhere(members: Members) -> None:
    first, second = members.member(), members.member()
    mine, other, left = await opened(first, "a"), await opened(first, "b"), await opened(first, "c")
    for token in (mine, other, left):
        assert await second.get(token) is not None
    assert await first.close_account("a") == 1
    assert await first.close(left) is not None
    members.now += CACHE_SECONDS  # without news, as on SQLite, others notice when they look next
    assert await second.get(mine) is None
    assert await second.get(left) is None
    assert await second.get(other) is not None
    assert await first.close("unknown") is None


@pytest.fixture
async def statements(database: Database) -> AsyncIterator[list[str]]:
    executed: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        executed.append(statement)

    engines = {id(engine): engine for engine in (database._reader, database._writer)}.values()
    for engine in engines:
        event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield executed
    for engine in engines:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_busy_session_costs_few_reads_and_fewer_writes(members: Members, statements: list[str]) -> None:
    register = members.member()
    token = await opened(register)
    statements.clear()
    for _ in range(100):
        members.now += 0.1
        assert await register.get(token) is not None
    reads = [text for text in statements if text.startswith("SELECT")]
    writes = [text for text in statements if text.startswith("UPDATE")]
    assert len(reads) <= 10 / CACHE_SECONDS + 1
    assert len(writes) <= 10 / (IDLE / 20) + 1


async def test_the_session_of_commands_on_this_machine_belongs_to_its_process(members: Members) -> None:
    register = members.member()
    token = register.open_local(identity("root"))
    members.now += 10 * IDLE
    session = await register.get(token)
    assert session is not None and await register.is_live(session)
    assert len(register) == 0
    assert await members.member().get(token) is None
    register.leave()
    assert session.revoked.is_set()
    assert await register.get(token) is None


@pytest.mark.postgresql
async def test_what_a_session_may_do_changes_at_all_members_by_news(postgresql_url: str) -> None:
    """No time passes, so that nothing is looked up again but for the news."""
    database = await Database.open(postgresql_url)
    news = [News(database), News(database)]
    first, second = (
        Sessions(database, one, SystemRandom(), idle_seconds=IDLE, maximum=3, time=lambda: 0.0) for one in news
    )
    for one in news:
        await one.start()
    try:
        token = await opened(first, "anna")
        there, here = await second.get(token), await first.get(token)
        assert there is not None and here is not None and here is not there
        less = Permissions([PermissionRow("sos:products:controller:view")], [FolderRow("/a")])
        await first.change(here.token_hash, identity("anna", permissions=less, roles=("viewer",)))
        assert here.roles == ("viewer",)
        await eventually(lambda: there.roles == ("viewer",))
        assert not there.permissions.allows("joc:inventory:view")
        assert there.permissions.permits_folder("/a/x") and not there.permissions.permits_folder("/b/x")
        await first.end(here.token_hash)
        async with asyncio.timeout(60):
            await there.revoked.wait()
    finally:
        for one in news:
            await one.stop()
        await database.close()
