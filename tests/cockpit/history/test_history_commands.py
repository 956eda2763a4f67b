"""`stellwerk history …` of a running Cockpit: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from bench.history_rows import DAY_MS, fill

from stellwerk.cli import history as commands
from stellwerk.cli.output import CommandError
from stellwerk.cli.rest import Cockpit as Rest
from stellwerk.cli.rest import Target
from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.history import history_log_chunks, history_log_pending
from stellwerk.cockpit.live.names import WorkflowNames

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_runs_logs_search_and_statistics(
    cockpit: Cockpit, client: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(cockpit.database, 300, days=3, first_ms=int(time.time() * 1000) - 3 * DAY_MS)
    await cockpit.services.get(WorkflowNames).refresh()
    async with cockpit.database.write() as connection:
        content = json.dumps([[1, 1, "loaded 4711 rows\n"], [1, 2, "disk quota exceeded\n"]]).encode()
        chunk = {"first_event_id": 1, "first_line": 1, "last_line": 2, "first_byte": 0, "bytes": 1, "content": content}
        rows = [{**chunk, "hos_id": task, "continues_line": False} for task in (4, 5)]
        await connection.execute(history_log_chunks.insert(), rows)
        await connection.execute(history_log_pending.insert(), [{"hos_id": task} for task in (4, 5)])

    async def shown(action: Any) -> Any:
        capsys.readouterr()
        async with Rest(Target(url=client.base, account="root", token=client.token)) as rest:
            await action(rest)
        return capsys.readouterr().out

    monkeypatch.setattr(commands, "_PAGE", 20)
    failed = json.loads(await shown(lambda c: commands.runs(c, "orders", "state:failed", 50, True)))
    assert [row["historyId"] for row in failed] == [209, 108, 7]
    many = json.loads(await shown(lambda c: commands.runs(c, "tasks", "workflow:hot", 50, True)))
    assert len({row["taskId"] for row in many}) == 50
    table = await shown(lambda c: commands.runs(c, "tasks", "state:failed job:publish", 5, False))
    assert "#2026-01-01#P209-load" in table and "Failed" in table and "agent-9" in table
    assert "no orders found" in await shown(lambda c: commands.runs(c, "orders", "workflow:none", 5, False))

    hits = json.loads(await shown(lambda c: commands.search(c, "disk quota", "job:extract", 5, True)))
    assert [hit["task"]["taskId"] for hit in hits["hits"]] == [4]
    text = await shown(lambda c: commands.search(c, "disk quota", "", 1, False))
    assert "[ERR] disk quota exceeded" in text and "(task 5)" in text and "more with --limit" in text
    assert "no log has" in await shown(lambda c: commands.search(c, "haystack", "", 1, False))

    figures = json.loads(await shown(lambda c: commands.statistics(c, "orders", "", "-2d", "now", True)))
    assert set(figures) == {"throughput", "durations", "failures"}
    text = await shown(lambda c: commands.statistics(c, "tasks", "workflow:hot", "-7d", "now", False))
    assert " tasks successful, " in text
    assert "/team-0/hot" in text and "publish" in text and "agent-0" in text

    log = json.loads(await shown(lambda c: commands.log(c, "#2026-01-01#P2-load", True)))
    assert [line["txt"] for line in log["lines"]][:2] == ["loaded 4711 rows", "disk quota exceeded"]
    with pytest.raises(CommandError):
        await shown(lambda c: commands.log(c, "none"))
