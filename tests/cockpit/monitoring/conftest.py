"""One Cockpit per module, one Controller per test.

On SQLite in `make test`, on PostgreSQL by `make postgresql`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from monitoring_world import MonitoringWorld
from postgresql import empty_database
from sqlalchemy import func, select
from tests.cockpit.conftest import Client, cockpit_configuration, logged_in

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database.tables.monitoring import mon_sysnotifications

_numbers = count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "STELLWERK_ALL_DATABASES" in os.environ:
        return
    here = Path(__file__).parent
    left_out = [
        item for item in items if item.path.parent == here and item.get_closest_marker("postgresql") is not None
    ]
    names = {item.nodeid for item in left_out}
    items[:] = [item for item in items if item.nodeid not in names]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def shared_configuration(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CockpitConfiguration]:
    """Of an empty database, once for each DBMS. Messages are tried again at once."""
    folder = tmp_path_factory.mktemp("cockpit")
    if request.param == "sqlite":
        yield quick(cockpit_configuration(folder, f"sqlite:///{folder / 'test.sqlite'}"))
    else:
        with empty_database(request.getfixturevalue("postgresql_server")) as url:
            yield quick(cockpit_configuration(folder, url))


def quick(configuration: CockpitConfiguration) -> CockpitConfiguration:
    import msgspec

    return msgspec.structs.replace(configuration, delivery_pauses_seconds=(0.05,))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_cockpit(shared_configuration: CockpitConfiguration) -> AsyncIterator[Cockpit]:
    running = Cockpit(shared_configuration)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client(shared_cockpit: Cockpit) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield await logged_in(session, shared_cockpit)


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_cockpit: Cockpit, shared_client: Client) -> AsyncIterator[MonitoringWorld]:
    """With the workflow `nightly` deployed at a Controller of its own, and nothing configured."""
    world = MonitoringWorld(shared_cockpit, shared_client, f"controller-{next(_numbers)}")
    async with shared_cockpit.database.read() as connection:
        last: Any = (await connection.execute(select(func.max(mon_sysnotifications.c.id)))).scalar()
    world.last_system = last or 0
    await world.workflow()
    yield world
    await shared_client.post("notification/delete", {"release": True})
