"""Several Cockpits in this process on one PostgreSQL database, and a Controller that they follow.

Times are short, but long enough for a busy machine; tests wait for states, never for times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from cluster_nodes import CONTROLLER_ID, NodeCluster
from sqlalchemy import func, select, text
from tests.cockpit.conftest import PASSWORD, Client, cockpit_configuration

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.cluster.members import Members
from stellwerk.cockpit.cluster.membership import Membership
from stellwerk.cockpit.configuration import ClusterConfiguration
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.tables.history import history_cursors, history_orders

TIMING = ClusterConfiguration(interval_seconds=0.3, lease_seconds=2.4)
DEADLINE_SECONDS = 30.0


async def eventually(condition: Callable[[], Any | Awaitable[Any]], what: str = "the condition") -> Any:
    """The first true result; conditions may ask databases and servers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                result = condition()
                if isinstance(result, Awaitable):
                    result = await result
                if result:
                    return result
                await asyncio.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")


class CockpitCluster:
    """`await cluster.start("a")` starts a member of that name; the first becomes active."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.cockpits: dict[str, Cockpit] = {}
        self.http = aiohttp.ClientSession()

    async def start(self, name: str, *, url: str | None = None, **cluster: Any) -> Cockpit:
        configuration = msgspec.structs.replace(
            cockpit_configuration(self.folder / name, url or self.database_url),
            cluster=msgspec.structs.replace(TIMING, title=name, **cluster),
            release_interval_seconds=0.0,
        )
        cockpit = Cockpit(configuration)
        await cockpit.start()
        self.cockpits[name] = cockpit
        return cockpit

    async def stop(self, name: str) -> None:
        await self.cockpits.pop(name).stop()

    async def close(self) -> None:
        await self.http.close()
        for name in list(self.cockpits):
            await self.stop(name)

    def membership(self, name: str) -> Membership:
        return self.cockpits[name].services.get(Membership)

    def fence(self, name: str) -> Fence:
        return self.cockpits[name].services.get(Fence)

    def members(self, name: str) -> Members:
        return self.cockpits[name].services.get(Members)

    def active(self) -> list[str]:
        """Names of those that hold the role by their own clock."""
        return [name for name in self.cockpits if self.membership(name).is_active]

    async def until_active(self, name: str) -> None:
        await eventually(lambda: self.active() == [name], f"{name} is active; {self.active()}")

    async def client(self, name: str, token: str | None = None) -> Client:
        base = f"http://127.0.0.1:{self.cockpits[name].port}"
        if token is None:
            headers = {"Authorization": aiohttp.encode_basic_auth("root", PASSWORD)}
            async with self.http.post(f"{base}/joc/api/authentication/login", headers=headers) as response:
                assert response.status == 200, await response.text()
                token = response.headers["X-Access-Token"]
        return Client(self.http, base, token)

    async def scalar(self, statement: Any) -> Any:
        some = next(iter(self.cockpits.values()))
        async with some.database.write() as connection:
            return (await connection.execute(text(statement) if isinstance(statement, str) else statement)).scalar()

    async def history(self) -> list[str]:
        """Order ids of the history, one for each row."""
        some = next(iter(self.cockpits.values()))
        async with some.database.read() as connection:
            rows = await connection.execute(select(history_orders.c.order_id).order_by(history_orders.c.id))
            return list(rows.scalars())

    async def until_projected(self, event_id: int) -> None:
        async def is_projected() -> bool:
            return bool(await self.scalar(select(func.max(history_cursors.c.event_id))) == event_id)

        await eventually(is_projected, f"event {event_id} is projected")


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    """A cluster needs PostgreSQL."""
    return postgresql_url


@pytest.fixture
async def cluster(tmp_path: Path, database_url: str) -> AsyncIterator[CockpitCluster]:
    made = CockpitCluster(tmp_path, database_url)
    yield made
    await made.close()


@pytest.fixture
async def controller() -> AsyncIterator[NodeCluster]:
    """A stand-alone Controller."""
    made = NodeCluster(is_pair=False)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def pair() -> AsyncIterator[NodeCluster]:
    made = NodeCluster()
    await made.start()
    yield made
    await made.stop()


async def register(client: Client, controller: NodeCluster) -> None:
    roles = ["STANDALONE"] if len(controller.urls) == 1 else ["PRIMARY", "BACKUP"]
    nodes = [{"url": url, "role": role} for url, role in zip(controller.urls, roles, strict=True)]
    await client.post("controller/register", {"controllerId": CONTROLLER_ID, "controllers": nodes})
