"""Fixtures of the Cockpit's tests: both databases, a started Cockpit, a client that is logged in."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from postgresql import empty_database, running_server
from sqlalchemy import create_engine

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.configuration import CockpitConfiguration, LoginDelays
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.migrations import upgrade

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Any]:
    """One embedded PostgreSQL for the test session."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with all tables and nothing in them, to be copied."""
    file = tmp_path_factory.mktemp("template") / "empty.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    return file


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, once for each DBMS."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "test.sqlite")
        yield f"sqlite:///{tmp_path / 'test.sqlite'}"
    else:
        yield request.getfixturevalue("postgresql_url")


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> Iterator[str]:
    """URL of an empty database."""
    with empty_database(postgresql_server) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, migrated database, once for each DBMS."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def cockpit(tmp_path: Path, database_url: str) -> AsyncIterator[Cockpit]:
    """A started Cockpit that listens on a free port, once for each DBMS."""
    running = Cockpit(cockpit_configuration(tmp_path, database_url))
    await running.start()
    yield running
    await running.stop()


def cockpit_configuration(data: Path, database_url: str | None = None) -> CockpitConfiguration:
    return CockpitConfiguration(
        data=data,
        port=0,
        database_url=database_url,
        first_password=PASSWORD,
        login_delays=LoginDelays(short_seconds=0.0, long_seconds=0.0),
        events_collect_seconds=0.0,
    )


class Client:
    """Calls of a logged-in person: `await client.post("orders/history", {...})` gives the decoded answer."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self.session = session
        self.base = base
        self.token = token

    async def raw(self, method: str, path: str, body: Any = None, **options: Any) -> aiohttp.ClientResponse:
        headers = {"X-Access-Token": self.token, **options.pop("headers", {})}
        if body is not None:
            options["data" if isinstance(body, bytes | str) else "json"] = body
        return await self.session.request(method, f"{self.base}/joc/api/{path}", headers=headers, **options)

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        async with await self.raw("POST", path, body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def get(self, path: str, *, status: int = 200, **query: Any) -> Any:
        async with await self.raw("GET", path, params={name: str(value) for name, value in query.items()}) as response:
            assert response.status == status, await response.text()
            return await response.json()


@pytest.fixture
async def client(cockpit: Cockpit) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield await logged_in(session, cockpit)


async def logged_in(session: aiohttp.ClientSession, cockpit: Cockpit) -> Client:
    base = f"http://127.0.0.1:{cockpit.port}"
    login = f"{base}/joc/api/authentication/login"
    async with session.post(login, headers={"Authorization": aiohttp.encode_basic_auth("root", PASSWORD)}) as response:
        assert response.status == 200, await response.text()
        token = response.headers["X-Access-Token"]
    return Client(session, base, token)
