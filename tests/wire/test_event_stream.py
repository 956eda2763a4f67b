"""The acknowledged event stream over real sockets (journal spec 1.2 - 1.4)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from wire_node import START_MS, Events, Node, eventually

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.event_stream import MAXIMUM_CHUNK_BYTES, READ_BYTES, event_chunks, parse_event_request
from stellwerk.wire.request import Query

NDJSON = "application/x-ndjson"
HEADERS = {"Accept": "application/x-ndjson;q=1.0, application/json;q=0.9"}


async def token_headers(node: Node) -> dict[str, str]:
    body = b'{"TYPE":"Login","userAndPassword":{"userId":"controller","password":"secret"},"js7Version":"2.9.1"}'
    async with node.http.post(node.url("session"), data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 200
        return {**HEADERS, "x-js7-session": (await answer.json())["sessionToken"]}


async def whole(node: Node, query: str) -> tuple[int, bytes, str]:
    async with node.http.get(node.url(f"event?{query}"), headers=await token_headers(node)) as answer:
        return answer.status, await answer.read(), answer.content_type


async def problem_of(node: Node, query: str) -> dict[str, Any]:
    async with node.http.get(node.url(f"event?{query}"), headers=await token_headers(node)) as answer:
        assert answer.status == 400, await answer.text()
        problem: dict[str, Any] = await answer.json()
        return problem


async def test_lines_go_out_as_they_are_after_a_leading_empty_line(node: Node) -> None:
    await node.events.add(1000, 2000)
    status, body, content_type = await whole(node, "after=0&heartbeat=1&timeout=0")
    assert (status, content_type) == (200, NDJSON)
    assert body == b"\n" + b"".join(line + b"\n" for _, line in node.events.lines)


async def test_without_heartbeat_nothing_is_sent_before_the_first_event(node: Node) -> None:
    assert await whole(node, "after=0&timeout=0") == (200, b"", NDJSON)
    await node.events.add(1000)
    assert await whole(node, "after=0&timeout=0") == (200, node.events.lines[0][1] + b"\n", NDJSON)


async def test_the_default_position_is_the_last_event(node: Node) -> None:
    await node.events.add(1000)
    assert await whole(node, "timeout=0") == (200, b"", NDJSON)


async def test_families_and_types_select_events(node: Node) -> None:
    await node.events.add(1000, type_="OrderAdded")
    await node.events.add(2000, type_="SnapshotTaken")
    await node.events.add(3000, type_="AgentReady")

    async def ids(returns: str) -> list[int]:
        _, body, _ = await whole(node, f"after=0&timeout=0&return={returns}")
        return [int(line[11:].partition(b",")[0]) for line in body.splitlines()]

    assert await ids("OrderEvent") == [1000]
    assert await ids("OrderEvent,AgentReady") == [1000, 3000]
    assert await ids("Event,AgentReady") == [1000, 2000, 3000]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("return=OrderEvent,OrderStdWritten", "Unrecognized event type: return=OrderEvent,OrderStdWritten"),
        ("return=", "Unrecognized event type: return="),
        ("limit=0", "limit=0 must be greater than 0"),
        ("limit=x", "limit=x is not an integer"),
        ("after=-1", "after=-1"),
        ("after=1_0", "after=1_0 is not an integer"),
        ("timeout=soon", "'soon' is not a duration"),
        ("heartbeat=0", "heartbeat"),
        ("onlyAcks=true", "onlyAcks=true is not available here"),
        ("onlyAcks=perhaps", "neither true nor false"),
    ],
)
async def test_a_wrong_parameter_is_named(node: Node, query: str, text: str) -> None:
    assert text in (await problem_of(node, query))["message"]


async def test_limit_ends_the_stream(node: Node) -> None:
    await node.events.add(1000, 2000, 3000)
    _, body, _ = await whole(node, "after=0&limit=2&heartbeat=60")
    assert len(body.splitlines()) == 3  # the leading empty line and two events


async def test_an_unknown_position_is_told_by_the_kind_of_request(node: Node) -> None:
    await node.events.add(1000, 2000)
    node.events.torn_before = 1000
    assert (await problem_of(node, "after=0&heartbeat=1"))["code"] == "UnknownEventId"
    assert (await problem_of(node, "after=1500&heartbeat=1"))["code"] == "UnknownEventId"
    assert (await problem_of(node, "after=9000&heartbeat=1"))["code"] == "UnknownEventId"
    assert (await problem_of(node, "after=0"))["code"] == "EventSeqTorn"
    assert await whole(node, "after=9000&timeout=0") == (200, b"", NDJSON)  # the future is awaited silently


async def test_torn_older_refuses_a_backlog(node: Node) -> None:
    await node.events.add((START_MS - 60_000) * 1000, START_MS * 1000)
    problem = await problem_of(node, "after=0&tornOlder=30&heartbeat=1")
    assert (problem["code"], problem["arguments"]["tornOlder"]) == ("OldEventId", "30")
    problem = await problem_of(node, "after=0&tornOlder=30s")
    assert problem["code"] == "EventSeqTorn"
    assert problem["arguments"]["tornEventId"].startswith(f"{START_MS * 1000}/")
    status, _, _ = await whole(node, "after=0&tornOlder=120&timeout=0&heartbeat=1")
    assert status == 200


async def test_accept_is_required(node: Node) -> None:
    token = (await token_headers(node))["x-js7-session"]
    for accept, status in (("application/json", 406), ("*/*", 200), (NDJSON, 200), ("text/html, */*;q=0", 406)):
        headers = {"x-js7-session": token, "Accept": accept}
        async with node.http.get(node.url("event?timeout=0"), headers=headers) as answer:
            assert answer.status == status, accept
    async with node.http.get(
        node.url("event"), headers={"x-js7-session": token}, skip_auto_headers=["Accept"]
    ) as answer:
        assert answer.status == 400
        assert "'Accept'" in await answer.text()


async def test_the_peer_yields_acceptance_events_and_heartbeats(node: Node) -> None:
    async with aclosing(node.peer().events(after=0, heartbeat_seconds=0.02)) as batches:
        assert await anext(batches) == []  # accepted
        assert await anext(batches) == []  # a heartbeat
        await node.events.add(1000, 2000)
        lines: list[bytes] = []
        while len(lines) < 2:
            lines += await anext(batches)
        assert lines == [line for _, line in node.events.lines]
        assert await anext(batches) == []


async def test_reconnecting_after_the_last_adopted_event_loses_and_repeats_nothing(node: Node) -> None:
    await node.events.add(*range(1, 101))
    peer = node.peer()
    adopted = [0]
    while len(adopted) <= 100:
        async with aclosing(peer.events(after=adopted[-1])) as batches:
            async for batch in batches:
                if batch:
                    adopted += [int(line[11:].partition(b",")[0]) for line in batch[:7]]
                    break  # the connection breaks in the middle of a batch
    assert adopted == list(range(101))


async def test_a_torn_position_reaches_the_caller_of_the_peer(node: Node) -> None:
    with pytest.raises(ProblemError) as raised:
        await anext(node.peer().events(after=77))
    assert raised.value.problem.code == "UnknownEventId"
    assert raised.value.problem.arguments["requestedEventId"].startswith("77/")


async def test_a_slow_reader_is_not_read_ahead_for(node: Node) -> None:
    await node.events.add(*range(1, 2001), padding=50_000)  # 100 MB
    async with aclosing(node.peer().stream_get("event", {"after": 0, "heartbeat": 60})) as chunks:
        await anext(chunks)
        await anext(chunks)
        peer = node.peer()
        for _ in range(500):  # the node is there for others; each turn of its loop could send another 256 KiB
            await peer.command(b"{}")
        sent_share = node.events.read_count * READ_BYTES / 100_000_000
        assert sent_share < 0.3


async def test_a_line_larger_than_a_chunk_arrives_whole(node: Node) -> None:
    await node.events.add(1, padding=5_000_000)
    async with aclosing(node.peer().events(after=0)) as batches:
        batch: list[bytes] = []
        while not batch:
            batch = await anext(batches)
    assert batch == [node.events.lines[0][1]]


async def test_chunks_are_not_larger_than_specified() -> None:
    events = Events()
    await events.add(1, padding=3_000_000)
    parameters = parse_event_request(Query(b"after=0&timeout=0"), {})
    chunks = [chunk async for chunk in event_chunks(parameters, "", events, None)]  # type: ignore[arg-type]
    assert max(map(len, chunks)) <= MAXIMUM_CHUNK_BYTES
    assert b"".join(chunks) == events.lines[0][1] + b"\n"


async def test_streams_end_cleanly_when_the_server_stops(node: Node) -> None:
    await node.events.add(1000)
    batches = node.peer().events(after=0, heartbeat_seconds=60)
    seen = [await anext(batches), await anext(batches)]
    await node.server.stop(5)
    seen += [batch async for batch in batches]
    assert [line for batch in seen for line in batch] == [node.events.lines[0][1]]
    assert node.server.stream_count == 0
    assert node.server.connection_count == 0


async def test_a_request_that_waits_for_its_first_event_is_told_of_the_stop(node: Node) -> None:
    headers = await token_headers(node)
    waiting = asyncio.create_task(whole(node, "after=0"))
    await eventually(lambda: node.events.read_count > 0)
    node.server.begin_stop()
    status, body, _ = await waiting
    assert status == 503
    assert b"ShuttingDown" in body
    async with node.http.get(node.url("event"), headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "ShuttingDown")


async def test_a_stream_outlives_its_session(node: Node) -> None:
    peer = node.peer()
    async with aclosing(peer.events(after=0)) as batches:
        await anext(batches)
        node.clock.ms += 3_600_001
        await node.events.add(1000)
        batch: list[bytes] = []
        while not batch:
            batch = await anext(batches)
        assert node.sessions.sessions() == []
        await peer.command(b"{}")  # by a new login
        assert len(node.sessions.sessions()) == 1


async def test_the_stream_is_given_up_when_its_client_goes_away(node: Node) -> None:
    async with aclosing(node.peer().events(after=0, heartbeat_seconds=60)) as batches:
        await anext(batches)
        assert node.server.stream_count == 1
    await eventually(lambda: node.server.stream_count == 0)


async def test_a_silent_node_is_unreachable_after_the_idle_timeout(node: Node) -> None:
    with pytest.raises(PeerUnreachableError, match="did not answer in time"):
        async for _ in node.peer(idle_timeout_seconds=0.05).events(after=0, heartbeat_seconds=60):
            pass


async def test_events_deleted_under_a_slow_reader_end_the_stream(node: Node) -> None:
    await node.events.add(1000)
    batches = node.peer().events(after=0, heartbeat_seconds=60)
    while not await anext(batches):
        pass
    node.events.torn_before = 5000
    await node.events.add(6000)
    assert [batch async for batch in batches] == []
    with pytest.raises(ProblemError, match="UnknownEventId"):
        await anext(node.peer().events(after=1000))


async def test_a_delay_collects_events_into_one_chunk() -> None:
    events = Events()
    parameters = parse_event_request(Query(b"after=0&delay=50ms&heartbeat=60"), {})
    chunks = event_chunks(parameters, "", events, None)  # type: ignore[arg-type]
    assert await anext(chunks) == b"\n"
    following = asyncio.ensure_future(anext(chunks))
    await eventually(lambda: events.read_count > 0)
    await events.add(1)
    await events.add(2)
    assert (await following).count(b"\n") == 2
    await chunks.aclose()  # type: ignore[attr-defined]


async def test_metering_events_take_the_place_of_heartbeats() -> None:
    parameters = parse_event_request(Query(b"after=0&serverMetering=0.01&heartbeat=1"), {})
    line = b'{"eventId":-1,"TYPE":"ServerMeteringEvent"}'
    chunks = event_chunks(parameters, "", Events(), None, lambda: line)  # type: ignore[arg-type]
    assert [await anext(chunks) for _ in range(3)] == [b"\n", line + b"\n", line + b"\n"]
    await chunks.aclose()  # type: ignore[attr-defined]


async def test_a_compressed_stream_holds_nothing_back(node: Node) -> None:
    await node.events.add(1000)
    headers = {**await token_headers(node), "Accept-Encoding": "gzip"}
    async with node.http.get(node.url("event?after=0&heartbeat=60"), headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        body = b""
        while body.count(b"\n") < 2:
            body += await answer.content.readany()
    assert body == b"\n" + node.events.lines[0][1] + b"\n"
