"""`Database`: one SQLite file or one PostgreSQL database, with read and write transactions.

Guarantees:
- `write()` is one transaction: committed when the block ends, rolled back when it raises. When it has returned, the
  data survives power loss (SQLite: WAL with `synchronous=FULL`; events are released at the Controller on that word).
- SQLite has one writer: writers queue on a lock inside the process, so that `SQLITE_BUSY` never reaches a handler.
- `read()` sees one consistent state and never waits for the writer.
- `control()` is a write transaction on a connection of its own, for the few short statements of the cluster that must
  not wait until other work gives a connection back.

A transaction must not span a network call or any other wait that is not the database's own: it holds the writer.
PostgreSQL ends one that idles for `IDLE_TRANSACTION_SECONDS`, so that a Cockpit which stands still (paused, cut off)
keeps no locks: the others wait for it no longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import BigInteger, ColumnElement, Connection, Table, cast, event, extract, func, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

IDLE_TRANSACTION_SECONDS = 4.0
#: For PostgreSQL: a database that does not answer is noticed within seconds, on new and on open connections.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": f"-c idle_in_transaction_session_timeout={int(IDLE_TRANSACTION_SECONDS * 1000)}",
}
#: SQLite refuses statements with more bound values than this; key lists are cut into slices of this length.
MAXIMUM_BOUND_VALUES = 900


class Database:
    """Entry to the database; `await Database.open(url)` also runs the migrations."""

    def __init__(self, url: str) -> None:
        self.url = _async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, writes=True)
            self._reader = _sqlite_engine(self.url, writes=False)
            self._write_lock: asyncio.Lock | None = asyncio.Lock()
            self._control: AsyncEngine | None = None
        else:
            self._writer = create_async_engine(
                self.url, pool_size=5, max_overflow=5, pool_pre_ping=True, connect_args=_CONNECT
            )
            self._reader = self._writer
            self._write_lock = None
            self._control = create_async_engine(self.url, pool_size=1, max_overflow=1, connect_args=_CONNECT)

    @classmethod
    async def open(cls, url: str) -> Database:
        """Connect and bring the schema to the newest revision."""
        database = cls(url)
        if database.is_sqlite and database.url.database:
            Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
        try:
            async with database.write() as connection:
                await connection.run_sync(_migrate)
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> Any:
        """For statements that are compiled once (`stellwerk.cockpit.projection.statements`)."""
        return self._writer.dialect

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A read transaction. Writing in it fails on SQLite."""
        async with self._reader.connect() as connection:
            if not self.is_sqlite:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction; on SQLite the only one at this time."""
        if self._write_lock is None:
            async with self._writer.begin() as connection:
                yield connection
        else:
            async with self._write_lock, self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def control(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction that does not queue behind others (on SQLite it does: there is one writer)."""
        if self._control is None:
            async with self.write() as connection:
                yield connection
        else:
            async with self._control.begin() as connection:
                yield connection

    @property
    def now_ms(self) -> ColumnElement[int]:
        """The database's own clock as an SQL expression: epoch milliseconds, also amid a transaction."""
        if self.is_sqlite:
            return cast((func.julianday("now") - 2440587.5) * 86_400_000, BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    async def connect_listener(self) -> psycopg.AsyncConnection[Any]:
        """A connection outside of all pools, for `LISTEN`. PostgreSQL only."""
        url = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return await psycopg.AsyncConnection.connect(url, autocommit=True, **_CONNECT)

    async def close(self) -> None:
        await self._writer.dispose()
        if self._control is not None:
            await self._control.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()

    def insert(self, table: Table) -> Any:
        """`INSERT` of the dialect, which can be given `on_conflict_do_…`."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def upsert(self, table: Table, keys: Sequence[str], update: Sequence[str] | None = None) -> Any:
        """`INSERT … ON CONFLICT (keys) DO UPDATE` of the columns `update` (default: all others; empty: do nothing).

        The statement is for `execute(statement, rows)`, many rows at once.
        """
        columns = [column.name for column in table.columns if column.name not in keys] if update is None else update
        insert = self.insert(table)
        if not columns:
            return insert.on_conflict_do_nothing(index_elements=list(keys))
        return insert.on_conflict_do_update(
            index_elements=list(keys), set_={name: insert.excluded[name] for name in columns}
        )


def _async_url(text: str) -> URL:
    url = make_url(text)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
    backend = url.get_backend_name()
    if backend not in drivers:
        raise ValueError(
            f"database_url: {backend} is not supported; give sqlite:///<path> or postgresql://<user>@<host>/<name>"
        )
    return url.set(drivername=drivers[backend])


def _sqlite_engine(url: URL, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=1 if writes else 4, max_overflow=0 if writes else 12)
    pragmas: Mapping[str, str] = {
        "journal_mode": "WAL",
        "synchronous": "FULL",
        "foreign_keys": "ON",
        "busy_timeout": "10000",
        "cache_size": "-16000" if writes else "-4000",
        "temp_store": "MEMORY",
        "query_only": "OFF" if writes else "ON",
    }

    @event.listens_for(engine.sync_engine, "connect")
    def configure(dbapi_connection: Any, _record: Any) -> None:
        # The driver's own transaction handling is switched off: it would begin late and not for every statement.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


async def insert_row(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row into a table with one key column, a number; gives that of the row."""
    key = (await connection.execute(insert(table).values(values))).inserted_primary_key
    assert key is not None
    return int(key[0])


def _migrate(connection: Connection) -> None:
    from stellwerk.cockpit.database.migrations import upgrade  # late: Alembic costs start time and memory

    upgrade(connection)
