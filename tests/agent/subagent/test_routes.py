"""The Subagent over real HTTP: permissions, commands with numbers, the event stream (journal spec 3.5, 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import aiohttp
import pytest
from remote_subagents import IDLE, make_subagent
from tests.agent.subagent.test_subagent import DEDICATE, KEY, TIMING, order, signed_workflow

from stellwerk.agent.director.subagent_peers import HttpSubagentPeer
from stellwerk.agent.subagent import commands as c
from stellwerk.agent.subagent.events import ServerMeteringEvent, SubagentRecord
from stellwerk.agent.subagent.routes import add_subagent_routes
from stellwerk.agent.subagent.subagent import Subagent
from stellwerk.effects.clock import SystemClock, SystemRandom
from stellwerk.engine.events import order as e
from stellwerk.node.commands import ReleaseEvents
from stellwerk.node.configuration import SubagentConfiguration
from stellwerk.node.web import NodeWeb, prepare_directories
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.signatures import SignatureVerifier

USERS = {
    "A-1": {"password": "plain:secret", "permissions": ["AgentDirector"]},
    "guest": {"password": "plain:guest"},
}


class Served:
    def __init__(self, url: str, subagent: Subagent) -> None:
        self.url = url
        self.subagent = subagent

    def peer(self, user_id: str = "A-1", password: str = "secret") -> HttpSubagentPeer:
        return HttpSubagentPeer(HttpPeer(self.url, "subagent", Credentials(user_id, password)))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    configuration = SubagentConfiguration(data=tmp_path, users=USERS)
    prepare_directories(configuration)
    subagent = make_subagent(tmp_path / "S", SignatureVerifier([KEY.certificate]))
    await subagent.start()
    web = NodeWeb(configuration, SystemClock(), SystemRandom(), "/subagent", health=lambda: (True, {}))
    add_subagent_routes(web, subagent, SystemClock())
    port = await web.start()
    web.ready()
    yield Served(f"http://127.0.0.1:{port}", subagent)
    web.begin_stop()
    await web.stop()
    await subagent.close()
    await subagent.runner.processes.close()


async def test_a_job_over_http(served: Served) -> None:
    peer = served.peer()
    run_id = (await peer.command(DEDICATE)).subagent_run_id
    await peer.command(c.CoupleDirector(subagent_id="S", subagent_run_id=run_id, event_id=0, heartbeat_timing=TIMING))
    start = c.StartOrderProcess(default_arguments={}, order=order(), attempt="4711")
    await peer.command(c.Batch((signed_workflow("echo $STELLWERK_ATTEMPT"), start)), 1)
    batches: list[Sequence[SubagentRecord]] = []
    async with asyncio.timeout(20), aclosing(peer.events(run_id=run_id, after=0)) as stream:
        async for records in stream:
            batches.append(records)
            types = {type(record.event) for batch in batches for record in batch}
            if types >= {e.OrderProcessed, ServerMeteringEvent}:
                break
    assert batches[0] == [], "the stream says at once that it has been accepted"
    records = [record for batch in batches for record in batch]
    assert [r.event.chunk for r in records if isinstance(r.event, e.OrderStdoutWritten)] == ["4711\n"]
    (processed,) = [record for record in records if isinstance(record.event, e.OrderProcessed)]
    assert (processed.key, processed.event.outcome.named_values) == ("O", {"returnCode": 0})
    (measured, *_) = [r.event for r in records if isinstance(r.event, ServerMeteringEvent)]
    assert measured == IDLE
    await peer.command(ReleaseEvents(until_event_id=served.subagent.journal.committed_event_id), 2)
    assert len(served.subagent.journal) == 0
    await peer.close()


async def test_commands_need_the_permission_of_a_director(served: Served) -> None:
    guest = served.peer("guest", "guest")
    with pytest.raises(ProblemError) as raised:
        await guest.command(DEDICATE)
    assert raised.value.problem.code == "UserDoesNotHavePermission"
    await guest.close()


async def test_a_stream_wants_the_run_id(served: Served) -> None:
    peer = served.peer()
    with pytest.raises(ProblemError) as raised:
        await anext(peer.events(run_id="x", after=0))
    assert raised.value.problem.code == "SubagentNotDedicated"
    await peer.command(DEDICATE)
    with pytest.raises(ProblemError) as raised:
        await anext(peer.events(run_id="x", after=0))
    assert raised.value.problem.code == "SubagentRunIdMismatch"
    await peer.close()


async def test_the_overview_is_public(served: Served) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/subagent/api") as answer:
        body = json.loads(await answer.text())
    assert answer.status == 200
    assert body["isTerminating"] is False


async def test_a_new_session_has_to_couple_again(served: Served) -> None:
    """What a connection sends late, after another one has coupled, is not executed."""
    old, new = served.peer(), served.peer()
    run_id = (await old.command(DEDICATE)).subagent_run_id
    couple = c.CoupleDirector(subagent_id="S", subagent_run_id=run_id, event_id=0, heartbeat_timing=TIMING)
    await old.command(couple)
    await new.command(couple)
    with pytest.raises(ProblemError) as raised:
        await old.command(c.KillProcess(order_id="O"))
    assert raised.value.problem.code == "SubagentNotCoupled"
    await old.close()
    await new.close()
