"""Real Cockpits on one PostgreSQL database: who is active, and that nobody else writes (cluster.md 4, F52 to F56)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cluster_nodes import NodeCluster
from database_proxy import DatabaseProxy
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from tests.cockpit.cluster.conftest import CockpitCluster, eventually, register

from stellwerk.cluster.watch import Knowledge
from stellwerk.cockpit.application import Cockpit, add_standard_services
from stellwerk.cockpit.cluster.active_services import ActiveServices
from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.cluster.members import DuplicateMemberError
from stellwerk.cockpit.cluster.watch import WatchControl, WatchKnowledge
from stellwerk.cockpit.database.fence import NotActiveError
from stellwerk.cockpit.database.tables.cluster import joc_cluster
from stellwerk.cockpit.database.tables.registry import joc_variables
from stellwerk.engine.cluster import Coupled, PassiveLost
from stellwerk.engine.events.cluster import ClusterSetting, ClusterTiming

pytestmark = pytest.mark.postgresql


@pytest.fixture
async def proxy(postgresql_url: str) -> AsyncIterator[DatabaseProxy]:
    made = DatabaseProxy(postgresql_url)
    made.start()
    yield made
    made.remove()


async def term(cluster: CockpitCluster) -> int:
    return int(await cluster.scalar(select(joc_cluster.c.term)))


async def variables(cluster: CockpitCluster) -> list[str]:
    some = next(iter(cluster.cockpits.values()))
    async with some.database.read() as connection:
        return list((await connection.execute(select(joc_variables.c.name))).scalars())


async def test_the_first_member_is_active_and_the_others_wait(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await cluster.start("api", as_api_server=True)
    assert cluster.active() == ["a"]
    client = await cluster.client("b")
    shown = {item["title"]: item for item in (await client.post("jocs", {}))["jocs"]}
    assert {title: item["clusterNodeState"]["_text"] for title, item in shown.items()} == {
        "a": "active",
        "b": "inactive",
        "api": "api-server",
    }
    assert [shown[name]["instanceId"] for name in ("a", "b", "api")] == ["joc#0", "joc#1", "api#2"]
    assert [shown[name]["current"] for name in ("a", "b", "api")] == [False, True, False]
    assert shown["a"]["url"].endswith(f":{cluster.cockpits['a'].port}")
    for name, is_active in (("a", True), ("b", False)):
        one = await cluster.client(name)
        assert await one.post("joc/is_active") is is_active
        async with cluster.http.get(f"{one.base}/health") as response:
            health = await response.json()
        assert (health["role"], health["term"]) == ("active" if is_active else "passive", 1)
        async with cluster.http.get(f"{one.base}/metrics") as response:
            assert f"stellwerk_cockpit_active {float(is_active)}" in await response.text()


async def test_an_orderly_stop_hands_the_role_over_at_once(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await cluster.start("c")
    await cluster.stop("a")
    await eventually(lambda: len(cluster.active()) == 1)
    assert await term(cluster) == 2
    [active] = cluster.active()
    await cluster.start("a")
    assert cluster.active() == [active]


async def test_members_that_race_for_a_free_row_have_one_winner(cluster: CockpitCluster) -> None:
    """F54."""
    await asyncio.gather(*(cluster.start(name) for name in "abc"))
    assert len(cluster.active()) == 1
    assert await term(cluster) == 1
    orderings = sorted(member.ordering for member in await cluster.members("a").all())
    assert orderings == [0, 1, 2]
    row = await cluster.members("a").row()
    assert row is not None
    won = await asyncio.gather(*(cluster.members(name).take_over(row, row.term + 1) for name in "abc"))
    # The active member may have renewed the role in between: then nobody has won.
    assert won.count(True) <= 1
    await eventually(lambda: len(cluster.active()) == 1)


async def test_a_member_that_loses_the_database_stops_before_another_starts(
    cluster: CockpitCluster, proxy: DatabaseProxy
) -> None:
    """F53."""
    await cluster.start("a", url=proxy.database_url)
    await cluster.start("b")
    assert cluster.active() == ["a"]
    actives: set[tuple[str, ...]] = set()

    def watch() -> list[str]:
        actives.add(tuple(cluster.active()))
        return cluster.active()

    proxy.stand_still()
    await eventually(lambda: watch() == ["b"])
    assert actives <= {("a",), (), ("b",)}
    with pytest.raises(NotActiveError):
        async with cluster.fence("a").write():
            pytest.fail("the fence is open")
    proxy.flow()
    await eventually(lambda: cluster.membership("a").term == 2)
    assert cluster.active() == ["b"]
    # And back, with broken connections.
    proxy.refuse()
    await cluster.stop("b")
    proxy.start()
    await cluster.until_active("a")


async def test_what_a_member_had_begun_to_write_is_not_committed_after_it_has_been_replaced(
    cluster: CockpitCluster, proxy: DatabaseProxy
) -> None:
    """F52: the member stands still amid a transaction of an active service."""
    await cluster.start("a", url=proxy.database_url)
    await cluster.start("b")
    with pytest.raises(DBAPIError):
        async with cluster.fence("a").write() as connection:
            await connection.execute(insert(joc_variables), [{"name": "late"}])
            proxy.stand_still()
            await eventually(lambda: cluster.active() == ["b"])
            proxy.flow()
    assert "late" not in await variables(cluster)
    async with cluster.fence("b").write() as connection:
        await connection.execute(insert(joc_variables), [{"name": "timely"}])
    assert "timely" in await variables(cluster)


async def test_a_transaction_that_is_under_way_commits_before_the_next_member_takes_over(
    cluster: CockpitCluster,
) -> None:
    await cluster.start("a")
    await cluster.start("b")
    row = await cluster.members("b").row()
    assert row is not None
    async with cluster.fence("a").write() as connection:
        await connection.execute(insert(joc_variables), [{"name": "first"}])
        taking = asyncio.create_task(cluster.members("b")._compare_and_set(row, {}, changes_member=True))
        done, _ = await asyncio.wait({taking}, timeout=0.3)
        assert not done
    await taking
    assert "first" in await variables(cluster)


async def test_a_row_taken_away_closes_the_fence_at_once_whatever_the_own_lease_says(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    fence = cluster.fence("a")
    await cluster.scalar("UPDATE joc_cluster SET member_id = 'somebody', term = term + 1 RETURNING term")
    with pytest.raises(NotActiveError):
        async with fence.write():
            pytest.fail("the fence is open")
    assert fence.term is None
    assert cluster.active() == []
    await cluster.until_active("a")  # nobody renews it
    assert await term(cluster) == 3


async def test_a_jump_of_the_databases_clock_changes_nothing(cluster: CockpitCluster) -> None:
    """F56: `clock_timestamp` of the database is shadowed by one that can jump."""
    await cluster.start("setup")
    database = await cluster.scalar("SELECT current_database()")
    for statement in (
        "CREATE TABLE jump (seconds integer)",
        "INSERT INTO jump VALUES (0)",
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
        "'SELECT pg_catalog.clock_timestamp() + (SELECT seconds FROM public.jump) * interval ''1 second'''",
        f"ALTER DATABASE {database} SET search_path = public, pg_catalog",
    ):
        async with cluster.cockpits["setup"].database.write() as connection:
            await connection.execute(text(statement))
    await cluster.stop("setup")
    await cluster.start("a")
    await cluster.start("b")
    before = await term(cluster)
    for seconds in (120, -3600, 0):
        heart_beat = int(await cluster.scalar(f"UPDATE jump SET seconds = {seconds} RETURNING 0"))
        heart_beat = int(await cluster.scalar(select(joc_cluster.c.heart_beat)))

        async def goes_on(than: int = heart_beat) -> bool:
            return int(await cluster.scalar(select(joc_cluster.c.heart_beat))) > than + 5

        await eventually(goes_on)
        assert cluster.active() == ["a"]
    assert await term(cluster) == before


class Recorder:
    """An active service that notes its life."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures = 0

    async def start(self, mode: StartMode) -> None:
        self.calls.append(mode.value)
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("not today")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def run_now(self) -> str:
        self.calls.append("run")
        return "RUNNING"


