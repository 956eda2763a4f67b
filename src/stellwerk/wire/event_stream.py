"""The acknowledged event stream as a server gives it: `GET .../event` (journal spec 1.2, 1.3).

The lines of the journal go out as they are, unchanged. Only a request that selects types (`return=`) costs a look at
each line's envelope. A slow reader holds one chunk of memory and nobody else. The module knows no journal: an
`EventSource` gives committed lines.

The stream of a caught-up reader waits in `EventSource.wait_after`; a line that is committed wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

import msgspec

from stellwerk.effects.clock import Clock
from stellwerk.values.event_ids import event_id_text, timestamp_ms
from stellwerk.values.events import decode_envelope
from stellwerk.values.problems import ProblemError
from stellwerk.wire.media import NDJSON
from stellwerk.wire.request import Query, Request
from stellwerk.wire.responses import StreamingResponse

#: Names that `return=` understands beyond `Event`: a family or a concrete type -> the event types it selects.
EventFamilies = Mapping[str, AbstractSet[str]]

#: Lines are read and sent in pieces of about that size; the specification allows chunks up to 1 MiB.
READ_BYTES = 256 * 1024
MAXIMUM_CHUNK_BYTES = 1024 * 1024
#: A stream without heartbeat ends before the server's request timeout would end it (seconds; spec 1.2, 3.1).
UNHEARD_TIMEOUT_SECONDS = 16 * 60 - 1
_HEARTBEAT = b"\n"


class EventSource(Protocol):
    """The committed events of a journal. All methods are about committed events only."""

    @property
    def committed_event_id(self) -> int:
        """The newest event."""
        ...

    def check_after(self, after: int, with_heartbeat: bool) -> None:
        """Refuse a position that cannot be continued from.

        Raises `ProblemError`: with heartbeat `UnknownEventId`, without it `EventSeqTorn`, and a position in the
        future is unknown with heartbeat only (1.3).
        """
        ...

    def read_after(self, after: int, max_bytes: int) -> list[bytes]:
        """The next lines with `eventId > after`, without line feed, at least one if there is any.

        Raises `ProblemError` when `after` has been deleted meanwhile.
        """
        ...

    async def wait_after(self, event_id: int, timeout_seconds: float | None) -> bool:
        """Wait until there is an event with `eventId > event_id`; False when the time is over."""
        ...


class EventRequest(msgspec.Struct, frozen=True):
    """The parameters of 1.2. `types` is None when all events are asked for; durations are seconds."""

    after: int | None = None
    types: frozenset[str] | None = None
    timeout: float | None = None
    delay: float = 0.0
    limit: int | None = None
    torn_older: float | None = None
    heartbeat: float | None = None
    metering: float | None = None

    @property
    def has_heartbeat(self) -> bool:
        """Whether the header and an empty line are sent at once."""
        return self.heartbeat is not None or self.metering is not None


def parse_event_request(query: Query, families: EventFamilies) -> EventRequest:
    """Read the parameters; raises `ProblemError` for the first one that is wrong."""
    if query.boolean("onlyAcks"):
        raise ProblemError("onlyAcks=true is not available here: this is not a node of a pair")
    limit = query.integer("limit")
    if limit is not None and limit <= 0:
        raise ProblemError(f"Query parameter limit={limit} must be greater than 0")
    after = query.integer("after")
    if after is not None and after < 0:
        raise ProblemError(f"Query parameter after={after} must not be negative")
    heartbeat = query.duration_seconds("heartbeat")
    metering = query.duration_seconds("serverMetering")
    if heartbeat == 0 or metering == 0:
        raise ProblemError("Query parameters heartbeat and serverMetering must be greater than 0")
    return EventRequest(
        after=after,
        types=_selected_types(query.get("return", "Event"), families),
        timeout=None if query.get("timeout") == "infinite" else query.duration_seconds("timeout"),
        delay=query.duration_seconds("delay") or 0.0,
        limit=limit,
        torn_older=query.duration_seconds("tornOlder"),
        heartbeat=heartbeat,
        metering=metering,
    )


def event_stream_response(
    request: Request,
    source: EventSource,
    *,
    families: EventFamilies,
    clock: Clock,
    metering: Callable[[], bytes] | None = None,
) -> StreamingResponse:
    """Answer `GET .../event`. Raises what must be refused before the header.

    `families` are the names that the component understands in `return=`; `metering` makes a `ServerMeteringEvent`
    line for `serverMetering=` (without it the parameter acts as a heartbeat).
    """
    request.require_accept(NDJSON)
    parameters = parse_event_request(request.query, families)
    return StreamingResponse(event_chunks(parameters, request.query.get("tornOlder", ""), source, clock, metering))


async def event_chunks(
    parameters: EventRequest,
    torn_older_text: str,
    source: EventSource,
    clock: Clock,
    metering: Callable[[], bytes] | None = None,
) -> AsyncIterator[bytes]:
    """The body of the answer, chunk by chunk; raises `ProblemError` before the first chunk where 1.3 says so."""
    after = source.committed_event_id if parameters.after is None else parameters.after
    source.check_after(after, parameters.has_heartbeat)
    pulse = _Pulse(parameters, metering)
    is_first = True
    room = parameters.limit
    if pulse.period is not None:
        if parameters.torn_older is not None:
            _check_not_torn(parameters, torn_older_text, after, source, clock)
        yield _HEARTBEAT
    deadline = pulse.deadline()
    while room is None or room > 0:
        lines = source.read_after(after, READ_BYTES)
        if not lines:
            is_event, beat = await pulse.wait(source, after, deadline)
            if beat is not None:
                yield beat
            elif not is_event:
                return
            elif parameters.delay:
                await asyncio.sleep(pulse.shortened(parameters.delay))
            continue
        after = decode_envelope(lines[-1]).event_id
        if parameters.types is not None:
            types = parameters.types
            lines = [line for line in lines if decode_envelope(line).type in types]
        if not lines:
            await asyncio.sleep(0)  # a long way without a match must not hold up the loop
            if pulse.is_over(deadline):
                return
            if (beat := pulse.overdue()) is not None:
                yield beat
            continue
        if is_first and pulse.period is None and parameters.torn_older is not None:
            _refuse_if_older(parameters, torn_older_text, lines[0], source, clock)
        is_first = False
        if room is not None:
            del lines[room:]
            room -= len(lines)
        for chunk in _chunks(lines):
            yield chunk
        pulse.sent()
        deadline = pulse.deadline()
        await asyncio.sleep(0)  # a reader with a large backlog shares the loop


class _Pulse:
    """When the next sign of life is due, and when the stream has been without events for too long."""

    def __init__(self, parameters: EventRequest, metering: Callable[[], bytes] | None) -> None:
        self._loop = asyncio.get_running_loop()
        heartbeat, metering_period = parameters.heartbeat, parameters.metering
        self._heartbeat_line = _HEARTBEAT
        self._metering = metering
        # Metering events come with their own period even while events flow, and heartbeats only if they are denser
        self._metering_period = metering_period if metering is not None else None
        self._next_metering = self._loop.time() + metering_period if metering_period is not None else 0.0
        periods = [period for period in (heartbeat, metering_period) if period is not None]
        self.period = min(periods) if periods else None
        self._last_sent = self._loop.time()
        self._timeout = parameters.timeout
        is_heard = self.period is not None and self.period <= UNHEARD_TIMEOUT_SECONDS
        if not is_heard and (self._timeout is None or self._timeout > UNHEARD_TIMEOUT_SECONDS):
            self._timeout = UNHEARD_TIMEOUT_SECONDS

    def deadline(self) -> float | None:
        """The loop's time at which the stream ends if no event comes."""
        return None if self._timeout is None else self._loop.time() + self._timeout

    def is_over(self, deadline: float | None) -> bool:
        return deadline is not None and self._loop.time() >= deadline

    def sent(self) -> None:
        self._last_sent = self._loop.time()

    def shortened(self, delay: float) -> float:
        """`delay`, but not so long that the next sign of life is late."""
        return delay if self.period is None else min(delay, self.period)

    def overdue(self) -> bytes | None:
        """The sign of life that is due by now."""
        return self._beat() if self.period is not None and self._loop.time() >= self._due() else None

    async def wait(self, source: EventSource, after: int, deadline: float | None) -> tuple[bool, bytes | None]:
        """Wait for an event `(True, None)`, the next sign of life `(False, line)` or the deadline `(False, None)`."""
        now = self._loop.time()
        wake_up = deadline
        if self.period is not None:
            due = self._due()
            if due <= now:
                return False, self._beat()
            wake_up = due if deadline is None else min(due, deadline)
        if await source.wait_after(after, None if wake_up is None else max(0.0, wake_up - now)):
            return True, None
        if self.is_over(deadline):
            return False, None
        return False, self._beat()

    def _due(self) -> float:
        due = self._last_sent + (self.period or 0.0)
        return due if self._metering_period is None else min(due, self._next_metering)

    def _beat(self) -> bytes:
        now = self._loop.time()
        self._last_sent = now
        if self._metering is not None and self._metering_period is not None and now >= self._next_metering:
            self._next_metering = now + self._metering_period
            return self._metering() + b"\n"
        return self._heartbeat_line


