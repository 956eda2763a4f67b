"""`/documentation*`: uploaded files, which objects refer to them, and how a browser shows them (cockpit-api 7, 8).

Whatever people have uploaded is shown without the rights of the Cockpit's own pages: scripts do not run in it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import Reader
from stellwerk.cockpit.api.deployed_search import QuickSearchAnswer, QuickSearchRequest
from stellwerk.cockpit.api.downloads import download
from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.routes import Answer, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.api.workflows import Folder
from stellwerk.cockpit.archives import ArchiveError, ArchiveFormat, Entry, read_archive, write_archive
from stellwerk.cockpit.documentations.kinds import media_type, shown_kind
from stellwerk.cockpit.documentations.store import Documentation, Documentations, references
from stellwerk.cockpit.inventory.names import folder_of, is_in_folder, normalized
from stellwerk.cockpit.inventory.search import MAXIMUM_QUICK_RESULTS, MINIMUM_LENGTH, glob
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.live.announcements import Announcements
from stellwerk.cockpit.live.hub import EventSnapshot
from stellwerk.values.json import decode, encode

VIEW, MANAGE = "joc:documentations:view", "joc:documentations:manage"
_ARCHIVE_NAME = "documentations.zip"
#: No scripts, no forms, no cookies or tokens of the Cockpit: the page is a stranger to it.
_SHOWN_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class DocumentationsRequest(msgspec.Struct, rename="camel"):
    """By paths or references, else by folders, else all."""

    documentations: list[str] = []
    folders: list[Folder] = []
    types: list[str] = []
    only_with_assign_reference: bool = False


class ExportQuery(msgspec.Struct):
    """`filename`: what `/documentations/export/info` has given."""

    filename: str


class ImportRequest(msgspec.Struct):
    folder: str = "/"


class DeleteRequest(msgspec.Struct):
    documentations: list[str] = []
    folder: str | None = None


class EditRequest(msgspec.Struct, rename="camel"):
    documentation: str
    assign_reference: str | None = None


class UsedRequest(msgspec.Struct):
    documentation: str


class ShowRequest(msgspec.Struct, rename="camel"):
    """The documentation of an object, or of one of its jobs; without `objectType` the one at a path."""

    path: str
    object_type: str | None = None
    job_name: str | None = None


class DocumentationsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    documentations: list[dict[str, Any]]


class UsedBy(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    objects: list[dict[str, str]]


class ExportInfo(msgspec.Struct, frozen=True, rename="camel"):
    filename: str
    delivery_date: str


# --- lists ------------------------------------------------------------------------------------------------------------


async def documentations(context: RequestContext, request: DocumentationsRequest) -> DocumentationsAnswer:
    """The uploaded files by path."""
    found = [_view(item) for item in await _chosen(context, request)]
    return DocumentationsAnswer(timestamp(context.now_ms()), found)


async def _chosen(context: RequestContext, request: DocumentationsRequest) -> list[Documentation]:
    folders = [(normalized(entry.folder), entry.recursive) for entry in request.folders]
    wanted = {normalized(path) for path in request.documentations} | set(request.documentations)

    def is_wanted(item: Documentation) -> bool:
        if request.types and shown_kind(item.kind) not in request.types and item.kind not in request.types:
            return False
        if request.only_with_assign_reference and item.reference is None:
            return False
        if wanted:
            return item.path in wanted or item.reference in wanted
        return not folders or any(is_in_folder(item.path, folder, recursive=deep) for folder, deep in folders)

    known = await context.services.get(Documentations).all()
    return [item for item in known if is_wanted(item) and folder_permitted(context, item.path)]


def _view(item: Documentation) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": item.id,
        "path": item.path,
        "name": item.name,
        "type": shown_kind(item.kind),
        "modified": timestamp(item.modified),
    }
    return view if item.reference is None else {**view, "assignReference": item.reference}


async def quick_search(context: RequestContext, request: QuickSearchRequest) -> QuickSearchAnswer:
    """Documentations whose names begin with a text."""
    if not request.quit and len(request.search) < MINIMUM_LENGTH:
        raise BadRequest(f"search: give at least {MINIMUM_LENGTH} characters")
    pattern = glob(request.search)
    found = [] if request.quit else await _chosen(context, DocumentationsRequest())
    results = [
        {"path": item.path, "name": item.name, "objectType": "DOCUMENTATION"}
        for item in found
        if pattern.match(item.name)
    ]
    return QuickSearchAnswer(timestamp(context.now_ms()), request.token or "-", results[:MAXIMUM_QUICK_RESULTS])


async def used(context: RequestContext, request: UsedRequest) -> UsedBy:
    """The objects that refer to a documentation, themselves or by one of their jobs."""
    item = await _find(context, request.documentation)
    referrers = await context.services.get(Documentations).referrers(item.reference) if item.reference else []
    objects = [
        {"type": referrer.type.name, "path": referrer.path}
        for referrer in referrers
        if folder_permitted(context, referrer.path)
    ]
    return UsedBy(timestamp(context.now_ms()), objects)


async def _find(context: RequestContext, path_or_reference: str) -> Documentation:
    store = context.services.get(Documentations)
    try:
        item = await store.find(path_or_reference)
    except ObjectNotFound:
        item = await store.find(normalized(path_or_reference))
    require_folder(context, item.path)
    return item


# --- changes ----------------------------------------------------------------------------------------------------------


async def import_(context: RequestContext, request: ImportRequest) -> Ok:
    """Upload one file, or a zip archive of them, into a folder; files that are there get the new content."""
    upload = context.files.get("file")
    if upload is None or not upload.filename:
        raise BadRequest("the form needs a field 'file' with a file and its name")
    folder, name = normalized(request.folder), upload.filename.replace("\\", "/").rsplit("/", 1)[-1]
    if name.lower().endswith(".zip"):
        try:
            entries = await asyncio.to_thread(read_archive, upload.data, ArchiveFormat.ZIP)
        except ArchiveError as error:
            raise BadRequest(str(error)) from None
        if not entries:
            raise BadRequest("the archive is empty")
    else:
        entries = [Entry(name, upload.data)]
    for entry in entries:
        require_folder(context, normalized(f"{folder}/{entry.name}"))
    paths = await context.services.get(Documentations).store(folder, entries)
    await _tell(context, {folder_of(path) for path in paths}, is_tree_changed=True)
    return context.ok()


async def delete(context: RequestContext, request: DeleteRequest) -> Ok:
    """Delete files, or a folder with all that is in it."""
    store = context.services.get(Documentations)
    if bool(request.documentations) == (request.folder is not None):
        raise BadRequest("give either documentations or folder")
    if request.folder is not None:
        folder = normalized(request.folder)
        require_folder(context, folder)
        items = [item for item in await store.in_folder(folder, recursive=True) if folder_permitted(context, item.path)]
        if not items:
            raise ObjectNotFound(f"there are no documentations in {folder}")
    else:
        items = [await _find(context, path) for path in request.documentations]
    await store.remove(items)
    await _tell(context, {folder_of(item.path) for item in items}, is_tree_changed=True)
    return context.ok()


async def edit(context: RequestContext, request: EditRequest) -> Ok:
    """Give a documentation another name by which objects refer to it; none: nothing can refer to it any more."""
    item = await _find(context, request.documentation)
    reference = (request.assign_reference or "").strip() or None
    if reference is not None and ("/" in reference or len(reference) > 255):
        raise BadRequest("assignReference: at most 255 characters, without '/'")
    await context.services.get(Documentations).refer(item, reference)
    await _tell(context, {folder_of(item.path)}, is_tree_changed=False)
    return context.ok()


async def _tell(context: RequestContext, folders: set[str], *, is_tree_changed: bool) -> None:
    kinds = ["DocumentationUpdated", *(["DocumentationTreeUpdated"] if is_tree_changed else [])]
    for folder in sorted(folders):
        for kind in kinds:
            await context.services.get(Announcements).tell(EventSnapshot(kind, "FOLDER", path=folder))


# --- export -----------------------------------------------------------------------------------------------------------


async def export(context: RequestContext, request: DocumentationsRequest) -> Answer:
    """A zip archive of files, in their folders."""
    chosen = await context.services.get(Documentations).contents(await _chosen(context, request))
    if not chosen:
        raise ObjectNotFound("there are no such documentations")
    entries = [Entry(item.path.lstrip("/"), data) for item, data in chosen]
    body = await asyncio.to_thread(write_archive, entries, ArchiveFormat.ZIP, modified_ms=context.now_ms())
    return download(_ARCHIVE_NAME, body)


async def export_info(context: RequestContext, request: DocumentationsRequest) -> ExportInfo:
    """The name under which a browser downloads the archive: it says which files are meant, so that nothing is kept."""
    text = base64.urlsafe_b64encode(encode(msgspec.to_builtins(request))).decode().rstrip("=")
    return ExportInfo(filename=f"{text}.zip", delivery_date=timestamp(context.now_ms()))


_documentations_reader = Reader(DocumentationsRequest)


async def export_download(context: RequestContext, request: ExportQuery) -> Answer:
    """The archive that `/documentations/export/info` has named."""
    text = request.filename.removesuffix(".zip")
    try:
        meant = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise BadRequest("filename: give the one that /documentations/export/info has answered") from None
    return await export(context, _documentations_reader.read(meant))


# --- showing ----------------------------------------------------------------------------------------------------------


async def show(context: RequestContext, request: ShowRequest) -> Answer:
    """The documentation that an object, or one of its jobs, refers to; or the one at a path."""
    if request.object_type is None:
        return await _shown(context, await _find(context, request.path))
    item = await context.services.get(Inventory).read(ObjectType.of(request.object_type), request.path)
    require_folder(context, item.path)
    names = references(item.configuration, job=request.job_name or None)
    if not names:
        raise ObjectNotFound(f"{item.path} has no documentation")
    return await _shown(context, await _find(context, names[0]))


async def preview(context: RequestContext, request: UsedRequest) -> Answer:
    """A documentation as a browser shows it."""
    return await _shown(context, await _find(context, request.documentation))


async def _shown(context: RequestContext, item: Documentation) -> Answer:
    contents = await context.services.get(Documentations).contents([item])
    if not contents:
        raise ObjectNotFound(f"the documentation '{item.path}' has been deleted")
    return Answer(contents[0][1], media_type=media_type(item.kind), headers=_SHOWN_HEADERS)


def _changing(path: str, request: type, handler: Any, *, form: bool = False) -> Route:
    return Route(path, request, Ok, MANAGE, True, handler, category="DOCUMENTATIONS", form=form)


ROUTES = [
    Route("/documentations", DocumentationsRequest, DocumentationsAnswer, VIEW, False, documentations),
    Route("/documentations/quick/search", QuickSearchRequest, QuickSearchAnswer, VIEW, False, quick_search),
    _changing("/documentations/import", ImportRequest, import_, form=True),
    _changing("/documentations/delete", DeleteRequest, delete),
    Route("/documentations/export", DocumentationsRequest, None, MANAGE, False, export),
    Route("/documentations/export", ExportQuery, None, MANAGE, False, export_download, method="GET"),
    Route("/documentations/export/info", DocumentationsRequest, ExportInfo, MANAGE, False, export_info),
    _changing("/documentation/edit", EditRequest, edit),
    Route("/documentation/used", UsedRequest, UsedBy, VIEW, False, used),
    Route("/documentation/show", ShowRequest, None, VIEW, False, show),
    Route("/documentation/show", ShowRequest, None, VIEW, False, show, method="GET"),
    Route("/documentation/preview", UsedRequest, None, VIEW, False, preview, method="GET"),
]
