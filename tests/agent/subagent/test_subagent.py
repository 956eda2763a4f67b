"""The Subagent by itself: dedication, coupling and terms, idempotency, numbers, back-pressure, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from remote_subagents import make_subagent

from stellwerk.agent.director.subagent_peers import LocalSubagentPeer
from stellwerk.agent.subagent import commands as c
from stellwerk.agent.subagent.memory_journal import MemoryJournal
from stellwerk.agent.subagent.subagent import ALREADY_USED, Subagent
from stellwerk.effects.clock import SystemClock
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Attached, Order, Processing
from stellwerk.language.items import Signed
from stellwerk.language.positions import WorkflowId, WorkflowPosition
from stellwerk.node.agent_commands import AttachSignedItem
from stellwerk.node.commands import ReleaseEvents
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import SignatureVerifier, SigningKey, sign

KEY = SigningKey.generate("test", datetime(2026, 1, 1, tzinfo=UTC))
WORKFLOW = WorkflowId("W", "1")
TIMING = c.HeartbeatTiming(3.0, 10.0)
DEDICATE = c.DedicateSubagent(subagent_id="S", agent_path="A", agent_run_id="a-run", controller_id="controller")


def signed_workflow(script: str) -> AttachSignedItem:
    executable = {"TYPE": "ShellScriptExecutable", "script": script}
    job = {"agentPath": "A", "executable": executable, "processLimit": 9}
    instructions = [{"TYPE": "Execute.Anonymous", "job": job}]
    text = encode({"TYPE": "Workflow", "path": "W", "versionId": "1", "instructions": instructions}).decode()
    signature = sign(text, KEY)
    return AttachSignedItem(signed=Signed(string=text, signature=msgspec.to_builtins(signature)))


def order(order_id: str = "O", **members: Any) -> Order:
    return Order(
        id=order_id,
        workflow_position=WorkflowPosition(WORKFLOW, (0,)),
        state=Processing(subagent_id="S"),
        attached_state=Attached("A"),
        **members,
    )


class World:
    """A Subagent, and a Director that speaks to it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.subagent: Subagent = make_subagent(folder / "S", SignatureVerifier([KEY.certificate]), **options)
        self.run_id = ""
        self.after = 0

    async def couple(self, session: Any = "session", term: int = 0) -> None:
        self.run_id = (await self.subagent.execute(DEDICATE, session)).subagent_run_id
        await self.couple_again(session, term)

    async def couple_again(self, session: Any = "session", term: int = 0, after: int = 0) -> None:
        command = c.CoupleDirector(
            subagent_id="S", subagent_run_id=self.run_id, event_id=after, term=term, heartbeat_timing=TIMING
        )
        await self.subagent.execute(command, session)

    async def start(self, script: str = "true", order_id: str = "O", **members: Any) -> None:
        batch = c.Batch(
            (signed_workflow(script), c.StartOrderProcess(default_arguments={}, order=order(order_id), **members))
        )
        await self.subagent.execute(batch, "session")

    async def until(self, type_: type, count: int = 1) -> list[Any]:
        """Events of a type that are kept, when there are so many."""
        journal = self.subagent.journal
        async with asyncio.timeout(20):
            while True:
                records = [r for r in journal.records_after(journal.released_event_id, 99999) if type(r.event) is type_]
                if len(records) >= count:
                    return records
                await journal.wait_after(journal.committed_event_id, 5)

    def starts(self) -> int:
        file = self.folder / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.subagent.start()
    yield world
    await world.subagent.close()
    await world.subagent.runner.processes.close()


def code(raised: pytest.ExceptionInfo[ProblemError]) -> str | None:
    return raised.value.problem.code


# --- to whom it belongs ---


async def test_the_first_dedication_counts_and_may_be_repeated_until_the_subagent_is_used(world: World) -> None:
    first = await world.subagent.execute(DEDICATE, "one")
    assert await world.subagent.execute(DEDICATE, "two") == first
    other = c.DedicateSubagent(subagent_id="S", agent_path="B", agent_run_id="b-run", controller_id="controller")
    with pytest.raises(ProblemError, match="agentPath=A") as raised:
        await world.subagent.execute(other, "one")
    assert code(raised) == "SubagentAlreadyDedicated"
    await world.couple()
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(DEDICATE, "one")
    assert raised.value.problem.arguments == {"reasons": ALREADY_USED}


