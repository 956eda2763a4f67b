"""Copies of the database: made while a Cockpit writes, put back, and what is refused (both databases)."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stellwerk.cli.main import app
from stellwerk.cli.output import CommandError
from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database import backups
from stellwerk.cockpit.database.backups import BackupError, back_up, restore
from stellwerk.cockpit.database.migrations import HEAD
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType

NOW = "20260131T120000Z"


async def _store(cockpit: Cockpit, name: str) -> None:
    await cockpit.services.get(Inventory).store(ObjectType.LOCK, f"/{name}", {"limit": 1})


async def _names(cockpit: Cockpit) -> set[str]:
    return set(await cockpit.services.get(Inventory).paths_of(ObjectType.LOCK))


async def test_a_running_cockpit_is_copied_and_put_back(cockpit: Cockpit, tmp_path: Path) -> None:
    url, file = cockpit.configuration.effective_database_url, tmp_path / "copy"
    await _store(cockpit, "BEFORE")
    writing = asyncio.Event()

    async def write() -> int:
        number = 0
        while not writing.is_set():
            await _store(cockpit, f"L{number}")
            number += 1
        return number

    task = asyncio.create_task(write())
    await asyncio.sleep(0)
    copy = await asyncio.to_thread(back_up, url, file)
    writing.set()
    written = await task
    assert (copy.revision, copy.bytes) == (HEAD, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "nobody else reads hashes of passwords"
    with pytest.raises(BackupError, match="exists already"):
        back_up(url, file)
    await _store(cockpit, "AFTER")
    with pytest.raises(BackupError, match=r"exists already|holds a Cockpit already"):
        restore(url, file, replace=False, now_text=NOW)
    if not cockpit.database.is_sqlite:
        with pytest.raises(BackupError, match="is running"):
            restore(url, file, replace=True, now_text=NOW)
    async with cockpit.database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE inv_documentations")  # the tables need not be those of the copy
    await cockpit.stop()

    done = await asyncio.to_thread(restore, url, file, replace=True, now_text=NOW)
    again = Cockpit(cockpit.configuration)
    await again.start()
    try:
        names = await _names(again)
        assert "BEFORE" in names and "AFTER" not in names
        others = {int(name[1:]) for name in names if name != "BEFORE"}
        assert others == set(range(len(others))) and len(others) <= written, "one state, nothing left out amid"
    finally:
        await again.stop()
    if again.configuration.effective_database_url.startswith("sqlite"):
        assert done.former is not None
        former = sqlite3.connect(done.former)
        assert former.execute("SELECT count(*) FROM inv_configurations WHERE name = 'AFTER'").fetchone() == (1,)
        former.close()


def test_what_is_no_sound_copy_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    database = tmp_path / "cockpit.sqlite"
    url, file = f"sqlite:///{database}", tmp_path / "copy"
    with pytest.raises(BackupError, match="there is no database"):
        back_up(url, file)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 2000)
    connection.close()
    with pytest.raises(BackupError, match="is no database of a Cockpit"):
        back_up(url, file)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(BackupError, match="revision 9999"):
        back_up(url, file)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (HEAD,))
    connection.close()
    with pytest.raises(BackupError, match="there is no folder"):
        back_up(url, tmp_path / "none" / "copy")
    assert os.listdir(tmp_path) == ["cockpit.sqlite"], "no remains of what has failed"
    assert back_up(url, file).revision == HEAD
    assert back_up(url, file, overwrite=True).revision == HEAD

    whole = file.read_bytes()
    for damaged, words in (
        (whole[:100] + os.urandom(len(whole) - 100), "damaged|no database"),
        (whole[: len(whole) // 2], "damaged|no database"),
        (b"PGDMP" + whole, "is not an SQLite database"),
        (b"", "is not an SQLite database"),
    ):
        file.write_bytes(damaged)
        with pytest.raises(BackupError, match=words):
            restore(url, file, replace=True, now_text=NOW)
        assert sqlite3.connect(database).execute("SELECT count(*) FROM t").fetchone() == (2000,)
    with pytest.raises(BackupError, match="there is no file"):
        restore(url, tmp_path / "nothing", replace=True, now_text=NOW)


def test_without_pg_dump_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(backups, "_bundled", lambda name: None)
    with pytest.raises(BackupError, match="pg_dump is not on the PATH") as refused:
        back_up("postgresql://u:secret@127.0.0.1:1/x", tmp_path / "copy")
    assert "secret" not in str(refused.value)


def test_the_commands_find_the_cockpit_of_an_installation(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, "--data", str(tmp_path)])

    none = run("backup", str(tmp_path / "copy"))
    assert isinstance(none.exception, CommandError) and "no Cockpit" in str(none.exception)
    (tmp_path / "cockpit").mkdir()
    (tmp_path / "cockpit" / "cockpit.toml").write_text("")
    with sqlite3.connect(tmp_path / "cockpit" / "cockpit.sqlite") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
    connection.close()
    made = run("backup", str(tmp_path / "copy"), "--json")
    assert json.loads(made.stdout)["revision"] == HEAD, made
    refused = run("restore", str(tmp_path / "copy"))
    assert isinstance(refused.exception, CommandError) and "--replace" in str(refused.exception.remedy)
    done = run("restore", str(tmp_path / "copy"), "--replace")
    assert done.exit_code == 0 and "the former one is" in done.stdout
