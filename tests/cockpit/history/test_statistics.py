"""Figures of runs, on both databases, against what Python makes of the same rows; and the compatible summaries."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from bench.history_rows import DAY_MS, FIRST_MS, fill
from sqlalchemy import select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.history import history_order_steps, history_orders
from stellwerk.cockpit.history import statistics
from stellwerk.cockpit.live.names import WorkflowNames

SPAN = {"from": "2026-01-03T06:00", "to": "2026-01-06"}
BEGIN, END = FIRST_MS + 2 * DAY_MS + DAY_MS // 4, FIRST_MS + 5 * DAY_MS


@pytest.fixture
async def rows(cockpit: Cockpit) -> dict[str, list[Any]]:
    """1,800 orders within ten days."""
    await fill(cockpit.database, 1800, days=10)
    await cockpit.services.get(WorkflowNames).refresh()
    async with cockpit.database.read() as connection:
        tables = {"orders": history_orders, "tasks": history_order_steps}
        return {name: list((await connection.execute(select(table))).all()) for name, table in tables.items()}


def percentile(durations: list[int], percent: int) -> int:
    return sorted(durations)[-(-len(durations) * percent // 100) - 1]


async def test_figures_are_those_of_the_rows(
    rows: dict[str, list[Any]], client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "stellwerk/stats"
    for of in ("orders", "tasks"):
        span = [row for row in rows[of] if BEGIN <= row.start_time < END]
        answer = await client.get(f"{path}/throughput", of=of, bucket=3600, **SPAN)
        assert (answer["from"], answer["to"], answer["isWhole"], len(answer["buckets"])) == (BEGIN, END, True, 66)
        counted = Counter(((row.start_time - BEGIN) // 3_600_000, row.severity) for row in span)
        for number, bucket in enumerate(answer["buckets"]):
            figures = (bucket["successful"], bucket["incomplete"], bucket["failed"])
            assert figures == tuple(counted[number, severity] for severity in (0, 1, 2))

        answer = await client.get(f"{path}/durations", of=of, q="workflow:hot", **SPAN)
        for line in answer["rows"]:
            assert line["workflow"] == "/team-0/hot"
            own = [
                row for row in span if row.workflow_name == "hot" and (of == "orders" or row.job_name == line["job"])
            ]
            durations = [row.end_time - row.start_time for row in own]
            expected = [percentile(durations, percent) for percent in (50, 90, 99, 100)]
            assert [line[name] for name in ("p50", "p90", "p99", "longest")] == expected
            assert line["total"] == sum(durations)
            assert (line["count"], line["failed"]) == (len(own), sum(row.severity == 2 for row in own))
        totals = [line["total"] for line in answer["rows"]]
        assert totals == sorted(totals, reverse=True)

        answer = await client.get(f"{path}/failures", of=of, **SPAN)
        assert sum(line["count"] for line in answer["rows"]) == sum(row.severity == 2 for row in span)
        assert {line["error"] for line in answer["rows"]} == {"disk quota exceeded"}

    answer = await client.get(f"{path}/agents", **SPAN)
    span = [row for row in rows["tasks"] if BEGIN <= row.start_time < END]
    busy: Counter[str] = Counter()
    for row in span:
        busy[row.agent_id] += row.end_time - row.start_time
    assert [(line["agentId"], line["busy"]) for line in answer["rows"]] == sorted(
        busy.items(), key=lambda item: (-item[1], item[0])
    )
    # What runs has no duration, but is counted.
    answer = await client.get(f"{path}/durations", q="state:incomplete workflow:hot", **{"from": "2026-01-10"})
    assert [(line["count"], "p50" in line) for line in answer["rows"]] == [(13, False)]
    monkeypatch.setattr(statistics, "MAXIMUM_ROWS", 100)
    answer = await client.get(f"{path}/throughput", of="tasks", bucket=3600, **SPAN)
    starts = sorted(row.start_time for row in span)
    assert (answer["isWhole"], answer["from"]) == (False, starts[-101] + 1)
    assert sum(bucket["successful"] + bucket["failed"] for bucket in answer["buckets"]) == 100


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_summaries_and_wrong_questions(rows: dict[str, list[Any]], client: Any) -> None:
    january = {"controllerId": "controller", "dateFrom": "2026-01-03", "dateTo": "2026-01-05"}
    for of, path, member in (
        ("orders", "orders/overview/summary", "orders"),
        ("tasks", "jobs/overview/summary", "jobs"),
    ):
        span = [row for row in rows[of] if FIRST_MS + 2 * DAY_MS <= row.start_time < FIRST_MS + 4 * DAY_MS]
        outcomes = Counter(row.severity for row in span)
        answer = await client.post(path, january)
        assert answer[member] == {"successful": outcomes[0], "failed": outcomes[2]}
        folder = {**january, "folders": [{"folder": "/team-50"}]}
        assert 0 < (await client.post(path, folder))[member]["successful"] < outcomes[0]
    for query, part in (
        ({"of": "jobs"}, "orders or tasks"),
        ({"from": "now", "to": "-1h"}, "before"),
        ({"from": "yesterday"}, "is not a time"),
        ({"bucket": 1}, "at most"),
        ({"q": "stat:x"}, "Did you mean"),
    ):
        answer = await client.get("stellwerk/stats/throughput", status=420, **query)
        assert part in answer["error"]["message"]
    assert (await client.post("order/log/unsubscribe", {"controllerId": "controller", "historyId": 1}))["ok"]