def _selected_types(names: str, families: EventFamilies) -> frozenset[str] | None:
    """The event types that `return=` selects; None for all of them."""
    selected: set[str] = set()
    is_everything = False
    for name in names.split(","):
        if name == "Event":
            is_everything = True
        elif name in families:
            selected |= families[name]
        else:
            raise ProblemError(f"Unrecognized event type: return={names}")
    return None if is_everything else frozenset(selected)


def _check_not_torn(parameters: EventRequest, text: str, after: int, source: EventSource, clock: Clock) -> None:
    """Look for the first event to be delivered that is there already, without sending anything."""
    while lines := source.read_after(after, READ_BYTES):
        for line in lines:
            if parameters.types is None or decode_envelope(line).type in parameters.types:
                _refuse_if_older(parameters, text, line, source, clock)
                return
        after = decode_envelope(lines[-1]).event_id


def _refuse_if_older(parameters: EventRequest, text: str, line: bytes, source: EventSource, clock: Clock) -> None:
    event_id = decode_envelope(line).event_id
    assert parameters.torn_older is not None
    if timestamp_ms(event_id) >= clock.now_ms() - parameters.torn_older * 1000:
        return
    if parameters.has_heartbeat:
        raise ProblemError.of("OldEventId", eventId=event_id_text(event_id), tornOlder=text)
    raise ProblemError.of(
        "EventSeqTorn",
        requestedAfter=event_id_text(parameters.after or 0),
        tornEventId=event_id_text(source.committed_event_id),
    )


def _chunks(lines: list[bytes]) -> list[bytes]:
    """The lines with line feeds, in pieces that the specification allows; a line may span chunks."""
    joined = b"\n".join((*lines, b""))
    if len(joined) <= MAXIMUM_CHUNK_BYTES:
        return [joined]
    return [joined[start : start + MAXIMUM_CHUNK_BYTES] for start in range(0, len(joined), MAXIMUM_CHUNK_BYTES)]
