"""Command intake: JSON to structs by TYPE, Batch, answers after durability (orders spec 7.1).

Handlers are synchronous and persist without waiting; the intake waits once, for everything that its request has
decided. So the commands of a Batch share one commit, each with its own result. A handler may return an awaitable for
what takes time (a snapshot, an orderly end).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from stellwerk.engine.requests import Command
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError

logger = logging.getLogger(__name__)

ACCEPTED = b'{"TYPE":"Accepted"}'
MAXIMUM_NESTED_BATCHES = 10

#: Executes one command of a user; None is `Accepted`. Raises `ProblemError`.
Handler = Callable[[Any, str], Any]


class Batch(msgspec.Struct, frozen=True, tag_field="TYPE"):
    """Several commands, without a transaction around them; an answer for each, in order."""

    commands: tuple[msgspec.Raw, ...]
    #: The term of the sender, where that is a pair of which one node is active.
    term: int | None = None


class TakeSnapshot(Command, frozen=True, kw_only=True):
    pass


class NoOperation(Command, frozen=True, kw_only=True):
    #: Seconds.
    duration: float | None = None


class EmergencyStop(Command, frozen=True, kw_only=True):
    restart: bool = False


class ReleaseEvents(Command, frozen=True, kw_only=True):
    until_event_id: int


CommonCommand = TakeSnapshot | NoOperation | EmergencyStop | ReleaseEvents


class CommandIntake:
    """`handlers` by command type; `check` refuses a command before its handler (not ready, stopping)."""

    def __init__(
        self,
        commands: Any,
        handlers: Mapping[type, Handler],
        *,
        batch_answer: str,
        check: Callable[[Any], None],
        durable: Callable[[], Awaitable[None]],
        log_level: int = logging.INFO,
        check_term: Callable[[int | None], None] = lambda term: None,
    ) -> None:
        """`log_level`: at which each command is logged; people's commands are worth a line, an Agent's are many.

        `check_term` refuses a Batch of a deposed sender.
        """
        self._check_term = check_term
        self._log_level = log_level
        self._decoder = decoder(commands | Batch)
        self._handlers = handlers
        self._batch_answer = b'{"TYPE":"%s","responses":[' % batch_answer.encode("ascii")
        self._check = check
        self._durable = durable

    async def execute(self, body: bytes, user_id: str) -> bytes:
        """Execute one command, which may be a Batch. Raises `ProblemError`."""
        answer = await self._execute(body, user_id, 0)
        await self._durable()
        return answer

    def decode(self, body: bytes | msgspec.Raw) -> Any:
        """A command struct. Raises `ProblemError` beginning with `JSON `."""
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            text, _, place = str(error).partition(" - at `$")
            raise ProblemError(f"JSON DecodingFailure at {place.rstrip('`')}: {text}") from error

    async def _execute(self, body: bytes | msgspec.Raw, user_id: str, depth: int) -> bytes:
        command = self.decode(body)
        if type(command) is Batch:
            return await self._batch(command, user_id, depth)
        logger.log(self._log_level, "%s by %s", type(command).__struct_config__.tag, user_id)
        self._check(command)
        answer = self._handlers[type(command)](command, user_id)
        if inspect.isawaitable(answer):
            answer = await answer
        return ACCEPTED if answer is None else encode(answer)

    async def _batch(self, batch: Batch, user_id: str, depth: int) -> bytes:
        if depth >= MAXIMUM_NESTED_BATCHES:
            raise ProblemError(f"Batches must not be nested deeper than {MAXIMUM_NESTED_BATCHES} times")
        self._check(batch)  # a node that is not ready refuses it as a whole: nothing of it was executed
        self._check_term(batch.term)
        answers: list[bytes] = []
        for body in batch.commands:
            try:
                answers.append(await self._execute(body, user_id, depth + 1))
            except ProblemError as error:
                answers.append(encode(error.problem.to_http()))
        return self._batch_answer + b",".join(answers) + b"]}"
