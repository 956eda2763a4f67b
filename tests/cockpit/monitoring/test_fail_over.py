"""Two Cockpits on one database: what one has not told of is told of by the other, once (cluster.md 4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest
from monitoring_world import MonitoringWorld, begins, fails, until
from tests.cockpit.conftest import cockpit_configuration, logged_in

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.configuration import ClusterConfiguration

QUICK = ClusterConfiguration(interval_seconds=0.2, lease_seconds=1.0)


@pytest.mark.postgresql
async def test_the_next_active_cockpit_tells_what_the_former_one_has_left(postgresql_url: str, tmp_path: Path) -> None:
    cockpits = []
    for name in "ab":
        configuration = cockpit_configuration(tmp_path / name, postgresql_url)
        cockpits.append(Cockpit(msgspec.structs.replace(configuration, cluster=QUICK)))
    first, second = cockpits
    await first.start()
    await second.start()
    async with aiohttp.ClientSession() as session:
        former = MonitoringWorld(first, await logged_in(session, first))
        await former.workflow()
        await former.tell(*begins("A"), *fails("A"))
        assert len(await former.notifications()) == 2
        # What is laid aside from now on, the former one never comes to look at.
        await former.monitor.stop()
        await former.tell(*begins("B"), *fails("B"))
        stopping = asyncio.create_task(first.stop())
        membership = second.services.get(Membership)

        async def is_active() -> bool:
            return membership.is_active

        await until(is_active)
        following = MonitoringWorld(second, await logged_in(session, second))
        found = await following.notifications()
        assert [note["orderId"] for note in found] == ["A", "A", "B", "B"]
        [alert] = await following.alerts("kind:failed")
        assert alert["count"] == 2
        await stopping
    await second.stop()
