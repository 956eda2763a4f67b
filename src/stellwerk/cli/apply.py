"""`stellwerk diff FOLDER`, `stellwerk apply FOLDER`: a folder of inventory files as the wanted state."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from stellwerk.author.files import find_files
from stellwerk.cli.output import CommandError, confirm, print_json
from stellwerk.cli.rest import Cockpit
from stellwerk.cockpit.archives import ArchiveFormat, Entry, write_archive
from stellwerk.cockpit.inventory.archive_objects import pretty
from stellwerk.language.inventory.names import EXTENSIONS

_WORDS = {"create": "+ new", "change": "~ changed", "move": "> moved", "delete": "- deleted"}


async def diff(cockpit: Cockpit, folder: Path, to: str, prune: bool, as_json: bool) -> int:
    """Print what would change; 1 if something would."""
    plan = await _plan(cockpit, _archive(folder), to, prune)
    if as_json:
        print_json(plan)
    else:
        _print(plan["changes"])
    return 1 if plan["changes"] else 0


async def apply(cockpit: Cockpit, folder: Path, to: str, prune: bool, is_confirmed: bool, as_json: bool) -> None:
    """Preview, ask, and make it so."""
    archive = _archive(folder)
    plan = await _plan(cockpit, archive, to, prune)
    changes = plan["changes"]
    if changes:
        if not as_json:
            _print(changes)
        invalid = [change for change in changes if "invalidMsg" in change]
        if invalid:
            text = "\n".join(f"{change['path']}: {change['invalidMsg']}" for change in invalid)
            raise CommandError(
                f"{text}\n{len(invalid)} of the objects are invalid; nothing was done", "correct the files"
            )
        confirm(f"{_summary(changes)} will be made at Controller '{cockpit.target.controller_id}'.", is_confirmed)
        fields = _fields(cockpit, to, prune) | {"digest": plan["digest"]}
        await cockpit.upload("stellwerk/inventory/apply", fields, "files.zip", archive)
    if as_json:
        print_json(
            {"applied": [{name: change[name] for name in ("action", "path", "objectType")} for change in changes]}
        )
    else:
        print(f"{_summary(changes)} made" if changes else "nothing to do: all is as the files say")


def _archive(folder: Path) -> bytes:
    """The inventory files of the folder as an archive. Raises `CommandError`."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder", "name a folder that holds inventory files", 2)
    ends = sorted(set(EXTENSIONS.values()))
    files = find_files([folder], ends)
    if not files:
        raise CommandError(f"there are no inventory files in {folder}", f"their names end with {', '.join(ends)}", 2)
    entries = [Entry(file.relative_to(folder).as_posix(), file.read_bytes()) for file in files]
    return write_archive(entries, ArchiveFormat.ZIP, modified_ms=0)


def _fields(cockpit: Cockpit, to: str, prune: bool) -> dict[str, str]:
    return {
        "controllerId": cockpit.target.controller_id,
        "targetFolder": to,
        "format": "ZIP",
        "prune": "true" if prune else "false",
    }


async def _plan(cockpit: Cockpit, archive: bytes, to: str, prune: bool) -> Any:
    return await cockpit.upload("stellwerk/inventory/plan", _fields(cockpit, to, prune), "files.zip", archive)


def _summary(changes: list[Any]) -> str:
    return f"{len(changes)} change{'s' * (len(changes) != 1)}"


def _print(changes: list[Any]) -> None:
    for change in changes:
        former = f" (from {change['formerPath']})" if "formerPath" in change else ""
        print(f"{_WORDS[change['action']]} {change['objectType']} {change['path']}{former}")
        if change.get("overwritesDraft"):
            print("    the draft in the inventory, which has not been published, gets lost")
        if "invalidMsg" in change:
            print("    invalid: " + change["invalidMsg"].replace("\n", "\n    "))
        for line in _lines(change):
            print(f"    {line}")
    if not changes:
        print("nothing would change")


def _lines(change: Any) -> list[str]:
    """A unified diff of the JSON, without its head."""
    before = _text(change.get("before")) if change["action"] != "delete" else []
    after = _text(change.get("after")) if change["action"] == "change" else before
    return [line for line in difflib.unified_diff(before, after, lineterm="", n=2) if line[:3] not in ("---", "+++")]


def _text(value: Any) -> list[str]:
    return [] if value is None else pretty(value).decode().splitlines()
