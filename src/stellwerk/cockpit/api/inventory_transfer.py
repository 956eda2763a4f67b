"""`/inventory/export`, `/inventory/import`: archives of inventory objects (cockpit-api 2.3; cockpit-services 1.10)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import Reader, first_json_value
from stellwerk.cockpit.api.downloads import download
from stellwerk.cockpit.api.errors import ApiError, BadRequest, MissingParameter
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.forms import Upload
from stellwerk.cockpit.api.routes import Answer, Ok, RequestContext, Route
from stellwerk.cockpit.archives import ArchiveError, ArchiveFormat, Entry, NoArchiveError, read_archive, write_archive
from stellwerk.cockpit.deployment.deployer import SIGNED, Deployer
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.archive_objects import ArchivedObject, ImportFailure, files_of, objects_of, tags_in
from stellwerk.cockpit.inventory.exporter import Choice, Exporter, as_entries
from stellwerk.cockpit.inventory.importer import Importer
from stellwerk.cockpit.inventory.releases import Releases
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.tag_names import ArchivedTags
from stellwerk.cockpit.inventory.types import DEPLOYABLE, RELEASABLE, ObjectType


class ExportFile(msgspec.Struct, rename="camel"):
    filename: str
    format: str | None = None


class ChosenItem(msgspec.Struct, rename="camel"):
    path: str
    object_type: str
    commit_id: str | None = None
    recursive: bool = False


class Chosen(msgspec.Struct, rename="camel"):
    configuration: ChosenItem

    @property
    def choice(self) -> Choice:
        item = self.configuration
        return Choice(ObjectType.of(item.object_type), item.path, item.commit_id, item.recursive)


class Deployables(msgspec.Struct, rename="camel"):
    draft_configurations: list[Chosen] = []
    deploy_configurations: list[Chosen] = []
    without_invalid: bool = False


class Releasables(msgspec.Struct, rename="camel"):
    draft_configurations: list[Chosen] = []
    released_configurations: list[Chosen] = []
    without_invalid: bool = False


class ForSigning(msgspec.Struct, rename="camel"):
    controller_id: str
    deployables: Deployables


class ShallowCopy(msgspec.Struct, rename="camel"):
    deployables: Deployables | None = None
    releasables: Releasables | None = None
    #: Also tags that no workflow of the archive has.
    incl_all_tags: bool = False


class ExportRequest(msgspec.Struct, rename="camel"):
    export_file: ExportFile
    use_short_path: bool = False
    start_folder: str | None = None
    for_signing: ForSigning | None = None
    shallow_copy: ShallowCopy | None = None


class FolderForSigning(msgspec.Struct, rename="camel"):
    controller_id: str
    folders: list[str]
    object_types: list[str] = []
    recursive: bool = False
    without_drafts: bool = False
    without_deployed: bool = False


class FolderShallowCopy(msgspec.Struct, rename="camel"):
    folders: list[str]
    object_types: list[str] = []
    recursive: bool = False
    only_valid_objects: bool = False
    without_drafts: bool = False
    without_deployed: bool = False
    without_released: bool = False
    incl_all_tags: bool = False


class ExportFolderRequest(msgspec.Struct, rename="camel"):
    export_file: ExportFile
    use_short_path: bool = False
    for_signing: FolderForSigning | None = None
    shallow_copy: FolderShallowCopy | None = None


class ExportQuery(msgspec.Struct, rename="camel"):
    """The request as it stands in the address of a download."""

    export_filter: str


class ImportRequest(msgspec.Struct, rename="camel"):
    overwrite: bool
    target_folder: str | None = None
    format: str | None = None
    filename: str | None = None
    suffix: str | None = None
    prefix: str | None = None
    overwrite_tags: bool = False


# --- export -----------------------------------------------------------------------------------------------------------


async def export(context: RequestContext, request: ExportRequest) -> Answer:
    """An archive of single objects, or of what is in folders."""
    if (request.for_signing is None) == (request.shallow_copy is None):
        raise BadRequest("give either forSigning or shallowCopy")
    start_folders = [request.start_folder] if request.use_short_path and request.start_folder else []
    if request.for_signing is not None:
        deployables = request.for_signing.deployables
        objects = await choose_objects(
            context, deployables.draft_configurations, deployables.deploy_configurations, DEPLOYABLE, only_valid=True
        )
        return await _signable(context, request.export_file, objects, request.for_signing.controller_id, start_folders)
    copy = request.shallow_copy or ShallowCopy()
    if copy.deployables is None and copy.releasables is None:
        raise BadRequest("give deployables or releasables: deployable and releasable types are exported separately")
    found: list[StoredObject] = []
    if copy.deployables is not None:
        part = copy.deployables
        found += await choose_objects(
            context,
            part.draft_configurations,
            part.deploy_configurations,
            DEPLOYABLE,
            only_valid=part.without_invalid,
        )
    if copy.releasables is not None:
        rest = copy.releasables
        found += await choose_objects(
            context,
            rest.draft_configurations,
            rest.released_configurations,
            RELEASABLE,
            only_valid=rest.without_invalid,
        )
    return await _copied(context, request.export_file, found, start_folders, is_all_tags=copy.incl_all_tags)


async def export_folder(context: RequestContext, request: ExportFolderRequest) -> Answer:
    """An archive of folders."""
    if (request.for_signing is None) == (request.shallow_copy is None):
        raise BadRequest("give either forSigning or shallowCopy")
    wanted: Any = request.for_signing or request.shallow_copy
    for folder in wanted.folders:
        require_folder(context, names.normalized(folder))
    types = {ObjectType.of(name) for name in wanted.object_types} - {ObjectType.FOLDER}
    types = types or set(DEPLOYABLE | RELEASABLE)
    folders = [
        Chosen(ChosenItem(path=folder, object_type="FOLDER", recursive=wanted.recursive)) for folder in wanted.folders
    ]
    start_folders = wanted.folders if request.use_short_path else []
    drafts = [] if wanted.without_drafts else folders
    deployed = [] if wanted.without_deployed else folders
    if request.for_signing is not None:
        objects = await choose_objects(context, drafts, deployed, types & SIGNED, only_valid=True)
        return await _signable(context, request.export_file, objects, request.for_signing.controller_id, start_folders)
    copy = request.shallow_copy
    assert copy is not None, "one of both is there"
    only_valid = copy.only_valid_objects
    released = [] if copy.without_released else folders
    found = await choose_objects(context, drafts, deployed, types & DEPLOYABLE, only_valid=only_valid)
    found += await choose_objects(context, drafts, released, types - DEPLOYABLE, only_valid=only_valid)
    return await _copied(context, request.export_file, found, start_folders, is_all_tags=copy.incl_all_tags)


async def choose_objects(
    context: RequestContext,
    drafts: Iterable[Chosen],
    published: Iterable[Chosen],
    types: Iterable[ObjectType],
    *,
    only_valid: bool,
) -> list[StoredObject]:
    """Objects of the types; `published` are those that are deployed or released."""
    deployer = context.services.get(Deployer)
    published = list(published)
    contents: dict[int, str | None] = {}
    if published:
        contents |= {id_: item.content for id_, item in (await context.services.get(Releases).of_objects()).items()}
        contents |= {item.inv_cid: item.inv_content for item in await deployer.current() if item.inv_cid is not None}
    for choice in (entry.choice for entry in published if entry.configuration.commit_id):
        item = await context.services.get(Inventory).read(choice.type, choice.path)
        rows = [row for row in await deployer.of_object(item.id) if row.commit_id == choice.commit_id]
        contents[item.id] = rows[0].inv_content if rows else None
    found = await context.services.get(Exporter).choose(
        [entry.choice for entry in drafts],
        [entry.choice for entry in published],
        contents,
        only_valid=only_valid,
        permitted=partial(folder_permitted, context),
    )
    chosen = set(types)
    return [item for item in found if item.type in chosen]


def _filled(objects: Sequence[StoredObject]) -> Sequence[StoredObject]:
    if not objects:
        raise BadRequest("there is nothing to export: no object was found in the states that are asked for")
    return objects


async def _copied(
    context: RequestContext,
    export_file: ExportFile,
    objects: Sequence[StoredObject],
    start_folders: Sequence[str],
    *,
    is_all_tags: bool,
) -> Answer:
    """The objects in inventory spelling, with the tags of workflows."""
    workflows = [item.name for item in _filled(objects) if item.type == ObjectType.WORKFLOW]
    async with context.services.get(Inventory).reading() as transaction:
        tags = await transaction.tags.archived(workflows, is_all_known=is_all_tags)
    return await _archive(context, export_file, files_of(as_entries(objects), start_folders=start_folders, tags=tags))


async def _signable(
    context: RequestContext,
    export_file: ExportFile,
    objects: Sequence[StoredObject],
    controller_id: str,
    start_folders: Sequence[str],
) -> Answer:
    """The texts to be signed, as the Controller will read them, with one new version."""
    signable = [item for item in _filled(objects) if item.type in SIGNED]
    deployer = context.services.get(Deployer)
    commit_id = deployer.new_commit_id()
    forms = await deployer.engine_forms(controller_id, _filled(signable), commit_id)
    entries = [(item.type, item.path, form) for item, form in zip(signable, forms, strict=True)]
    return await _archive(context, export_file, files_of(entries, start_folders=start_folders, version_id=commit_id))


async def _archive(context: RequestContext, export_file: ExportFile, files: list[Entry]) -> Answer:
    format_ = _format(export_file.format, export_file.filename)
    body = await asyncio.to_thread(write_archive, files, format_, modified_ms=context.now_ms())
    return download(export_file.filename.rsplit("/", 1)[-1], body)


_export_reader = Reader(ExportRequest)
_export_folder_reader = Reader(ExportFolderRequest)


async def export_download(context: RequestContext, request: ExportQuery) -> Answer:
    """The same as a download by address."""
    return await export(context, _export_reader.read(first_json_value(request.export_filter.encode())))


async def export_folder_download(context: RequestContext, request: ExportQuery) -> Answer:
    """The same as a download by address."""
    return await export_folder(context, _export_folder_reader.read(first_json_value(request.export_filter.encode())))


# --- import -----------------------------------------------------------------------------------------------------------


async def import_(context: RequestContext, request: ImportRequest) -> Ok:
    """Store the objects of an archive as drafts, all or none."""
    upload = context.files.get("file")
    if upload is None:
        raise MissingParameter("file")
    objects, tags = await asyncio.to_thread(read_upload, upload, request.format, request.filename)
    await context.services.get(Importer).import_objects(
        objects,
        target_folder=request.target_folder or "/",
        overwrite=request.overwrite,
        suffix=request.suffix,
        prefix=request.prefix,
        permitted=partial(folder_permitted, context),
        tags=tags,
        overwrite_tags=request.overwrite_tags,
    )
    return context.ok()


def read_upload(
    upload: Upload, format_: str | None, file_name: str | None
) -> tuple[list[ArchivedObject], ArchivedTags | None]:
    """The objects of an uploaded archive, and what it says of tags. Raises `ApiError`."""
    files = uploaded_files(upload, format_, file_name)
    return objects_of(files), tags_in(files)


def uploaded_files(upload: Upload, format_: str | None, file_name: str | None) -> list[Entry]:
    """The files of an uploaded archive. Raises `ApiError`."""
    archive_format = _format(format_, file_name or upload.filename)
    try:
        return read_archive(upload.data, archive_format)
    except NoArchiveError as error:
        raise _unsupported(str(error)) from None
    except ArchiveError as error:
        raise ImportFailure(str(error)) from None


def _format(text: str | None, file_name: str) -> ArchiveFormat:
    """As given, else by the end of the file's name. Raises `ApiError` JOC-415."""
    if not text:
        return ArchiveFormat.TAR_GZ if file_name.endswith((".tar.gz", ".tgz")) else ArchiveFormat.ZIP
    try:
        return ArchiveFormat(text)
    except ValueError:
        raise _unsupported(f"format '{text}' is not supported; use ZIP or TAR_GZ") from None


def _unsupported(message: str) -> ApiError:
    return ApiError(message, code="JOC-415", kind="JocUnsupportedFileTypeException")


_VIEW = "joc:inventory:view"

ROUTES = [
    Route("/inventory/export", ExportRequest, bytes, _VIEW, True, export, category="INVENTORY"),
    Route("/inventory/export", ExportQuery, bytes, _VIEW, True, export_download, method="GET", category="INVENTORY"),
    Route("/inventory/export/folder", ExportFolderRequest, bytes, _VIEW, True, export_folder, category="INVENTORY"),
    Route(
        "/inventory/export/folder",
        ExportQuery,
        bytes,
        _VIEW,
        True,
        export_folder_download,
        method="GET",
        category="INVENTORY",
    ),
    Route(
        "/inventory/import",
        ImportRequest,
        Ok,
        "joc:inventory:manage",
        True,
        import_,
        category="INVENTORY",
        form=True,
    ),
]
