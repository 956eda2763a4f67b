"""`Notes`: one thread of posts per inventory object (cockpit-services 10.10).

Who takes part in it, or is named in a post with `@`, is told of new posts until they look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import iam_accounts
from stellwerk.cockpit.database.tables.inventory import inv_configurations, inv_note_posts, inv_note_readers
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.effects.clock import Clock

SEVERITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW", "INFO")
DEFAULT_SEVERITY = "NORMAL"
MAXIMUM_CHARACTERS = 50_000
MAXIMUM_POSTS = 10_000
_MENTION = re.compile(r"(?<![\w.@-])@(\w(?:[\w.@-]*[\w-])?)")
_posts, _readers = inv_note_posts.c, inv_note_readers.c


class Post(msgspec.Struct, frozen=True):
    id: int
    account: str
    content: str
    severity: str
    posted: int


class Thread(msgspec.Struct, frozen=True):
    """The posts about one object, oldest first, and the size in which an account wants to see them."""

    posts: tuple[Post, ...] = ()
    width: int | None = None
    height: int | None = None


class Unread(msgspec.Struct, frozen=True):
    """A thread with posts that an account has not seen."""

    object_id: int
    type: ObjectType
    path: str
    name: str
    severity: str


class Mark(msgspec.Struct, frozen=True):
    """That there is a note: the severity of its newest post, and whether the account has been told of posts."""

    severity: str
    is_unread: bool


def mentioned(content: str) -> frozenset[str]:
    """The names after `@`, as they stand there."""
    return frozenset(_MENTION.findall(content))


class Notes:
    """The threads in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self, object_id: int, account: str) -> Thread:
        """The thread of an object as an account sees it; the account has seen it then."""
        async with self._database.read() as connection:
            query = select(_posts.id, _posts.account, _posts.content, _posts.severity, _posts.posted)
            rows = await connection.execute(query.where(_posts.cid == object_id).order_by(_posts.id))
            posts = tuple(Post(*row) for row in rows)
            reader = (
                await connection.execute(
                    select(inv_note_readers).where(_readers.cid == object_id, _readers.account == account)
                )
            ).first()
        if reader is not None and reader.is_unread:
            await self._mark(object_id, {account}, is_unread=False)
        return Thread(posts, reader.width, reader.height) if reader is not None else Thread(posts)

    async def add(self, object_id: int, account: str, content: str, severity: str | None) -> None:
        """Add a post and tell the others. Raises `BadRequest`."""
        if not content.strip():
            raise BadRequest("content: a post needs some text")
        if len(content) > MAXIMUM_CHARACTERS:
            raise BadRequest(f"content: a post has at most {MAXIMUM_CHARACTERS} characters")
        if severity is not None and severity not in SEVERITIES:
            raise BadRequest(f"severity '{severity}' is unknown; known: {', '.join(SEVERITIES)}")
        async with self._database.write() as connection:
            number = await connection.execute(select(func.count()).where(_posts.cid == object_id))
            if number.scalar_one() >= MAXIMUM_POSTS:
                raise BadRequest(f"a note has at most {MAXIMUM_POSTS} posts: delete it before it goes on")
            row = {
                "cid": object_id,
                "account": account,
                "content": content,
                "severity": severity or DEFAULT_SEVERITY,
                "posted": self._clock.now_ms(),
            }
            await connection.execute(insert(inv_note_posts), [row])
            participants = select(_posts.account).where(_posts.cid == object_id).distinct()
            others = set((await connection.execute(participants)).scalars())
            names = mentioned(content)
            known = select(iam_accounts.c.account_name).where(iam_accounts.c.account_name.in_(sorted(names)))
            others |= set((await connection.execute(known)).scalars()) if names else set()
        await self._mark(object_id, others - {account}, is_unread=True)

    async def remove(self, object_id: int) -> bool:
        """Delete a thread; False: there is none."""
        async with self._database.write() as connection:
            await connection.execute(delete(inv_note_readers).where(_readers.cid == object_id))
            done = await connection.execute(delete(inv_note_posts).where(_posts.cid == object_id))
            return done.rowcount > 0

    async def resize(self, object_id: int, account: str, width: int, height: int) -> None:
        """Remember the size in which an account wants to see a thread."""
        row = {"cid": object_id, "account": account, "is_unread": False, "width": width, "height": height}
        statement = self._database.upsert(inv_note_readers, ["cid", "account"], ["width", "height"])
        async with self._database.write() as connection:
            await connection.execute(statement, [row])

    async def unread(self, account: str) -> list[Unread]:
        """The threads with posts that an account has not seen, by path."""
        table = inv_configurations.c
        query = (
            select(_readers.cid, table.type, table.path, table.name)
            .where(_readers.account == account, _readers.is_unread, table.id == _readers.cid)
            .order_by(table.path)
        )
        async with self._database.read() as connection:
            rows = list(await connection.execute(query))
            severities = await self._severities(connection, [row.cid for row in rows])
        return [
            Unread(row.cid, ObjectType(row.type), row.path, row.name, severities.get(row.cid, DEFAULT_SEVERITY))
            for row in rows
        ]

    async def marks(self, type_: ObjectType, account: str) -> dict[str, Mark]:
        """The objects of a type that have a note, by name."""
        table = inv_configurations.c
        query = select(table.id, table.name).where(
            table.type == int(type_), table.id.in_(select(_posts.cid).distinct())
        )
        waiting = select(_readers.cid).where(_readers.account == account, _readers.is_unread)
        async with self._database.read() as connection:
            names = {row.id: row.name for row in await connection.execute(query)}
            if not names:
                return {}
            unread = set((await connection.execute(waiting)).scalars())
            severities = await self._severities(connection, list(names))
        return {name: Mark(severities.get(id_, DEFAULT_SEVERITY), id_ in unread) for id_, name in names.items()}

    async def _severities(self, connection: Any, ids: list[int]) -> dict[int, str]:
        """Of the newest post of each thread."""
        newest = select(func.max(_posts.id)).where(_posts.cid.in_(ids)).group_by(_posts.cid)
        rows = await connection.execute(select(_posts.cid, _posts.severity).where(_posts.id.in_(newest)))
        return {row.cid: row.severity for row in rows}

    async def _mark(self, object_id: int, accounts: Iterable[str], *, is_unread: bool) -> None:
        rows = [{"cid": object_id, "account": account, "is_unread": is_unread} for account in sorted(accounts)]
        if rows:
            statement = self._database.upsert(inv_note_readers, ["cid", "account"], ["is_unread"])
            async with self._database.write() as connection:
                await connection.execute(statement, rows)
