"""Repeatable calls: the optional header `Idempotency-Key` on changing calls (issue: settled points).

The first call with a key stores, before anything is sent, what it is about to send; and its answer afterwards. A repeat
gives that answer. If the first call never got one (the Controller was unreachable, this process was killed), a repeat
executes *the same* again, with the same order ids, and is told that it may have been executed before.

Bounded: keys are forgotten after a day, and the oldest when there are more than `MAXIMUM_KEYS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, func, select, update

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import joc_idempotency
from stellwerk.effects.clock import Clock
from stellwerk.values.json import decode, encode

HEADER = "idempotency-key"
MAXIMUM_KEYS = 10_000
MAXIMUM_KEY_LENGTH = 255
KEEP_MS = 24 * 3600 * 1000


class Idempotency:
    """First answers by account and key."""

    def __init__(self, database: Database, clock: Clock, maximum_keys: int = MAXIMUM_KEYS) -> None:
        self._database = database
        self._clock = clock
        self._maximum_keys = maximum_keys

    async def once(
        self,
        account: str,
        key: str | None,
        request: bytes,
        prepare: Callable[[], Awaitable[Any]],
        execute: Callable[[Any, bool], Awaitable[Any]],
    ) -> Any:
        """The answer of `execute(prepared, is_repeat)`, or that of the first call with this key.

        `prepare` gives a JSON value that holds everything that must be the same in a repeat. `is_repeat`: the same may
        have been executed already, whole, in part or not at all.
        """
        if key is None:
            return await execute(await prepare(), False)
        if not key or len(key) > MAXIMUM_KEY_LENGTH:
            raise BadRequest(f"Idempotency-Key must have 1 to {MAXIMUM_KEY_LENGTH} characters")
        request_hash = hashlib.sha256(request).hexdigest()
        known = await self._find(account, key, request_hash)
        is_repeat = known is not None
        if known is None:
            mine = {"prepared": await prepare()}
            known = await self._store(account, key, request_hash, mine)
            is_repeat = known != mine
        if "answer" in known:
            return known["answer"]
        answer = await execute(known["prepared"], is_repeat)
        async with self._database.write() as connection:
            await connection.execute(
                update(joc_idempotency)
                .where(joc_idempotency.c.account == account, joc_idempotency.c.key == key)
                .values(answer=encode({"answer": answer}))
            )
        return answer

    async def _find(self, account: str, key: str, request_hash: str) -> dict[str, Any] | None:
        table = joc_idempotency
        query = select(table.c.request_hash, table.c.answer).where(
            table.c.account == account, table.c.key == key, table.c.created > self._clock.now_ms() - KEEP_MS
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        if row.request_hash != request_hash:
            raise ApiError(
                "this Idempotency-Key has been used with another request; use a new key for each request",
                code="JOC-409",
                kind="JocConflictException",
            )
        known: dict[str, Any] = decode(row.answer)
        return known

    async def _store(self, account: str, key: str, request_hash: str, value: dict[str, Any]) -> dict[str, Any]:
        """Keep `value` unless another call with the same key was quicker: then give what that one has stored."""
        table = joc_idempotency
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.created <= now - KEEP_MS))
            count = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            if count >= self._maximum_keys:
                oldest = select(table.c.created).order_by(table.c.created).offset(count - self._maximum_keys).limit(1)
                limit = (await connection.execute(oldest)).scalar_one()
                await connection.execute(delete(table).where(table.c.created <= limit))
            row = {
                "account": account,
                "key": key,
                "request_hash": request_hash,
                "answer": encode(value),
                "created": now,
            }
            await connection.execute(self._database.upsert(table, ["account", "key"], []), [row])
            query = select(table.c.answer, table.c.request_hash)
            present = (await connection.execute(query.where(table.c.account == account, table.c.key == key))).one()
        if present.request_hash != request_hash:
            raise BadRequest("this Idempotency-Key has been used with another request")
        stored: dict[str, Any] = decode(present.answer)
        return stored
