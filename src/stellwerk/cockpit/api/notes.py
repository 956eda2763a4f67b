"""`/note*`: notes about inventory objects (cockpit-api 7, 8; cockpit-services 10.10).

Who may see an object may read and write about it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.api.folders import folder_permitted, require_folder
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.live.announcements import Announcements
from stellwerk.cockpit.live.hub import EventSnapshot
from stellwerk.cockpit.notes.notes import Notes, Post, Thread

_MAXIMUM_PIXELS = 20_000


class NoteRequest(msgspec.Struct, rename="camel"):
    """An object by its name (or path) and type."""

    name: str
    object_type: str


class AddPostRequest(NoteRequest, kw_only=True):
    content: str
    severity: str | None = None


class DisplayPreferences(msgspec.Struct):
    """In pixels."""

    width: int
    height: int


class PreferencesRequest(NoteRequest, kw_only=True):
    display_preferences: DisplayPreferences


class NoteResponse(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Without posts there is no `metadata`."""

    name: str
    object_type: str
    note_id: int
    path: str
    delivery_date: str
    posts: list[dict[str, Any]]
    participants: list[dict[str, Any]]
    metadata: dict[str, Any] | None = None


class Notifications(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    notifications: list[dict[str, Any]]


async def note(context: RequestContext, request: NoteRequest) -> NoteResponse:
    """What has been written about an object; the caller has seen it then."""
    return await _response(context, await _object(context, request))


async def add(context: RequestContext, request: AddPostRequest) -> NoteResponse:
    """Write about an object. Who has written there, or is named with `@`, is told."""
    item = await _object(context, request)
    notes = context.services.get(Notes)
    is_first = not (await notes.read(item.id, context.account)).posts
    await notes.add(item.id, context.account, request.content, request.severity)
    await _tell(context, "InventoryNoteAdded" if is_first else "InventoryNoteUpdated", item)
    return await _response(context, item)


async def delete(context: RequestContext, request: NoteRequest) -> Ok:
    """Delete all that has been written about an object."""
    item = await _object(context, request)
    if not await context.services.get(Notes).remove(item.id):
        raise ObjectNotFound(f"there is no note about {item.path}")
    await _tell(context, "InventoryNoteDeleted", item)
    return context.ok()


async def preferences(context: RequestContext, request: PreferencesRequest) -> NoteResponse:
    """Remember the size in which the caller wants to see a note."""
    item, size = await _object(context, request), request.display_preferences
    if not (0 < size.width <= _MAXIMUM_PIXELS and 0 < size.height <= _MAXIMUM_PIXELS):
        raise BadRequest(f"displayPreferences: width and height are numbers of pixels, at most {_MAXIMUM_PIXELS}")
    await context.services.get(Notes).resize(item.id, context.account, size.width, size.height)
    return await _response(context, item)


async def notifications(context: RequestContext, request: NoRequest) -> Notifications:
    """The notes with posts that the caller has been told of and has not seen."""
    found = [
        {
            "name": item.name,
            "objectType": item.type.name,
            "noteId": item.object_id,
            "path": item.path,
            "severity": item.severity,
        }
        for item in await context.services.get(Notes).unread(context.account)
        if folder_permitted(context, item.path)
    ]
    return Notifications(timestamp(context.now_ms()), found)


async def note_marks(context: RequestContext, type_: ObjectType) -> dict[str, dict[str, Any]]:
    """`hasNote` of the objects of a type that have one, by name."""
    marks = await context.services.get(Notes).marks(type_, context.account)
    return {name: {"severity": mark.severity, "notified": mark.is_unread} for name, mark in marks.items()}


async def _object(context: RequestContext, request: NoteRequest) -> StoredObject:
    type_ = ObjectType.of(request.object_type)
    if type_ in (ObjectType.FOLDER, ObjectType.DESCRIPTORFOLDER, ObjectType.DEPLOYMENTDESCRIPTOR):
        raise BadRequest(f"there are no notes about objects of type {type_.name}")
    item = await context.services.get(Inventory).read(type_, request.name)
    require_folder(context, item.path)
    return item


async def _tell(context: RequestContext, event_type: str, item: StoredObject) -> None:
    await context.services.get(Announcements).tell(EventSnapshot(event_type, item.type.name, path=item.path))


async def _response(context: RequestContext, item: StoredObject) -> NoteResponse:
    thread = await context.services.get(Notes).read(item.id, context.account)
    participants: dict[str, list[Post]] = {}
    for post in thread.posts:
        participants.setdefault(post.account, []).append(post)
    return NoteResponse(
        name=item.name,
        object_type=item.type.name,
        note_id=item.id,
        path=item.path,
        delivery_date=timestamp(context.now_ms()),
        posts=[_post(post) for post in thread.posts],
        participants=[
            {"userName": account, "postCount": len(posts), "modified": timestamp(posts[-1].posted)}
            for account, posts in participants.items()
        ],
        metadata=_metadata(thread, len(participants)),
    )


def _post(post: Post) -> dict[str, Any]:
    return {
        "postId": post.id,
        "content": post.content,
        "severity": post.severity,
        "author": {"userName": post.account},
        "posted": timestamp(post.posted),
    }


def _metadata(thread: Thread, participants: int) -> dict[str, Any] | None:
    metadata: dict[str, Any] = {}
    if thread.posts:
        first, last = thread.posts[0], thread.posts[-1]
        metadata = {
            "created": timestamp(first.posted),
            "createdBy": {"userName": first.account},
            "modified": timestamp(last.posted),
            "modifiedBy": {"userName": last.account},
            "postCount": len(thread.posts),
            "participantCount": participants,
            "severity": last.severity,
        }
    if thread.width is not None and thread.height is not None:
        metadata["displayPreferences"] = {"width": thread.width, "height": thread.height}
    return metadata or None


def _changing(path: str, request: type, answer: type, handler: Any) -> Route:
    return Route(path, request, answer, None, True, handler, category="INVENTORY")


ROUTES = [
    Route("/note", NoteRequest, NoteResponse, None, False, note),
    _changing("/note/post/add", AddPostRequest, NoteResponse, add),
    _changing("/note/delete", NoteRequest, Ok, delete),
    Route("/note/preferences", PreferencesRequest, NoteResponse, None, False, preferences),
    Route("/note/notifications", NoRequest, Notifications, None, False, notifications, renews_session=False),
]
