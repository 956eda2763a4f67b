"""The cleanup service on real tables: what it removes, what it leaves, and that nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bench.history_rows import DAY_MS, FIRST_MS, JOBS, fill
from sqlalchemy import func, insert, select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.cleanup.service import CleanupRun, CleanupService
from stellwerk.cockpit.cleanup.settings import CleanupSettings
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.daily_plan import dpl_history, dpl_order_variables, dpl_orders, dpl_submissions
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.history import (
    history_controllers,
    history_log_chunks,
    history_order_events,
    history_order_states,
    history_order_steps,
    history_orders,
)
from stellwerk.cockpit.database.tables.identity import iam_history, joc_audit_log, joc_audit_log_details
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.cockpit.database.tables.monitoring import (
    mon_alerts,
    mon_not_acknowledgements,
    mon_notifications,
    mon_outbox,
    mon_sysnotifications,
)
from stellwerk.cockpit.database.tables.settings import joc_configurations
from stellwerk.cockpit.settings.settings import Settings

ORDERS = 180
#: One order a day; this many days after the first one.
NOW_MS = FIRST_MS + 200 * DAY_MS
DAY_SECONDS = 86_400
#: Removes what started before day 100: orders 1 to 99.
AGE = 100 * DAY_SECONDS
LIVE = 50
FOREVER = 2**60
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class SteppedClock:
    """Shows `now`; each look takes `step`."""

    def __init__(self, step_ms: int = 0) -> None:
        self.now = NOW_MS
        self.step_ms = step_ms

    def now_ms(self) -> int:
        self.now += self.step_ms
        return self.now

    def zone(self) -> str:
        return "UTC"


async def with_history(database: Database) -> None:
    """An order a day, each with a child, states, events and output; one of them still at its Controller."""
    await fill(database, ORDERS, days=ORDERS)
    async with database.write() as connection:
        roots = (await connection.execute(select(history_orders))).mappings().all()
        children = [
            {**row, "id": ORDERS + row["id"], "parent_id": row["id"], "order_id": f"{row['order_id']}|b"}
            for row in roots
        ]
        await connection.execute(insert(history_orders), children)
        orders = range(1, 2 * ORDERS + 1)
        root = {number: (number - 1) % ORDERS + 1 for number in orders}
        await connection.execute(
            insert(history_order_states),
            [
                {
                    "ho_main_parent_id": root[number],
                    "ho_parent_id": 0,
                    "ho_id": number,
                    "state": 4,
                    "state_time": 1,
                    "state_event_id": 1,
                }
                for number in orders
            ],
        )
        await connection.execute(
            insert(history_order_events),
            [
                {
                    "ho_id": number,
                    "first_event_id": part,
                    "last_event_id": part,
                    "ho_main_parent_id": root[number],
                    "events": 1,
                    "content": b"{}",
                }
                for number in orders
                for part in (1, 2)
            ],
        )
        await connection.execute(
            insert(history_log_chunks),
            [
                {
                    "hos_id": task,
                    "first_event_id": part,
                    "first_line": part,
                    "last_line": part,
                    "first_byte": 0,
                    "bytes": 1,
                    "continues_line": False,
                    "content": b"[]",
                }
                for task in range(1, ORDERS * JOBS + 1)
                for part in (1, 2, 3)
            ],
        )
        order = {
            "controller_id": "controller",
            "order_id": "#live",
            "history_id": LIVE,
            "workflow_path": "hot",
            "workflow_version_id": "v1",
            "workflow_position": "0",
            "state": 3,
            "is_child": False,
            "started": FIRST_MS + LIVE * DAY_MS,
            "since": 1,
            "revision": 1,
            "data": b"",
        }
        await connection.execute(insert(live_orders), [order])
        run = {"controller_id": "controller", "timezone": "UTC"}
        await connection.execute(
            insert(history_controllers),
            [{**run, "ready_event_id": day, "ready_time": FIRST_MS + day * DAY_MS} for day in (1, 2, 99, 150)]
            + [{**run, "controller_id": "quiet", "ready_event_id": 1, "ready_time": FIRST_MS}],
        )


async def roots_of(database: Database) -> dict[str, list[int]]:
    """By table: the numbers of the root orders of whose rows some are there, sorted."""
    states, events, chunks = history_order_states.c, history_order_events.c, history_log_chunks.c
    queries: dict[str, Any] = {
        "orders": select(history_orders.c.main_parent_id).where(history_orders.c.parent_id == 0),
        "children": select(history_orders.c.main_parent_id).where(history_orders.c.parent_id > 0),
        "tasks": select(history_order_steps.c.ho_main_parent_id).distinct(),
        "states": select(states.ho_main_parent_id).distinct(),
        "events": select(events.ho_main_parent_id).distinct(),
        "logs": select((chunks.hos_id + JOBS - 1) / JOBS).distinct(),
    }
    async with database.read() as connection:
        return {
            name: sorted({int(number) for number in (await connection.execute(query)).scalars()})
            for name, query in queries.items()
        }


def service_of(cockpit: Cockpit, clock: Any) -> CleanupService:
    return CleanupService(cockpit.services.get(Fence), clock, cockpit.services.get(Settings))


YOUNG = list(range(100, ORDERS + 1))
KEPT = sorted([LIVE, *YOUNG])


async def test_old_orders_go_with_all_that_belongs_to_them_and_one_at_a_controller_stays(cockpit: Cockpit) -> None:
    database = cockpit.database
    await with_history(database)
    service = service_of(cockpit, SteppedClock())
    run = await service.run(CleanupSettings(order_history_age=AGE, batch_size=60), FOREVER)
    assert run.state == "COMPLETED"
    assert await roots_of(database) == dict.fromkeys(("orders", "children", "tasks", "states", "events", "logs"), KEPT)
    async with database.read() as connection:
        ready = history_controllers.c
        rows = await connection.execute(select(ready.controller_id, ready.ready_event_id).order_by(ready.ready_time))
        assert [tuple(row) for row in rows] == [("quiet", 1), ("controller", 150)]
    again = await service.run(CleanupSettings(order_history_age=AGE), FOREVER)
    assert sum(again.removed.values()) == 0


async def test_logs_go_before_their_orders_and_the_walk_goes_on_where_it_was(cockpit: Cockpit) -> None:
    database = cockpit.database
    await with_history(database)
    clock = SteppedClock()
    service = service_of(cockpit, clock)
    run = await service.run(CleanupSettings(order_history_logs_age=AGE, batch_size=50), FOREVER)
    everything = list(range(1, ORDERS + 1))
    expected = dict.fromkeys(("orders", "children", "tasks", "states"), everything) | {"events": KEPT, "logs": KEPT}
    assert await roots_of(database) == expected
    assert run.removed == {"history_logs": 98 * (JOBS * 3 + 2 * 2)}
    clock.now += 10 * DAY_MS
    run = await service.run(CleanupSettings(order_history_logs_age=AGE, batch_size=50), FOREVER)
    assert run.removed == {"history_logs": 10 * (JOBS * 3 + 2 * 2)}


@ON_SQLITE
async def test_a_run_that_its_period_ends_is_gone_on_with(cockpit: Cockpit) -> None:
    database = cockpit.database
    await with_history(database)
    settings = CleanupSettings(order_history_age=AGE, order_history_logs_age=AGE, audit_log_age=AGE, batch_size=50)
    clock = SteppedClock(step_ms=1000)
    clock.now -= 3_600_000  # it goes on until the end
    service = service_of(cockpit, clock)
    first = await service.run(settings, clock.now + 12_000, window=1)
    assert (first.state, first.remaining) == ("UNCOMPLETED", ["history_logs", "history", "auditlog"])
    assert 0 < first.removed["history_logs"] < 98 * 13
    assert await service.last_run() == first
    # The tasks that are left come first.
    first.remaining = ["history", "auditlog", "history_logs"]
    second = await service.run(settings, clock.now + 12_000, 2, first)
    assert second.remaining == ["history", "auditlog", "history_logs"]
    third = await service.run(settings, FOREVER, 3, second)
    assert (third.state, third.remaining) == ("COMPLETED", [])
    assert (await roots_of(database))["orders"] == KEPT


async def test_plans_deployments_audit_and_logins_go_by_their_ages(cockpit: Cockpit) -> None:
    database = cockpit.database
    async with database.write() as connection:
        for table in (joc_audit_log, iam_history):
            await connection.execute(table.delete())
        await _insert_plans(connection)
        await _insert_others(connection)
    settings = CleanupSettings(
        daily_plan_history_age=AGE,
        audit_log_age=AGE,
        profile_age=AGE,
        failed_login_history_age=10 * DAY_SECONDS,
        deployment_history_versions=2,
        batch_size=3,
    )
    run = await service_of(cockpit, SteppedClock()).run(settings, FOREVER)
    assert run.state == "COMPLETED"

    async def column(column: Any) -> list[Any]:
        async with database.read() as connection:
            return list((await connection.execute(select(column).order_by(column))).scalars())

    assert await column(dpl_submissions.c.id) == [2]
    assert await column(dpl_orders.c.order_id) == ["new-1", "new-2"]
    assert await column(dpl_order_variables.c.main_part) == ["new"]
    # What is being sent has no end yet.
    assert await column(dpl_history.c.order_id) == ["being sent", "new"]
    assert await column(dep_history.c.commit_id) == ["a-4", "a-5", "b-1"]
    assert await column(joc_audit_log.c.id) == [2]
    assert await column(joc_audit_log_details.c.audit_log_id) == [2]
    assert await column(iam_history.c.message) == ["a month ago", "failed yesterday"]
    assert await column(joc_configurations.c.account) == [".", "present", "young"]


async def test_notifications_and_ended_alerts_go_unless_something_is_left_to_do(cockpit: Cockpit) -> None:
    database = cockpit.database
    old, new = _old_and_new()
    base = {"controller_id": "controller", "created": old}
    async with database.write() as connection:
        order = {**base, "order_id": "#live", "history_id": LIVE, "workflow_path": "w", "workflow_version_id": "v"}
        order |= {"workflow_position": "0", "state": 4, "is_child": False, "since": 1, "revision": 1, "data": b""}
        order.pop("created")
        await connection.execute(insert(live_orders), [order])
        notification = {**base, "key_id": 1, "type": 1, "range": 0, "warn": 0, "notification_id": "", "data": "{}"}
        notification |= {"order_id": "#1", "history_id": 1, "main_id": 1, "workflow": "w", "is_open": True}
        notification |= {"alert_id": None, "message": "", "task_id": 0}
        changes: list[dict[str, Any]] = [
            {"message": "gone", "alert_id": 1},
            {"message": "young", "created": new, "alert_id": 2},
            {"message": "may recover", "main_id": LIVE},
            {"message": "recovered", "main_id": LIVE, "is_open": False},
            {"message": "to be sent"},
            {"message": "sent"},
        ]
        rows = [{**notification, "id": id_, "event_id": id_, **change} for id_, change in enumerate(changes, 1)]
        await connection.execute(insert(mon_notifications), rows)
        system = {**base, "type": 1, "category": 0, "source": "", "notifier": "", "message": "", "time": 1}
        await connection.execute(
            insert(mon_sysnotifications),
            [{**system, "id": 5, "key": "old"}, {**system, "id": 6, "key": "new", "created": new}],
        )
        sent = {"application": 0, "kind": "", "name": "", "content": "", "attempts": 0, "due": 1, "created": old}
        await connection.execute(
            insert(mon_outbox),
            [
                {**sent, "message_id": str(not_id), "not_id": not_id, "state": state, "modified": 1}
                for not_id, state in ((5, 0), (6, 1), (2, 1))
            ],
        )
        acknowledged = {"account": "root", "created": old}
        await connection.execute(
            insert(mon_not_acknowledgements),
            [{**acknowledged, "application": of, "not_id": id_} for of, id_ in ((0, 1), (0, 2), (1, 5), (1, 6))],
        )
        alert = {"kind": "failed", "severity": "error", "controller_id": "controller", "title": "", "occurrences": 1}
        alert |= {"first_time": old, "last_time": old, "state_time": old}
        states = ["resolved", "resolved", "open", "acknowledged", "resolved"]
        await connection.execute(
            insert(mon_alerts),
            [
                {**alert, "id": id_, "fingerprint": str(id_), "state": state, "state_time": new if id_ == 5 else old}
                for id_, state in enumerate(states, 1)
            ],
        )
    settings = CleanupSettings(notification_history_age=AGE, monitoring_history_age=AGE, batch_size=2)
    run = await service_of(cockpit, SteppedClock()).run(settings, FOREVER)
    assert run.state == "COMPLETED"

    async def column(column: Any) -> list[Any]:
        async with database.read() as connection:
            return list((await connection.execute(select(column).order_by(column))).scalars())

    assert await column(mon_notifications.c.message) == ["may recover", "to be sent", "young"]
    assert await column(mon_sysnotifications.c.key) == ["new"]
    assert await column(mon_outbox.c.not_id) == [2, 5]
    assert await column(mon_not_acknowledgements.c.not_id) == [2, 6]
    # 2 is named by a notification that stays, 3 and 4 are not over, 5 has ended just now.
    assert await column(mon_alerts.c.id) == [2, 3, 4, 5]


def _old_and_new() -> tuple[int, int]:
    return NOW_MS - 101 * DAY_MS, NOW_MS - 99 * DAY_MS


async def _insert_plans(connection: Any) -> None:
    old, new = "2026-04-09", "2026-04-12"
    base = {"controller_id": "controller", "user_account": "JS7", "complete": True, "created": 1}
    await connection.execute(
        insert(dpl_submissions),
        [{**base, "id": 1, "submission_for_date": old}, {**base, "id": 2, "submission_for_date": new}],
    )
    order = {
        "controller_id": "controller",
        "workflow_name": "w",
        "workflow_folder": "/",
        "schedule_name": "s",
        "schedule_folder": "/",
        "order_name": "n",
        "start_mode": 1,
        "submitted": False,
        "expected_end": 1,
        "created": 1,
        "modified": 1,
    }
    await connection.execute(
        insert(dpl_orders),
        [
            {
                **order,
                "submission_history_id": 1 if part == "old" else 2,
                "order_id": f"{part}-{number}",
                "main_part": part,
                "planned_start": number if part == "old" else 10 + number,
            }
            for part, numbers in (("old", range(5)), ("new", (1, 2)))
            for number in numbers
        ],
    )
    await connection.execute(
        insert(dpl_order_variables),
        [{"main_part": part, "variable_value": "{}", "modified": 1} for part in ("old", "new")],
    )
    sent = {
        "controller_id": "controller",
        "user_account": "JS7",
        "workflow_name": "w",
        "workflow_folder": "/",
        "scheduled_for": 1,
        "submitter": "m/1",
        "submission_time": 1,
        "created": 1,
        "message": None,
    }
    await connection.execute(
        insert(dpl_history),
        [
            {**sent, "order_id": "old", "daily_plan_date": old, "submitted": True},
            {**sent, "order_id": "refused", "daily_plan_date": old, "submitted": False, "message": "no"},
            {**sent, "order_id": "being sent", "daily_plan_date": old, "submitted": False},
            {**sent, "order_id": "new", "daily_plan_date": new, "submitted": True},
        ],
    )


async def _insert_others(connection: Any) -> None:
    old, new = _old_and_new()
    deployed = {
        "account": "root",
        "folder": "/",
        "type": 1,
        "controller_id": "controller",
        "operation": 0,
        "state": 0,
        "deployment_date": 1,
    }
    await connection.execute(
        insert(dep_history),
        [
            {**deployed, "path": f"/{name}", "name": name, "commit_id": f"{name}-{number}"}
            for name, count in (("a", 5), ("b", 1))
            for number in range(1, count + 1)
        ],
    )
    call = {"account": "root", "request": "x", "category": "OTHERS", "status": 200}
    await connection.execute(
        insert(joc_audit_log), [{**call, "id": 1, "created": old}, {**call, "id": 2, "created": new}]
    )
    await connection.execute(
        insert(joc_audit_log_details),
        [{"audit_log_id": id_, "type": "WORKFLOW", "path": "/w", "name": "w"} for id_ in (1, 1, 2)],
    )
    await connection.execute(
        insert(iam_history),
        [
            {
                "account_name": account,
                "login_date": NOW_MS - days * DAY_MS,
                "login_success": success,
                "message": message,
            }
            for account, days, success, message in (
                ("gone", 101, True, "long ago"),
                ("present", 30, True, "a month ago"),
                ("present", 11, False, "failed"),
                ("present", 1, False, "failed yesterday"),
            )
        ],
    )
    kept = {
        "configuration_type": "PROFILE",
        "object_type": "",
        "name": "",
        "controller_id": "",
        "configuration_item": "",
    }
    await connection.execute(
        insert(joc_configurations),
        [
            {**kept, "account": account, "modified": modified}
            for account, modified in (("gone", old), ("present", old), ("young", new), (".", old))
        ],
    )


@ON_SQLITE
async def test_who_wants_to_write_waits_for_one_batch_at_most(cockpit: Cockpit) -> None:
    """Not for the run: between two batches it is the turn of others, also when the cleanup is forced."""
    database = cockpit.database
    await with_history(database)
    service = service_of(cockpit, SteppedClock())
    settings = CleanupSettings(order_history_age=AGE, batch_size=10, force=True, pause_duration=60, pause_delay=30)
    batches = 0
    fence = service._fence

    class Counted:
        database = fence.database

        @staticmethod
        def write() -> Any:
            nonlocal batches
            batches += 1
            return fence.write()

    service._fence = Counted  # type: ignore[assignment]
    waits: list[int] = []

    async def others() -> None:
        while not run.done():
            before = batches
            async with database.write():
                waits.append(batches - before)
            await asyncio.sleep(0)

    run = asyncio.create_task(service.run(settings, FOREVER))
    await others()
    assert (await run).state == "COMPLETED"
    assert batches > 100
    assert len(waits) > 50
    # The batch under way, and one whose transaction has queued already.
    assert max(waits) <= 2


@ON_SQLITE
async def test_it_runs_on_demand_and_when_its_period_comes(cockpit: Cockpit, client: Any) -> None:
    database = cockpit.database
    await fill(database, 20, days=20)
    service = cockpit.services.get(CleanupService)

    async def left() -> int:
        async with database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(history_orders))).scalar_one())

    async def completed(after: int = 0) -> CleanupRun:
        async with asyncio.timeout(30):
            while True:
                run = await service.last_run()
                if run is not None and run.state == "COMPLETED" and run.started > after:
                    return run
                await asyncio.sleep(0.01)

    assert (await client.post("joc/cluster/run", {"type": "cleanup"}))["state"] == "RUNNING"
    run = await completed()
    assert (run.window, await left()) == (0, 0), "the orders of January are older than 90 days"
    off = {name: {"value": "0"} for name in _AGES}
    document = '{"cleanup": ' + str(off).replace("'", '"') + "}"
    await client.post("settings/store", {"configurationItem": document})
    assert (await client.post("joc/cluster/run", {"type": "cleanup"}))["state"] == "MISSING_CONFIGURATION"
    await fill_again(database)
    on = '{"cleanup": {"period": "1,2,3,4,5,6,7", "period_begin": "00:00", "period_end": "00:00"}}'
    await client.post("settings/store", {"configurationItem": on})
    assert (await completed(after=run.started)).window > 0
    assert await left() == 0
    assert (await client.post("joc/cluster/restart", {"type": "cleanup"}))["state"] == "RESTARTED"


_AGES = [
    "order_history_age",
    "order_history_logs_age",
    "daily_plan_history_age",
    "notification_history_age",
    "audit_log_age",
    "monitoring_history_age",
    "notification_history_age",
    "profile_age",
    "failed_login_history_age",
    "deployment_history_versions",
]


async def fill_again(database: Database) -> None:
    from stellwerk.cockpit.database.tables.inventory import inv_configurations

    async with database.write() as connection:
        await connection.execute(inv_configurations.delete())
    await fill(database, 20, days=20)
