"""`stellwerk history …` and `log`: what has run, what it printed, and figures of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from stellwerk.cli.output import CommandError, print_json, print_table, state_text, time_text
from stellwerk.cli.rest import Cockpit

_LOG_LINES = 5000
#: Rows of one page of the server.
_PAGE = 500
_ORDER_COLUMNS = ("ORDER", "WORKFLOW", "STATE", "START", "DURATION", "MESSAGE")
_TASK_COLUMNS = ("TASK", "ORDER", "WORKFLOW", "JOB", "STATE", "START", "DURATION", "RC", "AGENT")


async def runs(cockpit: Cockpit, kind: str, query: str, limit: int, as_json: bool) -> None:
    """Orders or tasks that a filter finds, the newest first."""
    rows: list[Mapping[str, Any]] = []
    cursor = ""
    while len(rows) < limit:
        asked = {"q": query, "limit": min(limit - len(rows), _PAGE), "cursor": cursor}
        page = await cockpit.get(f"stellwerk/history/{kind}?{urlencode(asked)}")
        rows += page["rows"]
        cursor = page.get("next", "")
        if not cursor:
            break
    if as_json:
        print_json(rows)
    elif kind == "tasks":
        print_table(_TASK_COLUMNS, [_task(row) for row in rows], "no tasks found")
    else:
        print_table(_ORDER_COLUMNS, [_order(row) for row in rows], "no orders found")


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["orderId"],
        row["workflow"],
        state_text(row["outcome"]),
        time_text(row["start"]),
        _duration(row.get("ms")),
        row.get("message"),
    )


def _task(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        row["taskId"],
        row["orderId"],
        row["workflow"],
        row["job"],
        state_text(row["outcome"]),
        time_text(row["start"]),
        _duration(row.get("ms")),
        row.get("returnCode"),
        row.get("agentId"),
    )


async def log(cockpit: Cockpit, order_id: str, as_json: bool = False) -> None:
    """The order's log as text, then the output of its jobs, line by line with time and channel."""
    controller_id = cockpit.target.controller_id
    order = {"controllerId": controller_id, "orderId": order_id}
    rows = (await cockpit.post("orders/history", order)).get("history", [])
    history_ids = [row["historyId"] for row in rows if row.get("orderId") == order_id]
    if not history_ids:
        raise CommandError(f"there is no history of the order {order_id}", "list orders with: stellwerk history")
    named = {"controllerId": controller_id, "historyId": history_ids[-1]}
    if as_json:
        entries = await cockpit.post("order/log", named)
        print_json({"entries": entries["logEvents"], "lines": await _lines(cockpit, order_id)})
        return
    sys.stdout.write(str(await cockpit.post("order/log/download", named)))
    for line in await _lines(cockpit, order_id):
        print(f"{time_text(line['t'])} [{line['ch'].upper()}] {line.get('txt', '')}")


async def _lines(cockpit: Cockpit, order_id: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    first = 1
    while True:
        last = first + _LOG_LINES - 1
        part = await cockpit.get(f"stellwerk/log/order/{quote(order_id, safe='')}?line={first}-{last}")
        found += part["lines"]
        if part["totalLines"] <= last:
            return found
        first = last + 1


async def search(cockpit: Cockpit, text: str, query: str, limit: int, as_json: bool) -> None:
    """Tasks whose logs have a text; goes on until there are enough, or all has been looked at."""
    hits: list[Mapping[str, Any]] = []
    cursor = ""
    while len(hits) < limit:
        asked = {"text": text, "q": query, "limit": min(limit - len(hits), 100), "cursor": cursor}
        answer = await cockpit.get(f"stellwerk/history/search?{urlencode(asked)}")
        for hit in answer["hits"]:
            if not as_json:
                _print_hit(hit)
        hits += answer["hits"]
        cursor = answer.get("next", "")
        if not cursor:
            break
    if as_json:
        print_json({"hits": hits, "isComplete": not cursor})
    elif not hits:
        print("no log has a line with this text")
    elif cursor:
        print(f"\nthe newest {len(hits)} tasks; more with --limit")


def _print_hit(hit: Mapping[str, Any]) -> None:
    task = hit["task"]
    print(f"{time_text(task['start'])}  {task['workflow']} › {task['job']}  {task['orderId']}  (task {task['taskId']})")
    for line in hit["lines"]:
        print(f"  {line['n']:>7} [{line['ch'].upper()}] {line.get('txt', '')}")
    if hit.get("hasMoreLines"):
        print("          …")


async def statistics(cockpit: Cockpit, kind: str, query: str, begin: str, end: str, as_json: bool) -> None:
    """Starts by outcome, durations by workflow or job, failures, Agents."""
    asked = {"of": kind, "q": query, "from": begin, "to": end, "controllerId": cockpit.target.controller_id}
    parts = (
        ("throughput", "durations", "failures", "agents")
        if kind == "tasks"
        else ("throughput", "durations", "failures")
    )
    found = {part: await cockpit.get(f"stellwerk/stats/{part}?{urlencode(asked)}") for part in parts}
    if as_json:
        print_json(found)
        return
    throughput = found["throughput"]
    counts = {
        name: sum(bucket[name] for bucket in throughput["buckets"]) for name in ("successful", "failed", "incomplete")
    }
    print(
        f"{time_text(throughput['from'])} to {time_text(throughput['to'])}: {counts['successful']} {kind} successful, "
        f"{counts['failed']} failed, {counts['incomplete']} not ended"
    )
    if not throughput["isWhole"]:
        print("There is too much to count: these are the newest.")
    place = ("WORKFLOW", "JOB") if kind == "tasks" else ("WORKFLOW",)

    def where(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return (row["workflow"], row["job"]) if kind == "tasks" else (row["workflow"],)

    print_table(
        (*place, "RUNS", "FAILED", "HALF", "90 %", "99 %", "LONGEST", "ALTOGETHER"),
        [
            (
                *where(row),
                row["count"],
                row["failed"],
                *(_duration(row.get(name)) for name in ("p50", "p90", "p99", "longest", "total")),
            )
            for row in found["durations"]["rows"]
        ],
        "nothing has run",
    )
    if found["failures"]["rows"]:
        rows = [
            (*where(row), row.get("error"), row["count"], time_text(row["last"])) for row in found["failures"]["rows"]
        ]
        print_table((*place, "ERROR", "TIMES", "LAST"), rows)
    if "agents" in found:
        agents = [
            (row["agentId"], row["count"], row["failed"], _duration(row.get("busy", 0)))
            for row in found["agents"]["rows"]
        ]
        print_table(("AGENT", "TASKS", "FAILED", "WORKING TIME"), agents, "no Agent has worked")


def _duration(milliseconds: int | None) -> str:
    """`0.42 s`, `41.0 s`, `3:12`, `2:05:00`."""
    if milliseconds is None:
        return ""
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.2f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
