"""Each event is told once, wherever the Cockpit dies and whoever goes on (RELIABILITY 3.3).

It dies before each statement and before each commit: of projection, monitoring and delivery.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from monitoring_samples import configuration, rule
from monitoring_world import MonitoringWorld, begins, ends, fails, order, processed, starts
from sqlalchemy import event, insert, select

from stellwerk.cockpit.cluster.election import StartMode
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.fence import Fence, NotActiveError
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables import METADATA
from stellwerk.cockpit.database.tables.cluster import CLUSTER, joc_cluster
from stellwerk.cockpit.database.tables.monitoring import mon_alerts, mon_notifications, mon_observations, mon_outbox
from stellwerk.cockpit.live.hub import LiveHub
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.monitoring.channels import Channels
from stellwerk.cockpit.monitoring.delivery import Delivery
from stellwerk.cockpit.monitoring.messages import CockpitNames
from stellwerk.cockpit.monitoring.news import MonitoringNews
from stellwerk.cockpit.monitoring.service import MonitorService
from stellwerk.cockpit.monitoring.store import NotificationStore
from stellwerk.effects.clock import SystemClock, SystemRandom

STORY = [*begins(), *fails(), order("OrderResumed"), starts(), processed(0), *ends()]


#: Beginnings of the names of tables that are written here.
_WRITTEN = ("history_", "joc_", "live_", "mon_", "xmleditor_")


class Death(BaseException):
    """The Cockpit is killed."""


class Mortal:
    """Lets the database die before its n-th writing statement (commits count, too)."""

    def __init__(self, database: Database) -> None:
        self.left = 10**9
        self.statements: list[str] = []
        engine = database._writer.sync_engine
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)

    def _statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("SELECT", "PRAGMA", "BEGIN")):
            self._count(statement)

    def _commit(self, connection: Any) -> None:
        self._count("COMMIT")

    def _count(self, statement: str) -> None:
        self.statements.append(statement)
        self.left -= 1
        if self.left < 0:
            raise Death


class Bench:
    """The parts of monitoring by themselves; `another()` is the next process on the same database."""

    def __init__(self, database: Database, file: Path) -> None:
        self.database = database
        self.clock = SystemClock()
        self.file = file
        self.fence = Fence(database)
        self.fence.term = 1
        self.another()

    def another(self) -> None:
        news = News(self.database)
        names = WorkflowNames(self.database)
        hub = LiveHub(self.clock, names)
        self.store = NotificationStore(self.database, news, self.clock)

        async def no_variables(names: tuple[str, ...], controller_id: str) -> dict[str, str]:
            return {}

        self.delivery = Delivery(self.fence, self.clock, Channels(no_variables), (0,))
        self.monitor = MonitorService(
            self.fence,
            self.clock,
            SystemRandom(),
            self.store,
            names,
            self.delivery,
            MonitoringNews(hub, news),
            dict,
            CockpitNames,
        )

    async def begin(self) -> None:
        """Nothing but the configuration, in which a command writes down each message."""
        async with self.database.write() as connection:
            for table in METADATA.sorted_tables:
                if table.name.startswith(_WRITTEN):
                    await connection.execute(table.delete())
            await connection.execute(insert(joc_cluster).values(id=CLUSTER, term=1, heart_beat=0))
        self.file.write_text("")
        command = f'echo "$STELLWERK_MESSAGE_ID $MON_N_STATUS" &gt;&gt; {self.file}'
        monitors = f'<CommandFragment name="note"><Command>{command}</Command></CommandFragment>'
        xml = configuration(rule("n1", types="ERROR", monitors='<CommandFragmentRef ref="note"/>'), monitors=monitors)
        await self.store.release(xml, None, "root")

    async def go_on(self) -> None:
        while await self.monitor.take():
            pass
        while await self.delivery.send_due():
            pass

    async def told(self) -> dict[str, Any]:
        """What is known in the end, without ids and times."""
        names = ("type", "range", "warn", "notification_id", "order_id", "is_open", "has_monitors")
        async with self.database.read() as connection:
            notes = list(await connection.execute(select(*(mon_notifications.c[name] for name in names))))
            alerts = list(await connection.execute(select(mon_alerts.c.state, mon_alerts.c.occurrences)))
            left = list(await connection.execute(select(mon_observations)))
            sent = list(await connection.execute(select(mon_outbox.c.message_id, mon_outbox.c.state)))
        return {
            "notifications": sorted(tuple(note) for note in notes),
            "alerts": [tuple(alert) for alert in alerts],
            "observations": left,
            "outbox": sorted(row.state for row in sent),
            "messages": {row.message_id for row in sent},
        }


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    yield Bench(database, tmp_path / "told")


@pytest.mark.slow
async def test_each_event_is_told_once_wherever_the_cockpit_dies(bench: Bench) -> None:
    mortal = Mortal(bench.database)

    async def live(statements: int) -> None:
        """Project and tell, dying after so many statements; then go on to the end."""
        await bench.begin()
        world = MonitoringWorld.of_database(bench.database, bench.monitor)
        lines = world.make(*[dict(event) for event in STORY])
        mortal.left, mortal.statements = statements, []
        with suppress(Death):
            await world.writer.project(lines)
            await bench.go_on()
        mortal.left = 10**9
        bench.another()
        await bench.store.start()
        world = MonitoringWorld.of_database(bench.database, bench.monitor)
        await world.writer.project(lines)  # a Controller tells again what was not acknowledged
        await bench.go_on()

    await live(10**9)
    whole = list(mortal.statements)
    assert len(whole) > 20, "there are many places to die at"
    places: Sequence[int] = range(len(whole))
    if "STELLWERK_ALL_DATABASES" not in os.environ:  # `make postgresql` tries all
        places = [n for n in places if n % 3 == 0 or whole[n].startswith("UPDATE mon_outbox")]
    expected = await bench.told()
    assert expected["notifications"] and expected["alerts"] == [("resolved", 1)] and not expected["observations"]
    doubled = 0
    for statements in places:
        await live(statements)
        found = await bench.told()
        lines = bench.file.read_text().splitlines()
        assert found | {"messages": None} == expected | {"messages": None}, f"after {statements} statements"
        assert {line.split()[0] for line in lines} == found["messages"], "each message at least once, none invented"
        doubled += len(lines) > len(found["messages"])
    assert doubled > 0, "one of them between the sending and its note: then the same id comes twice"


async def test_a_member_that_is_not_active_any_more_tells_nothing(bench: Bench) -> None:
    await bench.begin()
    world = MonitoringWorld.of_database(bench.database, bench.monitor)
    await world.writer.project(world.make(*[dict(event) for event in STORY]))
    async with bench.database.write() as connection:
        await connection.execute(joc_cluster.update().values(term=2))
    with pytest.raises(NotActiveError):
        await bench.monitor.take()
    assert (await bench.told())["notifications"] == []
    bench.fence.term = 2
    await bench.go_on()
    assert len((await bench.told())["notifications"]) == 4


async def test_a_take_over_is_told_of_once(bench: Bench) -> None:
    await bench.begin()
    for _ in range(2):
        await bench.monitor.start(StartMode.FAILOVER)
        await bench.monitor.stop()
    async with bench.database.read() as connection:
        [alert] = list(await connection.execute(select(mon_alerts)))
    assert alert.kind == "cockpit" and alert.severity == "warning"
