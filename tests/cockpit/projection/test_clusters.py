"""What happens to pairs of nodes is kept: of Controllers and of Directors, to a length (cluster spec 1.4, 2.2)."""

from __future__ import annotations

from typing import Any

from tests.cockpit.projection.test_projection import FIRST, batches, project, stream

from stellwerk.cockpit.controllers.cluster_history import ClusterChange, cluster_changes
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.projection.snapshot import SnapshotLoader
from stellwerk.cockpit.projection.writer import KEPT_CLUSTER_EVENTS

SETTING = {"idToUri": {"Primary": "http://a", "Backup": "http://b"}, "activeId": "Primary"}
APPOINTED = {"TYPE": "ClusterNodesAppointed", "setting": SETTING}
PREPARED = {"TYPE": "ClusterCouplingPrepared", "activeId": "Primary"}
COUPLED = {"TYPE": "ClusterCoupled", "activeId": "Primary"}
FAILED_OVER = {
    "TYPE": "ClusterFailedOver",
    "failedActiveId": "Primary",
    "activatedId": "Backup",
    "failedAt": {"fileEventId": 0, "position": 1},
}


def time(number: int) -> int:
    """Of the event with this number, epoch milliseconds."""
    return FIRST // 1000 + number * 1000


async def changes(database: Database, agent_id: str = "") -> list[ClusterChange]:
    async with database.read() as connection:
        return list((await cluster_changes(connection)).get(("controller", agent_id), ()))


async def test_a_fail_over_is_kept_with_its_time_and_the_node_that_was_lost(database: Database) -> None:
    registered = {"TYPE": "ClusterWatchRegistered", "clusterWatchId": "joc"}
    await project(database, [APPOINTED, PREPARED, registered, COUPLED, FAILED_OVER])
    assert await changes(database) == [
        ClusterChange("FailedOver", time(4), "ClusterFailedOver", "Backup", "Primary"),
        ClusterChange("Coupled", time(3), "ClusterCoupled", "Primary"),
        ClusterChange("PreparedToBeCoupled", time(1), "ClusterCouplingPrepared", "Primary"),
        ClusterChange("NodesAppointed", time(0), "ClusterNodesAppointed", "Primary"),
    ]


async def test_who_goes_on_alone_is_known_though_the_event_names_only_the_lost_node(database: Database) -> None:
    await project(database, [APPOINTED, COUPLED, {"TYPE": "ClusterPassiveLost", "id": "Backup"}])
    lost = (await changes(database))[0]
    assert (lost.state, lost.active, lost.lost) == ("PassiveLost", "Primary", "Backup")


async def test_directors_have_a_history_of_their_own_that_goes_with_the_agent(database: Database) -> None:
    def mirrored(event: dict[str, Any]) -> dict[str, Any]:
        return {"Key": "A", "TYPE": "AgentMirroredEvent", "event": event}

    problem = {"TYPE": "ClusterNodeLossNotConfirmedProblem", "fromNodeId": "Backup", "event": FAILED_OVER}
    asked = {"Key": "A", "TYPE": "AgentClusterWatchConfirmationRequired", "problem": problem}
    confirmed = {"Key": "A", "TYPE": "AgentClusterWatchManuallyConfirmed"}
    story = [APPOINTED, mirrored(APPOINTED), mirrored(COUPLED), asked, confirmed, mirrored(FAILED_OVER)]
    await project(database, story)
    assert [(change.state, change.lost) for change in await changes(database, "A")] == [
        ("FailedOver", "Primary"),
        ("NodeLossConfirmed", None),
        ("NodeLossToBeConfirmed", "Primary"),
        ("Coupled", None),
        ("NodesAppointed", None),
    ]
    assert len(await changes(database)) == 1
    await project(database, [*story, {"TYPE": "ItemDeleted", "key": "Agent:A"}])
    assert await changes(database, "A") == []
    assert len(await changes(database)) == 1


async def test_a_snapshot_tells_the_state_and_not_since_when(database: Database) -> None:
    writer = await project(database, [APPOINTED, COUPLED])
    snapshot = FIRST + 10_000_000_000
    lost = {"TYPE": "PassiveLost", "setting": {**SETTING, "activeId": "Backup"}}
    await SnapshotLoader(writer).load(
        batches(
            {"TYPE": "SnapshotEventId", "eventId": snapshot},
            {"TYPE": "ClusterStateSnapshot", "clusterState": lost},
            {
                "TYPE": "AgentRefState",
                "agentRef": {"path": "A", "directors": ["A-1"]},
                "clusterState": {"TYPE": "Empty"},
            },
        ),
        now_ms=snapshot // 1000,
        is_gap=True,
    )
    assert (await changes(database))[0] == ClusterChange("PassiveLost", active="Backup")
    assert await changes(database, "A") == []


async def test_only_the_newest_events_are_kept(database: Database) -> None:
    writer = await project(database, [APPOINTED])
    flapping = [COUPLED, {"TYPE": "ClusterPassiveLost", "id": "Backup"}] * KEPT_CLUSTER_EVENTS
    await writer.project(stream(*flapping, first=FIRST + 10**9))
    kept = await changes(database)
    assert len(kept) == KEPT_CLUSTER_EVENTS
    assert kept[0].state == "PassiveLost"
