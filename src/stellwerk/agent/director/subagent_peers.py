"""A Subagent as its Director sees it: commands and an event stream; in this process, or over HTTP.

Both speak in structs: in the same process nothing is encoded, and the semantics are the same.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from stellwerk.agent.subagent.commands import (
    CoupleDirectorResponse,
    DedicateSubagentResponse,
    SubagentCommand,
)
from stellwerk.agent.subagent.events import Heartbeat, SubagentRecord, event_decoder
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.language.items import SubagentItem
from stellwerk.values.events import decode_envelope
from stellwerk.values.json import decoder, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import HttpPeer, line_batches

logger = logging.getLogger(__name__)

#: A metering event comes that often; it is the sign of life, too.
METERING_SECONDS = 1.0
MAXIMUM_RECORDS = 999
_METERING_ID = -1


class SubagentPeer(Protocol):
    async def command(self, command: SubagentCommand, number: int = 0) -> Any:
        """Execute a command; its response, None for Accepted.

        Raises `ProblemError` when the Subagent has answered with a problem, `PeerUnreachableError` when the outcome is
        unknown.
        """
        ...

    def events(self, *, run_id: str, after: int) -> AsyncIterator[Sequence[SubagentRecord]]:
        """Events as they come, with metering about every second. An *empty* batch is yielded once when the stream has
        been accepted, and for each heartbeat. Raises as `command` does.
        """
        ...

    async def close(self) -> None: ...


#: Makes a peer for a Subagent at another URI than this process': own SubagentId, item.
RemotePeers = Callable[[str, SubagentItem], SubagentPeer]


class LocalSubagentPeer:
    """The Subagent of this process. Each peer is a session of its own."""

    def __init__(self, subagent: Subagent) -> None:
        self._subagent = subagent

    async def command(self, command: SubagentCommand, number: int = 0) -> Any:
        try:
            return await self._subagent.execute(command, self, number)
        except ProblemError:
            raise
        except Exception as error:
            # As an HTTP server would answer it.
            logger.exception("A command of the Director could not be executed")
            raise ProblemError(f"Internal error: {error!r}") from error

    async def events(self, *, run_id: str, after: int) -> AsyncGenerator[Sequence[SubagentRecord], None]:
        subagent = self._subagent
        subagent.check_run_id(run_id)
        journal = subagent.journal
        journal.check_after(after, True)
        yield [self._metering()]
        while True:
            records = journal.records_after(after, MAXIMUM_RECORDS)
            if records:
                after = records[-1].event_id
                yield records
            elif not await journal.wait_after(after, METERING_SECONDS):
                yield [self._metering()]

    def _metering(self) -> SubagentRecord:
        return SubagentRecord(_METERING_ID, None, self._subagent.measure())

    async def close(self) -> None:
        """Nothing is open."""


class _Accepted(msgspec.Struct, frozen=True, tag_field="TYPE", tag="Accepted"):
    pass


_answer_decoder = decoder(_Accepted | DedicateSubagentResponse | CoupleDirectorResponse)


class HttpSubagentPeer:
    """A Subagent over HTTP (journal spec 6)."""

    def __init__(self, http: HttpPeer) -> None:
        self._http = http

    async def command(self, command: SubagentCommand, number: int = 0) -> Any:
        body = encode(command)
        answer = await self._http.command(b"[%d,%b]" % (number, body) if number else body)
        try:
            response = _answer_decoder.decode(answer)
        except msgspec.DecodeError as error:
            raise ProblemError(f"The Subagent's answer cannot be read: {error} in {answer[:500]!r}") from error
        return None if isinstance(response, _Accepted) else response

    async def events(self, *, run_id: str, after: int) -> AsyncGenerator[Sequence[SubagentRecord], None]:
        query: dict[str, str | int | float] = {
            "subagentRunId": run_id,
            "serverMetering": format(METERING_SECONDS, "g"),
            "return": "Event",
            "delay": 0,
            "after": after,
        }
        async with aclosing(self._http.stream_get("event", query)) as chunks, aclosing(line_batches(chunks)) as batches:
            async for lines in batches:
                yield [record for line in lines if not isinstance((record := _record(line)).event, Heartbeat)]

    async def close(self) -> None:
        await self._http.close()


def _record(line: bytes) -> SubagentRecord:
    try:
        envelope = decode_envelope(line)
        return SubagentRecord(envelope.event_id, envelope.key, event_decoder.decode(line))
    except msgspec.DecodeError as error:
        raise ProblemError(f"An event of the Subagent cannot be read: {error} in {line[:500]!r}") from error