async def test_coupling_needs_the_right_id_run_and_event(world: World) -> None:
    command = c.CoupleDirector(subagent_id="S", subagent_run_id="x", event_id=0, heartbeat_timing=TIMING)
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(command, "session")
    assert code(raised) == "SubagentNotDedicated"
    run_id = (await world.subagent.execute(DEDICATE, "session")).subagent_run_id
    for members, expected in (
        ({"subagent_run_id": "x"}, "SubagentRunIdMismatch"),
        ({"subagent_id": "T"}, "SubagentIdMismatch"),
        ({"event_id": 4711}, "UnknownEventId"),
    ):
        values: dict[str, Any] = {
            "subagent_id": "S",
            "subagent_run_id": run_id,
            "event_id": 0,
            "heartbeat_timing": TIMING,
            **members,
        }
        with pytest.raises(ProblemError) as raised:
            await world.subagent.execute(c.CoupleDirector(**values), "session")
        assert code(raised) == expected


async def test_only_the_last_session_that_has_coupled_may_command(world: World) -> None:
    await world.couple("old")
    await world.couple_again("new")
    start = c.StartOrderProcess(default_arguments={}, order=order())
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(start, "old")
    assert code(raised) == "SubagentNotCoupled"
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(start, "stranger")
    assert code(raised) == "SubagentNotCoupled"


async def test_a_lower_term_is_stale_for_ever(world: World) -> None:
    await world.couple("first", term=1)
    await world.couple_again("second", term=2)
    for command in (c.KillProcess(order_id="O"), c.ShutDown(), c.Batch((c.KillProcess(order_id="O"),))):
        with pytest.raises(ProblemError) as raised:
            await world.subagent.execute(command, "first")
        assert code(raised) == "TermIsStale"
    with pytest.raises(ProblemError) as raised:
        await world.couple_again("first", term=1)
    assert code(raised) == "TermIsStale"
    await world.subagent.execute(c.KillProcess(order_id="O"), "second")
    await world.subagent.restart()
    with pytest.raises(ProblemError) as raised:
        await world.couple("first", term=1)
    assert code(raised) == "TermIsStale", "also for the next run in this process"


# --- processes ---


async def test_terms_and_leases_begin_anew_with_the_agents_run(world: World) -> None:
    """A reset begins another cluster, whose first Director must not be refused, nor find the old lease over."""
    await world.couple("old", term=2)
    world.subagent.lease(2, 0.0)
    await world.subagent.restart()
    new = msgspec.structs.replace(DEDICATE, agent_run_id="another run")
    world.run_id = (await world.subagent.execute(new, "new")).subagent_run_id
    await world.couple_again("new", term=0)
    assert world.subagent.leased_until is None
    world.subagent.lease(0, 1.0)
    assert world.subagent.leased_until == 1.0


async def test_an_order_has_one_process_until_its_outcome_is_released(world: World) -> None:
    await world.couple()
    await world.start(f"echo >>{world.folder}/starts")
    await world.start(f"echo >>{world.folder}/starts")
    (processed,) = await world.until(e.OrderProcessed)
    await world.start(f"echo >>{world.folder}/starts")
    assert world.starts() == 1
    await world.subagent.execute(ReleaseEvents(until_event_id=processed.event_id), "session")
    await world.start(f"echo >>{world.folder}/starts")
    await world.until(e.OrderProcessed)
    assert world.starts() == 2


async def test_another_step_of_the_same_order_is_refused_while_one_is_not_released(world: World) -> None:
    await world.couple()
    await world.start("true")
    changed = c.StartOrderProcess(default_arguments={}, order=order(arguments={"x": "y"}))
    with pytest.raises(ProblemError, match="Duplicate"):
        await world.subagent.execute(changed, "session")
    marked = c.StartOrderProcess(default_arguments={}, order=order(mark=e.Cancelling(mode=e.FreshOrStarted())))
    await world.subagent.execute(marked, "session")


async def test_coupling_again_releases_what_the_director_has(world: World) -> None:
    await world.couple()
    await world.start("echo hello")
    (processed,) = await world.until(e.OrderProcessed)
    await world.couple_again("session", after=processed.event_id)
    assert len(world.subagent.journal) == 0
    with pytest.raises(ProblemError, match="Unknown EventId"):
        await world.subagent.execute(ReleaseEvents(until_event_id=processed.event_id + 1), "session")


