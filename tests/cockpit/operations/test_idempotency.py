"""First answers of repeated calls (issue: settled points), on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.controllers.idempotency import KEEP_MS, Idempotency
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.controllers import joc_idempotency


class Clock:
    now = 1_000_000

    def now_ms(self) -> int:
        return self.now

    def zone(self) -> str:
        return "UTC"


class Calls:
    """Counts what has been prepared and executed; `fail` makes executions fail."""

    def __init__(self, idempotency: Idempotency) -> None:
        self.idempotency = idempotency
        self.prepared = 0
        self.executed: list[Any] = []
        self.repeats: list[bool] = []
        self.fail = False

    async def __call__(self, key: str | None, request: bytes = b"{}", account: str = "root") -> Any:
        return await self.idempotency.once(account, key, request, self._prepare, self._execute)

    async def _prepare(self) -> Any:
        self.prepared += 1
        return {"id": self.prepared}

    async def _execute(self, prepared: Any, is_repeat: bool) -> Any:
        self.executed.append(prepared)
        self.repeats.append(is_repeat)
        if self.fail:
            raise ApiError("no answer")
        return [prepared["id"]]


async def _count(database: Database) -> int:
    async with database.read() as connection:
        count: int = (await connection.execute(select(func.count()).select_from(joc_idempotency))).scalar_one()
        return count


async def test_a_repeat_gets_the_first_answer_and_is_not_executed(database: Database) -> None:
    calls = Calls(Idempotency(database, Clock()))
    assert await calls("k") == await calls("k") == [1]
    assert calls.executed == [{"id": 1}]
    assert await calls("k", account="somebody else") == [2]
    assert await calls(None) == [3] and await calls(None) == [4]


async def test_a_repeat_after_a_failure_executes_what_was_prepared_first(database: Database) -> None:
    calls = Calls(Idempotency(database, Clock()))
    calls.fail = True
    with pytest.raises(ApiError):
        await calls("k")
    calls.fail = False
    assert await calls("k") == [1]
    assert calls.executed == [{"id": 1}, {"id": 1}]
    assert calls.repeats == [False, True]


async def test_a_key_belongs_to_one_request(database: Database) -> None:
    calls = Calls(Idempotency(database, Clock()))
    await calls("k", b"one")
    with pytest.raises(ApiError) as caught:
        await calls("k", b"other")
    assert caught.value.code == "JOC-409" and len(calls.executed) == 1
    for key in ("", "k" * 256):
        with pytest.raises(BadRequest):
            await calls(key)


async def test_calls_at_the_same_time_with_one_key_execute_the_same(database: Database) -> None:
    calls = Calls(Idempotency(database, Clock()))
    answers = await asyncio.gather(*(calls("k") for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert all(executed == calls.executed[0] for executed in calls.executed)


async def test_keys_are_forgotten_by_age_and_by_number(database: Database) -> None:
    clock = Clock()
    calls = Calls(Idempotency(database, clock, maximum_keys=3))
    for number in range(10):
        clock.now += 1
        await calls(f"k{number}")
        assert await _count(database) <= 3
    executed = len(calls.executed)
    await calls("k9")
    assert len(calls.executed) == executed
    clock.now += KEEP_MS + 1
    await calls("k9")
    assert len(calls.executed) == executed + 1 and await _count(database) == 1