async def test_active_services_are_told_why_they_start(cluster: CockpitCluster, monkeypatch: Any) -> None:
    recorders: list[Recorder] = []

    def add(cockpit: Cockpit) -> None:
        add_standard_services(cockpit)
        recorders.append(Recorder())
        cockpit.services.get(ActiveServices).add("cleanup", recorders[-1])

    monkeypatch.setattr("stellwerk.cockpit.application.add_standard_services", add)
    await cluster.start("a")
    await cluster.start("b")
    first, second = recorders
    assert (first.calls, second.calls) == (["automatic"], [])
    client = await cluster.client("a")
    assert (await client.post("joc/cluster/restart", {"type": "cleanup"}))["state"] == "RESTARTED"
    assert first.calls == ["automatic", "stop", "manual_restart"]
    first.failures = 1
    await client.post("joc/cluster/restart", {"type": "cluster"}, status=420)
    await eventually(lambda: first.calls[-1] == "automatic")  # tried again
    assert (await client.post("joc/cluster/run", {"type": "cleanup"}))["state"] == "RUNNING"
    assert (await client.post("joc/cluster/run", {"type": "dailyplan"}))["state"] == "RUNNING"
    assert (await client.post("joc/cluster/restart", {"type": "monitor"}))["state"] == "RESTARTED"
    assert (await client.post("joc/cluster/restart", {"type": "lognotification"}))["state"] == "MISSING_HANDLERS"
    passive = await cluster.client("b")
    for path in ("run", "restart"):
        refused = await passive.post(f"joc/cluster/{path}", {"type": "cleanup"}, status=420)
        assert refused["error"]["code"] == "JOC-503"
    assert (await passive.post("joc/cluster/restart", {"type": "cluster"}))["state"] == "RESTARTED"
    await cluster.stop("a")
    assert first.calls[-1] == "stop"
    await eventually(lambda: second.calls == ["failover"])


