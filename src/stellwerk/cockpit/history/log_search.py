"""Looks for a text in the logs of tasks, newest first (ui.md S7, S9).

The index says which logs have all its words; those are read, and what is told are lines that have the text. Logs that
are not indexed - of tasks that run or have just ended, or with too many words - are read, too. One search looks for so
long as it may; then it says where to go on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, literal_column, or_, select, text, union
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.history import (
    history_log_chunks,
    history_log_index,
    history_log_pending,
    history_order_steps,
    is_severity,
)
from stellwerk.cockpit.history.selection import Selection
from stellwerk.cockpit.history.words import finder, fts5_query, plain, tsquery, wanted_words
from stellwerk.cockpit.projection.logs import CHANNELS, MAIN, LogLine, lines

#: Lines that are shown of one log.
SHOWN_LINES = 5
#: Characters that are shown of a line, around what has been found.
_SHOWN_CHARACTERS = 300
#: Logs that are considered at once.
_WINDOW = 500
_CHUNKS_AT_ONCE = 50
_LONGEST_LINE_BYTES = 4_000_000
_NEWEST = 2**62


class LogHit(msgspec.Struct, frozen=True):
    """A task's row, and lines of its log that have the text; `has_more` lines than are shown."""

    row: Any
    lines: list[LogLine]
    has_more: bool


class LogSearch(msgspec.Struct, frozen=True):
    """`next`: id of the task behind which to go on; None: there is nothing more."""

    hits: list[LogHit]
    next: int | None


async def search_logs(
    database: Database, selection: Selection, wanted: str, *, limit: int, before: int | None, seconds: float
) -> LogSearch:
    """Tasks of the selection with an id below `before` whose logs have a line with the text `wanted`.

    Raises `ValueError` if there is no word in it that could be looked for.
    """
    wanted = plain(wanted)
    words = wanted_words(wanted)
    if not words or "\n" in wanted:
        raise ValueError("give a word of at least 3 letters or digits, in one line")
    pattern = finder(wanted)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    hits: list[LogHit] = []
    behind = before if before is not None else _NEWEST
    while True:
        rows, lowest = await _candidates(database, selection, words, behind)
        for row in rows:
            found, has_more = await _matching_lines(database, row.id, pattern)
            if found:
                hits.append(LogHit(row, found, has_more))
            if len(hits) == limit or loop.time() > end:
                return LogSearch(hits, row.id)
        if lowest is None:
            return LogSearch(hits, None)
        behind = lowest
        if loop.time() > end:
            return LogSearch(hits, behind)


async def _candidates(
    database: Database, selection: Selection, words: Sequence[str], behind: int
) -> tuple[list[Any], int | None]:
    """Rows of tasks whose logs may have the words, newest first, down to an id; None: to the oldest."""
    table = history_order_steps
    async with database.read() as connection:
        lowest = 0
        ids: set[int] = set()
        for query in (_indexed(database, words, behind), _not_indexed(behind)):
            found = (await connection.execute(query.limit(_WINDOW))).scalars().all()
            ids.update(found)
            if len(found) == _WINDOW:
                lowest = max(lowest, found[-1])
        wanted = sorted(id_ for id_ in ids if id_ >= lowest)
        conditions = [*selection.ranges, *selection.where]
        if selection.alternatives:
            conditions.append(or_(*selection.alternatives))
        # By their ids: nothing else is as selective.
        statement = select(table).where(table.c.id.in_(wanted), *conditions).order_by(table.c.id.desc())
        rows = list((await connection.execute(statement)).all()) if wanted else []
    return rows, lowest or None


def _indexed(database: Database, words: Sequence[str], behind: int) -> Select[Any]:
    if database.is_sqlite:
        id_: ColumnElement[int] = literal_column("rowid")
        matches = text("history_log_words MATCH :words").bindparams(words=fts5_query(words))
        return select(id_).select_from(text("history_log_words")).where(matches, id_ < behind).order_by(id_.desc())
    matches = text("words @@ CAST(:words AS tsquery)").bindparams(words=tsquery(words))
    index = history_log_index.c
    return select(index.hos_id).where(matches, index.hos_id < behind).order_by(index.hos_id.desc())


def _not_indexed(behind: int) -> Any:
    steps, index = history_order_steps, history_log_index.c
    ids = union(
        select(history_log_pending.c.hos_id.label("id")).where(history_log_pending.c.hos_id < behind),
        select(steps.c.id).where(is_severity(steps, 1), steps.c.id < behind),
        select(index.hos_id).where(~index.is_whole, index.hos_id < behind),
    ).subquery()
    return select(ids.c.id).order_by(ids.c.id.desc())


async def _matching_lines(database: Database, task_id: int, pattern: re.Pattern[str]) -> tuple[list[LogLine], bool]:
    """The first lines of a task's output that have the text, and whether there are more."""
    found: list[LogLine] = []
    async with database.read() as connection:
        async for line in _lines(connection, task_id):
            line.txt = plain(line.txt)
            match = pattern.search(line.txt)
            if match is None or line.ch == CHANNELS[MAIN]:
                continue
            if len(found) == SHOWN_LINES:
                return found, True
            found.append(_shown(line, match))
    return found, False


async def _lines(connection: AsyncConnection, task_id: int) -> Any:
    """All lines of a task, read in parts. A line that parts divide is delivered whole."""
    table, after = history_log_chunks.c, -1
    kept: list[tuple[int, bool, bytes]] = []
    while True:
        query = (
            select(table.first_event_id, table.first_line, table.continues_line, table.content)
            .where(table.hos_id == task_id, table.first_event_id > after)
            .order_by(table.first_event_id)
            .limit(_CHUNKS_AT_ONCE)
        )
        chunks = (await connection.execute(query)).all()
        kept += [(chunk.first_line, chunk.continues_line, chunk.content) for chunk in chunks]
        is_end = len(chunks) < _CHUNKS_AT_ONCE
        # The last line begun may go on in the next part, so it waits for it, unless it is endless.
        begins = [number for number, (_, continues, _) in enumerate(kept) if not continues]
        cut = len(kept) if is_end or not begins else begins[-1]
        if not cut and sum(len(content) for _, _, content in kept) > _LONGEST_LINE_BYTES:
            cut = len(kept)
        for line in lines(kept[:cut]):
            yield line
        if is_end:
            return
        kept = kept[cut:]
        after = chunks[-1].first_event_id
        await asyncio.sleep(0)


def _shown(line: LogLine, match: re.Match[str]) -> LogLine:
    if len(line.txt) <= _SHOWN_CHARACTERS:
        return line
    start = max(0, match.start() - _SHOWN_CHARACTERS // 3)
    part = line.txt[start : start + _SHOWN_CHARACTERS]
    return msgspec.structs.replace(line, txt=("… " if start else "") + part)
