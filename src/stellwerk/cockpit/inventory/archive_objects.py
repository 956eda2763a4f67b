"""Inventory objects as the files of an archive (cockpit-api 1.9; cockpit-services 1.10). Pure.

`<folder without leading slash>/<name><extension>`, pretty-printed JSON; the type is told by the extension, that of
calendars by their content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from stellwerk import __version__
from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.archives import Entry
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.tag_names import ArchivedTags, archived_tags_of, tags_file
from stellwerk.cockpit.inventory.types import CALENDARS, IMPORT_ORDER, INVENTORY_VERSION, ObjectType, name_space
from stellwerk.language.inventory.names import EXTENSIONS as FILE_EXTENSIONS
from stellwerk.language.reader import parse_json
from stellwerk.values.json import encode
from stellwerk.values.problems import ProblemError

EXTENSIONS: Mapping[ObjectType, str] = {ObjectType[name]: end for name, end in FILE_EXTENSIONS.items()}
_TYPES = {extension: type_ for type_, extension in EXTENSIONS.items()}
#: Files that say something of the archive, not objects.
META = "meta_inf"
#: The first is written; the second is its name in older archives.
TAGS = ("tags.json", "workflow.tags.json")
#: Signatures count in `import_deploy` only.
_PASSED_OVER = frozenset({META, *TAGS})
SIGNATURES = (".json.sig", ".json.asc", ".json.pem")


class ImportFailure(ApiError):
    """JOC-417: an archive cannot be imported; the message names the entry. Nothing has changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-417", kind="JocImportException")


class ArchivedObject(msgspec.Struct, frozen=True):
    """One object of an archive; `entry` is the name of its file."""

    entry: str
    type: ObjectType
    path: str
    configuration: Any

    @property
    def name(self) -> str:
        return names.name_of(self.path)


def objects_of(files: Iterable[Entry]) -> list[ArchivedObject]:
    """The objects of an archive, what is referred to first. Raises `ImportFailure` with the entry and what is wrong."""
    found: dict[tuple[tuple[ObjectType, ...], str], ArchivedObject] = {}
    for file in files:
        entry = file.name
        if entry in _PASSED_OVER or entry.endswith(SIGNATURES):
            continue
        item = _object(entry, file.data)
        key = (name_space(item.type), item.name.lower())
        if key in found:
            raise ImportFailure(f"{entry}: {found[key].entry} is an object of the same type and name")
        found[key] = item
    if not found:
        raise ImportFailure("the archive holds no file of an inventory object")
    return sorted(found.values(), key=lambda item: (IMPORT_ORDER.index(item.type), item.path))


def tags_in(files: Iterable[Entry]) -> ArchivedTags | None:
    """What an archive says of tags, if it does. Raises `ImportFailure`."""
    by_name = {file.name: file.data for file in files}
    entry = next((name for name in TAGS if name in by_name), None)
    if entry is None:
        return None
    try:
        return archived_tags_of(_json(entry, by_name[entry]))
    except BadRequest as error:
        raise ImportFailure(f"{entry}: {error.message.partition(': ')[2]}") from None


def _object(entry: str, content: bytes) -> ArchivedObject:
    extension = next((end for end in _TYPES if entry.endswith(end)), None)
    if extension is None:
        known = ", ".join(sorted(_TYPES))
        raise ImportFailure(f"{entry}: not a file of an inventory object; known are {known}")
    path = names.normalized(entry.removesuffix(extension))
    fault = names.path_fault(path)
    if fault is not None:
        raise ImportFailure(f"{entry}: {fault}")
    configuration = _json(entry, content)
    if not isinstance(configuration, dict):
        raise ImportFailure(f"{entry}: a JSON object is expected")
    return ArchivedObject(entry, _type_of(extension, configuration), path, configuration)


def _json(entry: str, content: bytes) -> Any:
    try:
        value = parse_json(content.removeprefix(b"\xef\xbb\xbf"))
        encode(value)
    except ProblemError as error:
        raise ImportFailure(f"{entry}: {error.problem}") from None
    except UnicodeEncodeError:
        raise ImportFailure(f"{entry}: an escape stands for half a character (unpaired surrogate)") from None
    return value


def _type_of(extension: str, configuration: Mapping[str, Any]) -> ObjectType:
    if extension != EXTENSIONS[ObjectType.WORKINGDAYSCALENDAR]:
        return _TYPES[extension]
    named = configuration.get("type")
    return next((type_ for type_ in CALENDARS if type_.name == named), ObjectType.WORKINGDAYSCALENDAR)


def files_of(
    objects: Iterable[tuple[ObjectType, str, Any]],
    *,
    start_folders: Iterable[str] = (),
    version_id: str | None = None,
    tags: ArchivedTags | None = None,
) -> list[Entry]:
    """The files of an archive of (type, path, configuration).

    `start_folders`: for short paths; entries begin with the last segment of the innermost of them that they lie in.
    `version_id`: of an archive that is to be signed. `tags`: written unless there are none.
    """
    folders = sorted((names.normalized(folder) for folder in start_folders), key=len, reverse=True)
    meta = {"jocVersion": __version__, "inventorySchemaVersion": INVENTORY_VERSION, "apiVersion": __version__}
    if version_id is not None:
        meta["versionId"] = version_id
    files = [Entry(META, pretty(meta))]
    if tags is not None and (tags.known or tags.jobs):
        files.append(Entry(TAGS[0], pretty(tags_file(tags))))
    for type_, path, configuration in objects:
        files.append(Entry(_short(path, folders).lstrip("/") + EXTENSIONS[type_], pretty(configuration)))
    return files


def _short(path: str, folders: Iterable[str]) -> str:
    for folder in folders:
        if folder != "/" and path.startswith(folder + "/"):
            return path[len(names.folder_of(folder)) :]
    return path


def pretty(value: Any) -> bytes:
    """JSON for people, numbers as they are."""
    return msgspec.json.format(encode(value), indent=2) + b"\n"