@pytest.mark.parametrize("asked", ["a", "b"])
async def test_a_switch_over_makes_the_named_member_active(cluster: CockpitCluster, asked: str) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await cluster.start("c")
    client = await cluster.client(asked)
    target = cluster.membership("c").member_id
    answer = await client.post("joc/cluster/switch_member", {"memberId": target})
    assert (answer["type"], answer["state"]) == ("cluster", "SWITCH_MEMBER")
    await cluster.until_active("c")
    again = await client.post("joc/cluster/switch_member", {"memberId": target})
    assert again["state"] == "ALREADY_STARTED"
    row = await cluster.members("c").row()
    assert row is not None and row.switch_member_id is None


async def test_a_switch_over_to_nobody_is_refused_with_the_reason(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    await cluster.start("api", as_api_server=True)
    client = await cluster.client("a")
    gone, api = cluster.membership("b").member_id, cluster.membership("api").member_id
    active = cluster.membership("a").member_id
    running = await client.post("joc/cluster/delete_member", {"memberId": gone}, status=420)
    assert "is running" in running["error"]["message"]
    await cluster.stop("b")
    for member_id, reason in ((gone, "is not running"), (api, "is an API server"), ("x", "there is no member")):
        refused = await client.post("joc/cluster/switch_member", {"memberId": member_id}, status=420)
        assert reason in refused["error"]["message"]
    refused = await client.post("joc/cluster/delete_member", {"memberId": active}, status=420)
    assert "is the active member" in refused["error"]["message"]
    await client.post("joc/cluster/delete_member", {"memberId": gone})
    assert len((await client.post("jocs", {}))["jocs"]) == 2
    await cluster.stop("a")
    await eventually(lambda: cluster.membership("api").active_member_id is None)
    assert cluster.active() == []


async def test_the_ordering_of_a_running_member_is_taken(cluster: CockpitCluster) -> None:
    await cluster.start("a", ordering=3)
    with pytest.raises(DuplicateMemberError, match="ordering 3"):
        await cluster.start("b", ordering=3)
    await cluster.stop("a")
    await cluster.start("b", ordering=3)
    assert [member.title for member in await cluster.members("b").all()] == ["b"]


async def test_a_member_that_was_taken_for_dead_and_deleted_registers_again(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    client = await cluster.client("a")
    [before] = (await client.post("jocs", {}))["jocs"]
    await cluster.members("a").delete(before["memberId"])

    async def is_back() -> bool:
        return bool((await client.post("jocs", {}))["jocs"])

    await eventually(is_back)
    [after] = (await client.post("jocs", {}))["jocs"]
    same = ("memberId", "url", "title", "instanceId")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert cluster.active() == ["a"]


async def test_knowledge_of_the_watch_is_written_by_the_active_member_only(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    coupled = Knowledge(Coupled(setting=SETTING, revision=7), is_reported=False)
    of_a = cluster.cockpits["a"].services.get(WatchKnowledge)
    of_b = cluster.cockpits["b"].services.get(WatchKnowledge)
    assert await of_b.read("c") is None
    await of_a.write("c", coupled)
    with pytest.raises(NotActiveError):
        await of_b.write("c", Knowledge(PassiveLost(setting=SETTING)))
    assert await of_b.read("c") == coupled
    await cluster.stop("a")
    await cluster.until_active("b")
    await of_b.write("c", Knowledge(PassiveLost(setting=SETTING)))
    assert await of_b.read("c") == Knowledge(PassiveLost(setting=SETTING))
    await of_b.forget("c")
    assert await of_b.read("c") is None


SETTING = ClusterSetting(
    id_to_uri={"Primary": "http://a", "Backup": "http://b"},
    active_id="Primary",
    timing=ClusterTiming(heartbeat=3, heartbeat_timeout=10),
)


class Watch(Recorder):
    """What a watch of Controller pairs is to the Cockpit: an active service and the `WatchControl`."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: str | None = "Primary"

    async def confirm_node_loss(self, controller_id: str, lost_node_id: str | None, confirmer: str) -> None:
        self.calls.append(f"{controller_id} {lost_node_id} {confirmer}")
        self.lost = None

    def node_to_confirm(self, controller_id: str) -> str | None:
        return self.lost


async def test_a_watch_is_an_active_service_that_people_can_talk_to(
    cluster: CockpitCluster, pair: NodeCluster, monkeypatch: Any
) -> None:
    watches: list[Watch] = []

    def add(cockpit: Cockpit) -> None:
        add_standard_services(cockpit)
        watches.append(Watch())
        cockpit.services.get(ActiveServices).add("controller-watch", watches[-1])
        cockpit.services.add(watches[-1], WatchControl, is_started_here=False)

    monkeypatch.setattr("stellwerk.cockpit.application.add_standard_services", add)
    await cluster.start("a")
    await cluster.start("b")
    client = await cluster.client("a")
    await register(client, pair)
    request = {"controllerId": "controller"}
    shown = await client.post("controller/components", request)
    assert shown["clusterState"] == {"_text": "ClusterNodeLossToBeConfirmed", "severity": 2, "lossNode": "Primary"}
    assert [node["componentState"]["_text"] for node in shown["controllers"]] == ["inoperable", "operational"]
    await client.post("controller/cluster/confirm_node_loss", {**request, "url": pair.primary.url})
    shown = await client.post("controller/components", request)
    assert shown["clusterState"]["_text"] == "ClusterCoupled"
    unknown = {**request, "url": "http://other:1"}
    await client.post("controller/cluster/confirm_node_loss", unknown, status=420)
    await client.post("controller/cluster/confirm_node_loss", request)
    assert watches[0].calls == ["automatic", "controller Primary root", "controller None root"]
    assert watches[1].calls == []


async def test_confirmed_node_loss_is_for_the_watch_of_the_active_member(
    cluster: CockpitCluster, pair: NodeCluster
) -> None:
    await cluster.start("a")
    await cluster.start("b")
    active, passive = await cluster.client("a"), await cluster.client("b")
    await register(active, pair)
    request = {"controllerId": "controller", "url": pair.primary.url}
    answer = await passive.post("controller/cluster/confirm_node_loss", request, status=420)
    assert answer["error"]["code"] == "JOC-503"
    answer = await active.post("controller/cluster/confirm_node_loss", request, status=420)
    assert "nobody has asked for its loss" in answer["error"]["message"]
