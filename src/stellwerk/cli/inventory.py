"""`stellwerk inventory …`: the inventory in the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stellwerk.cli.output import CommandError, confirm, print_json, print_table, time_text
from stellwerk.cli.rest import Cockpit
from stellwerk.cockpit.inventory.archive_objects import pretty
from stellwerk.language.inventory.names import EXTENSIONS

FOLDER = "FOLDER"


async def list_objects(cockpit: Cockpit, folder: str, kind: str, only_invalid: bool, as_json: bool) -> None:
    items = await _objects(cockpit, folder, [_type(kind)] if kind else [])
    if only_invalid:
        items = [item for item in items if not item["valid"]]
    if as_json:
        print_json(items)
        return
    print_table(
        ("PATH", "TYPE", "STATE", "VALID", "MODIFIED"),
        [
            (
                item["path"],
                item["objectType"],
                "deployed" if item["deployed"] else "released" if item["released"] else "draft",
                "yes" if item["valid"] else "no",
                time_text(item["modified"]),
            )
            for item in items
        ],
        "no objects",
    )


async def show(cockpit: Cockpit, path: str, kind: str, as_json: bool) -> None:
    found = await _find(cockpit, path, kind)
    if found["objectType"] == FOLDER:
        raise CommandError(f"{path} is a folder", "stellwerk inventory list shows what is in it")
    item = await cockpit.post("inventory/read/configuration", found)
    if as_json:
        print_json(item)
    else:
        print(pretty(item.get("configuration")).decode(), end="")


async def export(
    cockpit: Cockpit, file: Path, folder: str, only_published: bool, is_forced: bool, as_json: bool
) -> None:
    """Write the archive; an existing file is left alone unless forced, and never half written."""
    _check_target(file, is_forced)
    copy = {
        "folders": [folder],
        "objectTypes": [],
        "recursive": True,
        "withoutDrafts": only_published,
    }
    request = {"exportFile": {"filename": file.name, "format": _format(file)}, "shallowCopy": copy}
    data = await cockpit.download("inventory/export/folder", request)
    _write(file, data)
    if as_json:
        print_json({"file": str(file), "bytes": len(data)})
    else:
        print(f"{file}: {len(data)} bytes")


async def import_(
    cockpit: Cockpit, file: Path, to: str, overwrite: bool, suffix: str, prefix: str, as_json: bool
) -> None:
    data = _read(file)
    fields = {
        "format": _format(file),
        "targetFolder": to,
        "overwrite": "true" if overwrite else "false",
        "suffix": suffix,
        "prefix": prefix,
    }
    await cockpit.upload("inventory/import", {name: value for name, value in fields.items() if value}, file.name, data)
    print_json({"ok": True}) if as_json else print(f"{file} is imported")


async def remove(cockpit: Cockpit, path: str, kind: str, is_confirmed: bool, as_json: bool) -> None:
    found = await _find(cockpit, path, kind)
    what = f"{found['objectType']} {found['path']}" + (" and all in it" if found["objectType"] == FOLDER else "")
    confirm(f"{what} will be deleted from all Controllers and moved to the trash.", is_confirmed)
    await cockpit.post("inventory/remove", {"objects": [found]})
    print_json({"removed": found}) if as_json else print(f"removed {what}")


async def restore(cockpit: Cockpit, path: str, kind: str, to: str, as_json: bool) -> None:
    type_ = _type(kind) if kind else await _type_in_trash(cockpit, path)
    answer = await cockpit.post("inventory/trash/restore", {"path": path, "objectType": type_, "newPath": to})
    print_json(answer) if as_json else print(f"restored {answer['objectType']} {answer['path']}")


def _check_target(file: Path, is_forced: bool) -> None:
    if file.exists() and not is_forced:
        raise CommandError(f"{file} exists", "choose another name, or overwrite it with --force")


def _write(file: Path, data: bytes) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandError(f"{file} cannot be written: {error}") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        remedy = "name an archive (*.zip, *.tar.gz)"
        raise CommandError(f"{file} cannot be read: {error.strerror}", remedy, 2) from error


def _type(kind: str) -> str:
    name = kind.upper().replace("-", "").replace("_", "")
    if name != FOLDER and name not in EXTENSIONS:
        raise CommandError(f"{kind!r} is no type", f"known are folder, {', '.join(EXTENSIONS).lower()}", 2)
    return name


def _format(file: Path) -> str:
    if file.name.endswith((".tar.gz", ".tgz")):
        return "TAR_GZ"
    if file.suffix == ".zip":
        return "ZIP"
    raise CommandError(f"{file}: neither *.zip nor *.tar.gz", "give the name one of these ends", 2)


def _flat(folder: Any) -> list[Any]:
    """The objects of a folder's listing."""
    return [item for member in folder.values() if isinstance(member, list) for item in member]


async def _objects(cockpit: Cockpit, folder: str, types: list[str]) -> list[Any]:
    request = {"path": folder, "recursive": True, "objectTypes": types}
    items = _flat(await cockpit.post("inventory/read/folder", request))
    return sorted(items, key=lambda item: (item["path"], item["objectType"]))


async def _find(cockpit: Cockpit, path: str, kind: str) -> dict[str, str]:
    """Path and type of what a person means. Raises `CommandError` when nothing or several things have the name."""
    if kind:
        return {"path": path, "objectType": _type(kind)}
    items = await _objects(cockpit, "/", [])
    found = {(item["path"], item["objectType"]) for item in items if path in (item["path"], item["name"])}
    if not found:
        tree = await cockpit.post("tree", {"forInventory": True, "types": ["INVENTORY"]})
        found = {(folder, FOLDER) for folder in _paths(tree["folders"]) if folder == path.rstrip("/")}
    return _only(path, found)


async def _type_in_trash(cockpit: Cockpit, path: str) -> str:
    folder = path.rstrip("/").rpartition("/")[0] or "/"
    items = _flat(await cockpit.post("inventory/trash/read/folder", {"path": folder}))
    found = {(item["path"], item["objectType"]) for item in items if item["path"] == path}
    if not found:
        tree = await cockpit.post("tree", {"forInventoryTrash": True})
        found = {(each, FOLDER) for each in _paths(tree["folders"]) if each == path.rstrip("/")}
    return _only(path, found)["objectType"]


def _paths(folders: list[Any]) -> list[str]:
    return [path for folder in folders for path in (folder["path"], *_paths(folder["folders"]))]


def _only(path: str, found: set[tuple[str, str]]) -> dict[str, str]:
    if not found:
        raise CommandError(f"there is no {path}", "stellwerk inventory list shows what there is")
    if len(found) > 1:
        types = ", ".join(sorted(kind.lower() for _, kind in found))
        raise CommandError(f"several objects are named {path}: {types}", "say which one with --type")
    [(full_path, kind)] = found
    return {"path": full_path, "objectType": kind}
