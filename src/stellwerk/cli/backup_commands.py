"""The commands `stellwerk backup` and `stellwerk restore`: the Cockpit's database (`cockpit.database.backups`)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stellwerk.cli.options import Home, Json
from stellwerk.cli.output import CommandError

File = Annotated[Path, typer.Argument(help="the file with the copy")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: File,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="if the file exists already")] = False,
    data: Home = Path("data"),
    json: Json = False,
) -> None:
    """Copy the Cockpit's database into a file, while it runs: one consistent state, checked."""
    from stellwerk.cockpit.database.backups import BackupError, back_up

    try:
        copy = back_up(_configuration(data).effective_database_url, file, overwrite=overwrite)
    except BackupError as error:
        raise CommandError(str(error), error.remedy) from None
    _tell(copy, f"{copy.file}: {copy.bytes} bytes of {copy.database}, revision {copy.revision}", json)


def restore(
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="if there is a database; SQLite: the present one is kept beside it")
    ] = False,
    data: Home = Path("data"),
    json: Json = False,
) -> None:
    """Put a copy in the place of the Cockpit's database; the Cockpit must not run."""
    from stellwerk.cockpit.database.backups import BackupError
    from stellwerk.cockpit.database.backups import restore as restore_database
    from stellwerk.effects.system_disk import DirectoryLock, DuplicateStartError

    configuration = _configuration(data)
    try:
        lock = DirectoryLock(configuration.data, "cockpit")
    except DuplicateStartError:
        raise CommandError(f"the Cockpit of {configuration.data} is running", "stop it first") from None
    try:
        now_text = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        copy = restore_database(configuration.effective_database_url, file, replace=replace, now_text=now_text)
    except BackupError as error:
        raise CommandError(str(error), error.remedy) from None
    finally:
        lock.release()
    aside = f"; the former one is {copy.former}" if copy.former else ""
    _tell(copy, f"{copy.database} is as in {copy.file}, revision {copy.revision}{aside}", json)


def _configuration(data: Path) -> Any:
    """Of the Cockpit of an installation, or with this data folder of its own."""
    from stellwerk.cli.components import cockpit_configuration

    for folder in (data / "cockpit", data):
        if (folder / "cockpit.toml").exists():
            return cockpit_configuration(folder)
    raise CommandError(f"there is no Cockpit in the folder {data}", "name the folder of the installation with --data")


def _tell(copy: Any, text: str, json: bool) -> None:
    import msgspec

    from stellwerk.cli.output import print_json

    if json:
        print_json(msgspec.to_builtins(copy))
    else:
        print(text)
