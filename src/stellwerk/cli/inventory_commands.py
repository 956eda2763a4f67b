"""The commands `stellwerk inventory …`, `diff`, `apply`: their options. What they do is in `inventory` and `apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stellwerk.cli.options import Account, Home, Json, Url, Yes, in_session
from stellwerk.cli.output import CommandError

inventory_app = typer.Typer(no_args_is_help=True, help="Look at the inventory; export, import, remove, restore.")

WantedFiles = Annotated[
    Path, typer.Argument(help="a folder of inventory files; folders in it are folders of the inventory")
]
IntoFolder = Annotated[str, typer.Option("--to", help="folder in the inventory")]
Prune = Annotated[bool, typer.Option("--prune", help="objects that have no file count as deleted")]
ObjectPath = Annotated[str, typer.Argument(help="full path, or name, of the object")]
ObjectKind = Annotated[
    str, typer.Option("--type", help="workflow, lock, schedule, …, or folder; default: whatever has the path")
]


def register(app: typer.Typer) -> None:
    """Add the group and commands to the command line."""
    app.add_typer(inventory_app, name="inventory")
    app.command()(diff)
    app.command()(apply)


# --- a folder of files as the wanted state ---------------------------------------------------------------------------


def diff(
    folder: WantedFiles,
    to: IntoFolder = "/",
    prune: Prune = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Show what `apply` would change of what is deployed and released; nothing is done.

    Exit code 0: nothing would change; 1: something would; 2: it could not be found out.
    """
    from stellwerk.cli import apply as applying

    try:
        code = in_session(data, url, account, lambda c: applying.diff(c, folder, to, prune, json))
    except CommandError as error:
        error.code = 2
        raise
    raise typer.Exit(code)


def apply(
    folder: WantedFiles,
    to: IntoFolder = "/",
    prune: Prune = False,
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Store, release and deploy a folder of inventory files, after a preview: all of it or nothing.

    Exit code 0: done, or nothing to do; 1: refused, and nothing has changed; 2: wrong use.
    """
    from stellwerk.cli import apply as applying

    in_session(data, url, account, lambda c: applying.apply(c, folder, to, prune, yes, json))


# --- inventory -------------------------------------------------------------------------------------------------------


@inventory_app.command("list")
def inventory_list(
    folder: Annotated[str, typer.Argument(help="folder in the inventory")] = "/",
    type: ObjectKind = "",
    invalid: Annotated[bool, typer.Option("--invalid", help="only objects that are not valid")] = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """List the objects of a folder and below it."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.list_objects(c, folder, type, invalid, json))


@inventory_app.command("show")
def inventory_show(
    path: ObjectPath,
    type: ObjectKind = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Print the JSON of an object; --json: with its state."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.show(c, path, type, json))


@inventory_app.command("export")
def inventory_export(
    file: Annotated[Path, typer.Argument(help="the archive to write: *.zip or *.tar.gz")],
    folder: Annotated[str, typer.Option("--folder", help="folder in the inventory")] = "/",
    published: Annotated[
        bool, typer.Option("--published", help="no drafts, only what is deployed or released")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Write a folder of the inventory to an archive."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.export(c, file, folder, published, force, json))


@inventory_app.command("import")
def inventory_import(
    file: Annotated[Path, typer.Argument(help="an archive: *.zip or *.tar.gz")],
    to: IntoFolder = "/",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="objects that exist are changed, not skipped")] = False,
    suffix: Annotated[str, typer.Option(help="put to all names")] = "",
    prefix: Annotated[str, typer.Option(help="put before all names")] = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Store the objects of an archive as drafts: all or none."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.import_(c, file, to, overwrite, suffix, prefix, json))


@inventory_app.command("remove")
def inventory_remove(
    path: ObjectPath,
    type: ObjectKind = "",
    yes: Yes = False,
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Delete an object, or a folder with all that is in it, from Controllers and move it to the trash."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.remove(c, path, type, yes, json))


@inventory_app.command("restore")
def inventory_restore(
    path: Annotated[str, typer.Argument(help="full path that the object or folder had")],
    type: ObjectKind = "",
    to: Annotated[str, typer.Option("--to", help="new path")] = "",
    data: Home = Path("data"),
    url: Url = None,
    account: Account = None,
    json: Json = False,
) -> None:
    """Bring an object or a folder back from the trash as a draft."""
    from stellwerk.cli import inventory

    in_session(data, url, account, lambda c: inventory.restore(c, path, type, to, json))