async def test_a_numbered_command_is_executed_once(world: World) -> None:
    await world.couple()
    attach, start = (
        signed_workflow(f"echo >>{world.folder}/starts"),
        c.StartOrderProcess(default_arguments={}, order=order()),
    )
    await world.subagent.execute(c.Batch((attach, start)), "session", 1)
    (processed,) = await world.until(e.OrderProcessed)
    await world.subagent.execute(ReleaseEvents(until_event_id=processed.event_id), "session", 2)
    with pytest.raises(ProblemError, match="too late"):
        await world.subagent.execute(start, "session", 1)
    wrong = c.StartOrderProcess(default_arguments={}, order=order(), attempt="7")
    unknown = ReleaseEvents(until_event_id=1)
    for _ in range(2):
        with pytest.raises(ProblemError, match="Unknown EventId"):
            await world.subagent.execute(unknown, "session", 3)
    await world.subagent.execute(wrong, "session", 4)
    await world.until(e.OrderProcessed)
    assert world.starts() == 2


async def test_a_text_with_a_wrong_signature_is_not_run(world: World) -> None:
    await world.couple()
    good = signed_workflow("true")
    forged = AttachSignedItem(signed=Signed(string=good.signed.string + " ", signature=good.signed.signature))
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(
            c.Batch((forged, c.StartOrderProcess(default_arguments={}, order=order()))), "session"
        )
    assert code(raised) == "TamperedWithSignedMessage"
    assert world.subagent.running_count == 0


async def test_a_job_that_cannot_be_described_fails_and_is_not_started(world: World) -> None:
    await world.couple()
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(c.StartOrderProcess(default_arguments={}, order=order()), "session")
    assert code(raised) == "UnknownKey"
    elsewhere = Order(id="O", workflow_position=WorkflowPosition(WORKFLOW, (0,)), state=Processing(subagent_id="T"))
    with pytest.raises(ProblemError, match="not to be processed"):
        await world.subagent.execute(c.StartOrderProcess(default_arguments={}, order=elsewhere), "session")


# --- memory journal ---


async def test_a_full_journal_makes_writers_wait_for_a_release() -> None:
    journal = MemoryJournal(SystemClock(), limit=3)
    for _ in range(3):
        await journal.write("O", e.OrderStdoutWritten(chunk="x"))
    waiting = asyncio.ensure_future(journal.write("O", e.OrderStdoutWritten(chunk="y")))
    await asyncio.sleep(0)
    assert not waiting.done()
    records = journal.records_after(0, 10)
    journal.release(records[1].event_id)
    async with asyncio.timeout(5):
        last = await waiting
    assert [record.event_id for record in journal.records_after(records[1].event_id, 10)] == [
        records[2].event_id,
        last,
    ]


async def test_a_reader_of_released_events_is_refused() -> None:
    journal = MemoryJournal(SystemClock())
    ids = [journal.append("O", e.OrderStdoutWritten(chunk="x")) for _ in range(3)]
    journal.release(ids[1])
    journal.check_after(ids[1], True)
    for after, with_heartbeat, expected in ((ids[0], True, "UnknownEventId"), (ids[0], False, "EventSeqTorn")):
        with pytest.raises(ProblemError) as raised:
            journal.check_after(after, with_heartbeat)
        assert code(raised) == expected
    with pytest.raises(ProblemError):
        journal.records_after(ids[0], 1)
    assert b'"chunk":"x"' in journal.read_after(ids[1], 100)[0]


# --- its end ---


async def test_an_orderly_end_waits_for_processes_and_for_the_release(world: World) -> None:
    await world.couple()
    await world.start(f"while [ ! -e {world.folder}/go ]; do sleep 0.01; done")
    await world.subagent.execute(c.ShutDown(), "operator")
    with pytest.raises(ProblemError) as raised:
        await world.subagent.execute(c.StartOrderProcess(default_arguments={}, order=order("P")), "session")
    assert code(raised) == "SubagentIsShuttingDown"
    (world.folder / "go").touch()
    from stellwerk.engine.events.subagent import SubagentShutdown

    (last,) = await world.until(SubagentShutdown)
    assert not world.subagent.ended.is_set()
    await world.subagent.execute(ReleaseEvents(until_event_id=last.event_id), "session")
    async with asyncio.timeout(5):
        await world.subagent.ended.wait()


