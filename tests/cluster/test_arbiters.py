"""What a node accepts as the answer of its watch, and how three watches decide (cluster spec 1.10.1)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable

import pytest

from stellwerk.cluster.arbiters import Arbiters, Verdict, with_id
from stellwerk.cluster.messages import (
    AnyWatchRequest,
    ClusterWatchAskNodeLoss,
    ClusterWatchCheckState,
    ClusterWatchConfirm,
    watch_request_decoder,
)
from stellwerk.engine.cluster import Coupled, PassiveLost
from stellwerk.engine.events.cluster import ClusterPassiveLost, ClusterSetting, ClusterTiming
from stellwerk.simulation.loop import run
from stellwerk.simulation.world import SeededRandom
from stellwerk.values.problems import Problem, ProblemError

TIMING = ClusterTiming(heartbeat=3, heartbeat_timeout=10)
SETTING = ClusterSetting(id_to_uri={"Primary": "http://a", "Backup": "http://b"}, active_id="Primary", timing=TIMING)
BEAT = ClusterWatchCheckState(request_id=0, from_="Primary", cluster_state=Coupled(setting=SETTING))
LOSS = ClusterWatchAskNodeLoss(
    request_id=0,
    from_="Primary",
    cluster_state=PassiveLost(setting=SETTING),
    event=ClusterPassiveLost(id="Backup"),
    hold=6,
)
THREE = ("joc", "witness-1", "witness-2")


class World:
    def __init__(self) -> None:
        self.arbiters = Arbiters(SeededRandom(1))
        self.run_ids = {id_: f"run-of-{id_}" for id_ in (*THREE, "other")}
        self._random = random.Random(1)

    def ask(self, request: AnyWatchRequest, *ids: str) -> asyncio.Task[Verdict]:
        return asyncio.ensure_future(self.arbiters.ask(with_id(request), ids, TIMING))

    async def published(self) -> AnyWatchRequest:
        """The request as a watch reads it."""
        stream = self.arbiters.requests("somebody", 1.0)
        assert isinstance(stream, AsyncGenerator)
        try:
            async for line in stream:
                if line:
                    request: AnyWatchRequest = watch_request_decoder.decode(line)
                    return request
        finally:
            await stream.aclose()
        raise AssertionError("the stream has ended")

    async def confirm(self, watch_id: str, *, problem: str | None = None, confirmer: str | None = None) -> str | None:
        """The code with which the answer is refused."""
        request = await self.published()
        return self.send(watch_id, request.request_id, problem=problem, confirmer=confirmer)

    def send(
        self, watch_id: str, request_id: int, *, problem: str | None = None, confirmer: str | None = None
    ) -> str | None:
        command = ClusterWatchConfirm(
            request_id=request_id,
            cluster_watch_id=watch_id,
            cluster_watch_run_id=self.run_ids[watch_id],
            manual_confirmer=confirmer,
            problem=None if problem is None else Problem.of(problem),
        )
        try:
            self.arbiters.confirm(command)
        except ProblemError as error:
            return error.problem.code
        return None


def simulated(test: Callable[[World], object]) -> Callable[[], None]:
    """The test on simulated time: hours cost nothing."""

    async def main() -> None:
        await test(World())  # type: ignore[misc]

    def wrapped() -> None:
        run(main())

    wrapped.__name__ = test.__name__
    return wrapped


@simulated
async def test_the_first_watch_that_answers_is_the_watch(world: World) -> None:
    asking = world.ask(BEAT)
    assert await world.confirm("joc") is None
    assert await asking == Verdict(None, ("joc",))


@simulated
async def test_an_unanswered_request_is_published_again_with_its_id(world: World) -> None:
    asking = world.ask(BEAT, "joc")
    stream = world.arbiters.requests("joc", 1.0)
    ids = set()
    async for line in stream:
        if line:
            ids.add(watch_request_decoder.decode(line).request_id)
            if asyncio.get_running_loop().time() > 4 * TIMING.watch_reaction:
                break
    assert len(ids) == 1
    assert world.send("joc", ids.pop()) is None
    assert (await asking).problem is None


@simulated
async def test_answers_to_nothing_or_to_something_else_are_refused(world: World) -> None:
    assert world.send("joc", 1) == "ClusterWatchRequestDoesNotMatch"
    asking = world.ask(BEAT, "joc")
    request = await world.published()
    assert world.send("joc", request.request_id + 1) == "ClusterWatchRequestDoesNotMatch"
    assert world.send("joc", request.request_id) is None
    await asking
    assert world.send("other", 1) == "OtherClusterWatchStillAlive"


@simulated
async def test_another_watch_takes_over_after_a_silence_only(world: World) -> None:
    first = world.ask(BEAT, "joc")
    assert await world.confirm("joc") is None
    await first
    second = world.ask(BEAT, "joc")
    assert await world.confirm("other") == "OtherClusterWatchStillAlive"
    await asyncio.sleep(TIMING.watch_id)
    assert await world.confirm("other") is None
    assert await second == Verdict(None, ("other",))


@simulated
async def test_another_watch_does_not_declare_the_passive_node_lost(world: World) -> None:
    await asyncio.sleep(100)
    asking = world.ask(LOSS, "joc")
    assert await world.confirm("other") == "ClusterWatchIdDoesNotMatch"
    assert await world.confirm("other", confirmer="me") is None, "unless a person says so"
    assert (await asking).manual_confirmer == "me"


@simulated
async def test_a_watch_started_again_replaces_its_former_run_for_good(world: World) -> None:
    first = world.ask(BEAT, "joc")
    assert await world.confirm("joc") is None
    await first
    former, world.run_ids["joc"] = world.run_ids["joc"], "a-new-run"
    second = world.ask(BEAT, "joc")
    assert await world.confirm("joc") is None
    await second
    world.run_ids["joc"] = former
    world.ask(BEAT, "joc")
    assert await world.confirm("joc") == "ClusterWatchIdNotUnique"


@simulated
async def test_two_of_three_watches_decide(world: World) -> None:
    asking = world.ask(LOSS, *THREE)
    assert await world.confirm("joc") is None
    await asyncio.sleep(1)
    assert not asking.done()
    assert await world.confirm("witness-1", problem="ClusterWatchInactiveNode") is None
    await asyncio.sleep(1)
    assert not asking.done(), "one against one"
    assert await world.confirm("other") == "ClusterWatchIdDoesNotMatch"
    assert await world.confirm("witness-2") is None
    verdict = await asking
    assert verdict.problem is None and set(verdict.ids) == {"joc", "witness-2"}


@simulated
async def test_two_of_three_watches_refuse(world: World) -> None:
    asking = world.ask(BEAT, *THREE)
    assert await world.confirm("joc", problem="ClusterWatchInactiveNode") is None
    assert await world.confirm("joc", problem="ClusterWatchInactiveNode") is None
    await asyncio.sleep(1)
    assert not asking.done(), "one watch has one vote"
    assert await world.confirm("witness-1", problem="ClusterWatchInactiveNode") is None
    verdict = await asking
    assert verdict.problem is not None and verdict.problem.code == "ClusterWatchInactiveNode"


@simulated
async def test_who_is_connected_is_known(world: World) -> None:
    arbiters = world.arbiters
    assert not arbiters.is_heard(()) and not arbiters.is_heard(("joc",))
    streams = [arbiters.requests(id_, 1.0) for id_ in ("joc", "witness-1")]
    for stream in streams:
        assert await anext(stream) == b""
    assert arbiters.is_heard(()) and arbiters.is_heard(("joc",)) and arbiters.is_heard(THREE)
    assert isinstance(streams[0], AsyncGenerator)
    await streams[0].aclose()
    assert not arbiters.is_heard(("joc",)) and not arbiters.is_heard(THREE)


@pytest.mark.parametrize("count", [1, 3])
def test_a_closed_node_ends_the_streams(count: int) -> None:
    async def main() -> None:
        arbiters = Arbiters(SeededRandom(1))

        async def read() -> int:
            return len([line async for line in arbiters.requests("joc", 1000.0)])

        reading = [asyncio.ensure_future(read()) for _ in range(count)]
        await asyncio.sleep(1)
        arbiters.close()
        assert await asyncio.gather(*reading) == [1] * count

    run(main())
