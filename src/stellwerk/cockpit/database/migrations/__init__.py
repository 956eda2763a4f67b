"""Alembic migrations, shipped in the package and run at start.

A change of a table needs a revision: `python -m stellwerk.cockpit.database.migrations "what changes"` writes a draft by
comparing a fresh database with the tables; read it, then commit it. A test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

#: The newest revision. Known here, so that a start on a current database needs no Alembic (a test checks it).
HEAD = "0014"

_MIGRATION_LOCK = 0x57E1_1000


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, inside the caller's transaction; one Cockpit of a cluster at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    if current_revision(connection) == HEAD:
        return
    from alembic import command

    command.upgrade(alembic_config(connection), "head")


def current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if revision is None else str(revision)


def known_revisions() -> frozenset[str]:
    """All revisions that this release can bring to the newest one."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return frozenset(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())


def alembic_config(connection: Connection):  # type: ignore[no-untyped-def]  # Alembic is imported late
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def is_described(found: object, name: str | None, kind: str, *_: object) -> bool:
    """Whether the tables in the code describe this (Alembic's `include_object`). Only migrations know what there is for
    full text: PostgreSQL's index, SQLite's table and those in which it keeps it."""
    return name is None or not name.startswith(("history_log_words", "ix_history_log_index_words"))