async def test_sigkill_without_farewell_is_answered_when_nothing_runs_any_more(world: World) -> None:
    await world.couple()
    former, journal = world.run_id, world.subagent.journal
    await world.start("trap '' TERM; echo begin; sleep 1000")
    await world.until(e.OrderStdoutWritten)
    await world.subagent.execute(c.KILL_AND_RESTART, "operator")
    assert world.subagent.runner.order_ids == []
    assert journal.closed.is_set()
    assert world.subagent.run_id != former
    await world.couple()


async def test_a_stream_ends_with_its_run(world: World) -> None:
    await world.couple()
    stream = LocalSubagentPeer(world.subagent).events(run_id=world.run_id, after=0)
    await anext(stream)
    pending = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await world.subagent.restart()
    with pytest.raises(ProblemError):
        await pending
    with pytest.raises(ProblemError) as raised:
        await anext(LocalSubagentPeer(world.subagent).events(run_id=world.run_id, after=0))
    assert code(raised) == "SubagentNotDedicated"


def test_a_command_may_carry_its_number() -> None:
    assert c.decode_command(b'{"TYPE":"NoOperation"}')[0] == 0
    number, command = c.decode_command(b'[17,{"TYPE":"KillProcess","orderId":"O","signal":"SIGKILL"}]')
    assert (number, command) == (17, c.KillProcess(order_id="O", signal="SIGKILL"))
    batch = c.Batch((signed_workflow("true"), c.StartOrderProcess(default_arguments={}, order=order(), attempt="1")))
    assert c.decode_command(encode(batch)) == (0, batch)
    with pytest.raises(ProblemError, match="JSON DecodingFailure"):
        c.decode_command(b'{"TYPE":"Nonsense"}')


def test_commands_are_on_the_wire_as_specified() -> None:
    couple = c.CoupleDirector(subagent_id="S", subagent_run_id="r", event_id=7, heartbeat_timing=TIMING)
    assert decode(encode(couple)) == {
        "TYPE": "CoupleDirector",
        "subagentId": "S",
        "subagentRunId": "r",
        "eventId": 7,
        "heartbeatTiming": {"heartbeat": 3, "heartbeatTimeout": 10},
    }
    start = decode(encode(c.StartOrderProcess(order=order(), default_arguments={"x": "1"}, end_of_admission_period=5)))
    assert {name: start[name] for name in ("TYPE", "defaultArguments", "endOfAdmissionPeriod")} == {
        "TYPE": "StartOrderProcess",
        "defaultArguments": {"x": "1"},
        "endOfAdmissionPeriod": 5,
    }
    assert start["order"]["state"] == {"TYPE": "Processing", "subagentId": "S"}
    assert decode(encode(c.StartOrderProcess(order=order(), default_arguments={})))["defaultArguments"] == {}
    assert decode(encode(c.DedicateSubagentResponse("r", 0, "2.9.0"))) == {
        "TYPE": "DedicateSubagent.Response",
        "subagentRunId": "r",
        "subagentEventId": 0,
        "version": "2.9.0",
    }
    assert decode(encode(c.KILL_AND_RESTART)) == {
        "TYPE": "ShutDown",
        "processSignal": "SIGKILL",
        "dontWaitForDirector": True,
        "restart": True,
    }


async def test_an_end_that_does_not_wait_for_the_director_comes_also_when_the_journal_is_full(tmp_path: Path) -> None:
    world = World(tmp_path, journal_limit=5)
    await world.subagent.start()
    await world.couple()
    await world.start("seq 1 60000")
    journal = world.subagent.journal
    async with asyncio.timeout(20):
        while len(journal) < 5:
            await journal.wait_after(journal.committed_event_id, 1)
        await world.subagent.execute(c.ShutDown(dont_wait_for_director=True), "operator")
        await world.subagent.ended.wait()
    assert world.subagent.running_count == 0
    await world.subagent.execute(c.ShutDown(), "operator")
    await world.subagent.close()
    await world.subagent.runner.processes.close()
