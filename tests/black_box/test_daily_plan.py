"""The daily plan on real processes: the Cockpit is killed amid generation and amid submission; orders start without it.

Released schedules are written into the Cockpit's database; all else is done and seen through the API.
"""

from __future__ import annotations

import collections
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import witness
from up_process import Api, UpProcess, shell_job, wait_until, workflow_of

EVERY_DAY = {"includes": {"weekdays": [{"days": [0, 1, 2, 3, 4, 5, 6]}]}}
QUICK: dict[str, Any] = {"instructions": [{"TYPE": "EmptyInstruction"}]}
SCHEDULE, CALENDAR = 7, 60
KILLS = 3


class Plan:
    """The Cockpit's database, and what the tests do with the plan."""

    def __init__(self, up: UpProcess) -> None:
        self.up = up
        self.file = up.data / "cockpit" / "cockpit.sqlite"
        self._cid = 0

    def release(self, path: str, content: Any, type_: int = SCHEDULE) -> None:
        self._cid += 1
        folder, _, name = path.rpartition("/")
        with closing(sqlite3.connect(self.file, timeout=60)) as connection, connection:
            connection.execute(
                "INSERT INTO inv_released_configurations (type, path, cid, name, folder, content, created, modified)"
                " VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
                (type_, path, self._cid, name, folder or "/", json.dumps(content)),
            )

    def schedules(self, count: int, workflow: str, period: Any) -> None:
        self.release("/days/every-day", EVERY_DAY, CALENDAR)
        assignment = {"calendarName": "every-day", "timeZone": "Etc/UTC", "periods": [period]}
        for number in range(count):
            content = {"workflowNames": [workflow], "planOrderAutomatically": True, "calendars": [assignment]}
            self.release(f"/plans/s{number}", content)

    def rows(self, columns: str = "order_id, schedule_name, planned_start, main_part, submitted") -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(f"SELECT {columns} FROM dpl_orders").fetchall()

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=60)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def post(self, path: str, body: Any) -> threading.Thread:
        """A call that nobody may live to answer."""
        api: Api = self.up.api()
        thread = threading.Thread(target=api.call, args=(path, {"controllerId": "controller", **body}), daemon=True)
        thread.start()
        return thread

    def kill_amid(self, path: str, body: Any, table: str, thresholds: list[int]) -> int:
        """Repeat a call, and kill the Cockpit each time when so many rows are there; gives how often it was amid."""
        amid = 0
        for threshold in thresholds:
            call = self.post(path, body)
            wait_until(
                lambda needed=threshold, call=call: self.count(table) >= needed or not call.is_alive(),  # type: ignore[misc]
                lambda needed=threshold: f"{needed} rows in {table}; there are {self.count(table)}",  # type: ignore[misc]
            )
            amid += call.is_alive()
            self.up.kill("cockpit")
            call.join(60)
            self.up.restart("cockpit")
        return amid


@pytest.fixture
def plan(installation: UpProcess) -> Iterator[Plan]:
    yield Plan(installation)


