"""F55: the active Cockpit changes while orders of the daily plan are submitted; each reaches the Controller once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from plan_world import EVERY_DAY, PlanWorld, at, in_days, schedule
from sqlalchemy import insert, select
from tests.cockpit.cluster.conftest import CockpitCluster, eventually
from tests.cockpit.operations.conftest import CONTROLLER_ID, PASSWORD, WORKFLOW, RecordingController

from stellwerk.cockpit.daily_plan import selection
from stellwerk.cockpit.daily_plan.service import DailyPlanService
from stellwerk.cockpit.database.tables.daily_plan import dpl_orders
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.json import encode

pytestmark = pytest.mark.postgresql

ORDERS = 60


@pytest.fixture
async def recording() -> Any:
    made = RecordingController()
    await made.server.start()
    yield made
    await made.server.stop()


async def _start(cluster: CockpitCluster, name: str) -> PlanWorld:
    credentials = cluster.folder / name / "private" / "controllers"
    credentials.mkdir(parents=True, exist_ok=True)
    (credentials / f"{CONTROLLER_ID}.toml").write_text(f'user = "cockpit"\npassword = "{PASSWORD}"\n')
    cockpit = await cluster.start(name)
    cockpit.services.get(DailyPlanService)._period = 0.1
    return PlanWorld(cockpit, await cluster.client(name), None)


async def test_the_active_member_changes_amid_submission(
    cluster: CockpitCluster, recording: RecordingController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_SLICE", 5)
    world = await _start(cluster, "a")
    await world.set(days_ahead_plan=2, days_ahead_submit=2)
    await _start(cluster, "b")
    node = {"url": recording.url, "role": "STANDALONE", "title": ""}
    await world.client.post("controller/register", {"controllerId": "", "controllers": [node]})
    await world.release("/days/every-day", EVERY_DAY, ObjectType.WORKINGDAYSCALENDAR)
    for number in range(ORDERS // 2):
        await world.release(f"/plans/s{number}", schedule(at(f"{number % 24:02}:{number:02}")))
    await _deployed(world)
    service = world.cockpit.services.get(DailyPlanService)
    assert await service.run_now() == "RUNNING"
    for turn, (old, new) in enumerate([("a", "b"), ("b", "a"), ("a", "b")], 1):
        wanted = min(len(recording.added) + 8, ORDERS)
        await eventually(lambda wanted=wanted: len(recording.added) >= wanted, f"{wanted} orders, turn {turn}")  # type: ignore[misc]
        await cluster.stop(old)
        await cluster.until_active(new)
        survivor = cluster.cockpits[new]
        assert await survivor.services.get(DailyPlanService).run_now() in ("RUNNING", "ALREADY_RUNNING")
        await _start(cluster, old)

    async def all_are_submitted() -> bool:
        some = next(iter(cluster.cockpits.values()))
        async with some.database.read() as connection:
            rows = list(await connection.execute(select(dpl_orders.c.submitted)))
        return len(rows) == ORDERS and all(row.submitted for row in rows)

    await eventually(all_are_submitted, "all orders are submitted")
    assert set(Counter(recording.added).values()) == {1}, "an order was sent twice"
    assert len(recording.added) == ORDERS
    assert {id_[:11] for id_ in recording.added} == {f"#{in_days(1)}", f"#{in_days(2)}"}


async def _deployed(world: PlanWorld) -> None:
    row = {
        "account": "root",
        "path": "/LOAD",
        "folder": "/",
        "name": "LOAD",
        "type": int(ObjectType.WORKFLOW),
        "controller_id": CONTROLLER_ID,
        "content": "{}",
        "inv_content": encode(WORKFLOW).decode(),
        "commit_id": "v1",
        "operation": 0,
        "state": 0,
        "deployment_date": 0,
    }
    async with world.cockpit.database.write() as connection:
        await connection.execute(insert(dep_history), [row])
