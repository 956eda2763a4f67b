"""The service that indexes the words of finished tasks' logs, so that `log_search` need not read them all.

The projection only notes which tasks have ended with output (`history_log_pending`): indexing costs ingestion nothing
but that row. This service of the active Cockpit works through them behind it and gives as much time to others as it
takes. What is not indexed yet, or still runs, is read when somebody looks for something: no log is ever missed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from sqlalchemy import ARRAY, ColumnElement, Insert, Text, bindparam, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.cluster.rounds import Rounds
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.history import history_log_chunks, history_log_index, history_log_pending
from stellwerk.cockpit.history.words import Words
from stellwerk.cockpit.projection.logs import MAIN, raw_pieces

#: Between two looks for tasks that have ended. What is not indexed yet is found, too, so there is no hurry.
PERIOD_SECONDS = 5.0
#: Tasks of one transaction, and bytes after which it is closed.
_TASKS, _BYTES = 100, 1_000_000
#: What is read of one log; a longer one is read whenever something is looked for.
_LONGEST_LOG_BYTES = 32_000_000
_CHUNKS_AT_ONCE = 50

_logger = structlog.get_logger(__name__)


class LogIndexer:
    """An `ActiveService`."""

    def __init__(self, fence: Fence, *, period_seconds: float = PERIOD_SECONDS) -> None:
        self._fence = fence
        self._period = period_seconds
        self._insert = insert_words(fence.database)
        self._rounds = Rounds("log-index", self._look, retry_seconds=period_seconds)

    async def start(self, mode: StartMode) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def _look(self) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        return loop.time() - began if await self.index_some() else self._period

    async def index_some(self) -> int:
        """Index the next tasks in one transaction; gives their number."""
        database = self._fence.database
        async with database.read() as connection:
            pending = select(history_log_pending.c.hos_id).order_by(history_log_pending.c.hos_id).limit(_TASKS)
            ids = (await connection.execute(pending)).scalars().all()
            rows, size = [], 0
            for task_id in ids:
                words, length, is_whole = await _words_of(connection, task_id)
                rows.append({"hos_id": task_id, "is_whole": is_whole, "given": words})
                size += length
                if size > _BYTES:
                    break
        if not rows:
            return 0
        async with self._fence.write() as connection:
            done = [row["hos_id"] for row in rows]
            # A log that the cleanup has removed meanwhile is not pending any more.
            gone = delete(history_log_pending).where(history_log_pending.c.hos_id.in_(done))
            left = set((await connection.execute(gone.returning(history_log_pending.c.hos_id))).scalars())
            await connection.execute(delete(history_log_index).where(history_log_index.c.hos_id.in_(left)))
            indexed = [row for row in rows if row["hos_id"] in left]
            if indexed:
                await connection.execute(self._insert, indexed)
        return len(rows)


def insert_words(database: Database) -> Insert:
    """`INSERT` of rows `{hos_id, is_whole, given}`, `given` being the list of words."""
    given: ColumnElement[Any] = bindparam("given")
    words: ColumnElement[Any] = given if database.is_sqlite else func.array_to_tsvector(cast(given, ARRAY(Text)))
    return history_log_index.insert().values(hos_id=bindparam("hos_id"), is_whole=bindparam("is_whole"), words=words)


async def _words_of(connection: AsyncConnection, task_id: int) -> tuple[str | list[str], int, bool]:
    """Words of a task's output, its length in bytes, and whether these are all words."""
    words, channel, size, after = Words(), 0, 0, -1
    table = history_log_chunks.c
    while words.are_all and size <= _LONGEST_LOG_BYTES:
        query = (
            select(table.first_event_id, table.content)
            .where(table.hos_id == task_id, table.first_event_id > after)
            .order_by(table.first_event_id)
            .limit(_CHUNKS_AT_ONCE)
        )
        chunks = (await connection.execute(query)).all()
        if not chunks:
            break
        after = chunks[-1].first_event_id
        for chunk in chunks:
            size += len(chunk.content)
            for _, piece_channel, text in raw_pieces(chunk.content):
                if piece_channel == MAIN:
                    continue
                # A line of one channel ends where the other one begins.
                words.add(text if piece_channel == channel else "\n" + text)
                channel = piece_channel
            await asyncio.sleep(0)
    found = words.sorted()
    is_sqlite = connection.dialect.name == "sqlite"
    return " ".join(found) if is_sqlite else found, size, words.are_all and size <= _LONGEST_LOG_BYTES