def test_a_cockpit_that_is_killed_amid_generation_plans_every_order_once(plan: Plan) -> None:
    plan.up.api().deploy("/QUICK", QUICK)
    days = [str(datetime.now(UTC).date() + timedelta(days=number)) for number in range(1, 31)]
    plan.schedules(120, "QUICK", {"begin": "00:00", "end": "24:00", "repeat": "02:00:00"})
    body = {"dailyPlanDates": days}
    expected = 120 * 30 * 12
    thresholds = [expected * part // (KILLS + 2) for part in range(1, KILLS + 1)]
    amid = plan.kill_amid("daily_plan/orders/generate", body, "dpl_orders", thresholds)
    assert amid == KILLS, f"{amid} of {KILLS} kills hit the generation"
    assert len(plan.rows()) < expected, "all was planned before the last kill"
    plan.up.api().post("daily_plan/orders/generate", {"controllerId": "controller", **body})
    rows = plan.rows()
    assert len(rows) == expected
    assert len({row[0] for row in rows}) == len({row[1:3] for row in rows}) == expected
    assert set(collections.Counter(row[3] for row in rows).values()) == {12}, "a cycle is not whole"


def test_a_cockpit_that_is_killed_amid_submission_loses_and_doubles_no_order(plan: Plan) -> None:
    """The orders start and end at once and are deleted: the Controller would take them a second time."""
    plan.up.api().deploy("/QUICK", QUICK)
    plan.schedules(2500, "QUICK", {"singleStart": "00:00:00"})
    today = str(datetime.now(UTC).date())
    request = {"controllerId": "controller", "dailyPlanDate": today, "includeLate": True}
    plan.up.api().post("daily_plan/orders/generate", request)
    assert plan.count("dpl_orders") == 2500
    body = {"dailyPlanDateFrom": today}
    amid = plan.kill_amid("daily_plan/orders/submit", body, "dpl_history", [100, 1000, 2000])
    assert amid == KILLS, f"{amid} of {KILLS} kills hit the submission"
    plan.up.api().post("daily_plan/orders/submit", {"controllerId": "controller", **body})
    rows = plan.rows()
    assert all(row[4] for row in rows), "an order is not submitted"
    planned = collections.Counter(row[0] for row in rows)
    ran: collections.Counter[str] = collections.Counter()

    def all_have_run() -> bool:
        with closing(sqlite3.connect(f"file:{plan.file}?mode=ro", uri=True, timeout=60)) as connection:
            ran.clear()
            ran.update(row[0] for row in connection.execute("SELECT order_id FROM history_orders WHERE state = 8"))
        return set(planned) <= set(ran)

    wait_until(all_have_run, lambda: f"the end of {len(planned)} orders; {len(ran)} have ended")
    assert ran == planned, f"run twice: {[id_ for id_, count in ran.items() if count > 1]}"


def test_orders_start_at_their_times_while_cockpit_and_controller_are_down(plan: Plan, tmp_path: Path) -> None:
    """And later the history is complete: times, logs and events as if somebody had watched."""
    witness.prepare(tmp_path)
    api = plan.up.api()
    jobs = {
        "first": witness.witness_job("agent-1", tmp_path, '"0"'),
        "second": witness.witness_job("agent-1", tmp_path, '"0"'),
        "told": shell_job("agent-1", "echo nobody listened"),
    }
    api.deploy("/JOB", workflow_of(jobs))
    start = (datetime.now(UTC) + timedelta(seconds=25)).replace(microsecond=0)
    plan.schedules(3, "JOB", {"singleStart": f"{start:%H:%M:%S}"})
    request = {"controllerId": "controller", "dailyPlanDate": str(start.date()), "withSubmit": True}
    api.post("daily_plan/orders/generate", request)

    def all_are_attached() -> bool:
        orders = api.post("orders", {"controllerId": "controller"})["orders"]
        return len(orders) == 3 and all(item.get("attachedState", {}).get("TYPE") == "Attached" for item in orders)

    wait_until(all_are_attached, "three orders attached to their Agent")
    plan.up.kill("cockpit")
    plan.up.kill("controller")
    assert witness.count_starts(tmp_path) == 0, "too slow: orders have started before the kill"

    def have_ended() -> bool:
        return sum(attempt.has_ended for attempt in witness.read(tmp_path).attempts.values()) == 6

    wait_until(have_ended, "the ends of six jobs")
    back = datetime.now(UTC)
    plan.up.restart("controller")
    plan.up.restart("cockpit")
    day = date.fromisoformat(request["dailyPlanDate"])  # type: ignore[arg-type]

    def all_are_finished() -> bool:
        asked = {"controllerIds": ["controller"], "dailyPlanDateFrom": str(day)}
        items = plan.up.api().post("daily_plan/orders", asked)["plannedOrderItems"]
        return [item["state"]["_text"] for item in items] == ["FINISHED"] * 3

    wait_until(all_are_finished, "three finished orders in the plan")
    api = plan.up.api()
    tasks, history = api.tasks(), api.history()
    witnessed = [task for task in tasks if task["label"] != "told"]
    assert not witness.compare(witness.read(tmp_path), witnessed)
    assert collections.Counter(task["label"] for task in tasks) == {"first": 3, "second": 3, "told": 3}
    for order_id, *_ in plan.rows():
        item = history[order_id]
        assert item["state"]["_text"] == "SUCCESSFUL"
        # The Agent's times, not those at which the Controller has heard of it.
        assert start <= _instant(item["startTime"]) < back
        own = [task for task in tasks if task["orderId"] == order_id]
        assert [task["label"] for task in own] == ["first", "second", "told"]
        assert all(start <= _instant(task["startTime"]) < back for task in own[:2])
        assert "[STDOUT]  nobody listened\n" in api.log(own[2]["taskId"])
        events = api.events(order_id)
        counted = collections.Counter(event["type"] for event in events)
        once = ("OrderAdded", "OrderAttached", "OrderStarted", "OrderDetached", "OrderFinished")
        assert [counted[kind] for kind in once] == [1] * 5
        assert counted["OrderProcessingStarted"] == counted["OrderProcessed"] == 3
        assert [event["eventId"] for event in events] == sorted({event["eventId"] for event in events})
    found = api.get("stellwerk/history/search?text=nobody%20listened")["hits"]
    assert {hit["task"]["orderId"] for hit in found} == {row[0] for row in plan.rows()}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
