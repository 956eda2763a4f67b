"""`/inventory/favorites*`, `/inventory/change*`: what people keep beside the inventory (cockpit-api 3, 7, 8)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest, FolderDenied
from stellwerk.cockpit.api.folders import folder_permitted
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.inventory.changes import Change, Changes, ChangeState
from stellwerk.cockpit.inventory.favorites import Favorite, FavoriteId, Favorites
from stellwerk.cockpit.inventory.names import folder_of
from stellwerk.cockpit.inventory.references import Reference
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType

FavoriteType = Literal["FACET", "AGENT", "TAG"]
StateName = Literal["OPEN", "CLOSED", "PUBLISHED"]


class FavoriteKey(msgspec.Struct, rename="camel"):
    name: str
    type: FavoriteType

    @property
    def id(self) -> FavoriteId:
        return FavoriteId(self.type, self.name)


class StoredFavorite(FavoriteKey, rename="camel"):
    content: str | None = None
    shared: bool | None = None


class RenamedFavorite(FavoriteKey, rename="camel"):
    old_name: str | None = None


class SharedFavorite(FavoriteKey, rename="camel"):
    account: str = ""


class ReadFavorites(msgspec.Struct, rename="camel"):
    favorite_ids: list[FavoriteKey] = []
    types: list[FavoriteType] = []
    limit: int = -1
    with_shared: bool = False
    only_shared: bool = False


class StoreFavorites(msgspec.Struct, rename="camel"):
    favorites: list[StoredFavorite]


class FavoriteKeys(msgspec.Struct, rename="camel"):
    favorite_ids: list[FavoriteKey]


class RenameFavorites(msgspec.Struct, rename="camel"):
    favorite_ids: list[RenamedFavorite]


class SharedFavoriteKeys(msgspec.Struct, rename="camel"):
    shared_favorite_ids: list[SharedFavorite]


class OrderingFavorites(FavoriteKey, rename="camel"):
    predecessor_name: str | None = None


class ChangeKey(msgspec.Struct, rename="camel"):
    name: str
    title: str | None = None
    state: StateName | None = None


class ChangeItem(msgspec.Struct, rename="camel"):
    name: str
    object_type: str

    @property
    def reference(self) -> Reference:
        return Reference(ObjectType.of(self.object_type), self.name.rpartition("/")[2])


class Timespan(msgspec.Struct, rename="camel"):
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None


class ShowChanges(msgspec.Struct, rename="camel"):
    names: list[str] = []
    states: list[StateName] = []
    owner: str | None = None
    last_published_by: str | None = None
    created: Timespan | None = None
    modified: Timespan | None = None
    closed: Timespan | None = None
    details: bool = False


class StoreChange(msgspec.Struct, rename="camel"):
    store: ChangeKey


class DeleteChanges(msgspec.Struct, rename="camel"):
    changes: list[ChangeKey]


class AddToChange(msgspec.Struct, rename="camel"):
    change: ChangeKey
    add: list[ChangeItem]


class RemoveFromChange(msgspec.Struct, rename="camel"):
    change: ChangeKey
    remove: list[ChangeItem]


# --- favorites --------------------------------------------------------------------------------------------------------


async def favorites(context: RequestContext, request: ReadFavorites) -> dict[str, Any]:
    """The account's favorites, and those that others share."""
    service = context.services.get(Favorites)
    wanted = {key.id for key in request.favorite_ids}

    def shown(found: list[Favorite]) -> list[dict[str, Any]]:
        items = [
            _favorite(item)
            for item in found
            if (not request.types or item.type in request.types)
            and (not wanted or FavoriteId(item.type, item.name) in wanted)
        ]
        return items if request.limit < 0 else items[: request.limit]

    answer: dict[str, Any] = {"deliveryDate": timestamp(context.now_ms())}
    answer["favorites"] = [] if request.only_shared else shown(await service.of(context.account))
    if request.with_shared or request.only_shared:
        answer["sharedFavorites"] = shown(await service.shared_with(context.account))
    return answer


def _favorite(item: Favorite) -> dict[str, Any]:
    return {
        "account": item.account,
        "name": item.name,
        "type": item.type,
        **({} if item.content is None else {"content": item.content}),
        "ordering": item.ordering,
        "shared": item.shared,
        "configurationDate": timestamp(item.modified),
    }


async def store_favorites(context: RequestContext, request: StoreFavorites) -> Ok:
    """Keep favorites; those of the same type and name are replaced."""
    if any(not item.name for item in request.favorites):
        raise BadRequest("a favorite needs a name")
    items = [(item.id, item.content, item.shared) for item in request.favorites]
    await context.services.get(Favorites).store(context.account, items)
    return context.ok()


async def rename_favorites(context: RequestContext, request: RenameFavorites) -> Ok:
    """Give favorites other names."""
    renames = [(FavoriteId(item.type, item.old_name or item.name), item.name) for item in request.favorite_ids]
    await context.services.get(Favorites).rename(context.account, renames)
    return context.ok()


async def delete_favorites(context: RequestContext, request: FavoriteKeys) -> Ok:
    """Forget favorites."""
    await context.services.get(Favorites).delete(context.account, [item.id for item in request.favorite_ids])
    return context.ok()


async def share_favorites(context: RequestContext, request: FavoriteKeys) -> Ok:
    """Let others see favorites."""
    ids = [item.id for item in request.favorite_ids]
    await context.services.get(Favorites).share(context.account, ids, shared=True)
    return context.ok()


async def make_private(context: RequestContext, request: FavoriteKeys) -> Ok:
    """Let others see favorites no longer."""
    ids = [item.id for item in request.favorite_ids]
    await context.services.get(Favorites).share(context.account, ids, shared=False)
    return context.ok()


async def order_favorites(context: RequestContext, request: OrderingFavorites) -> Ok:
    """Put a favorite behind another, or first."""
    await context.services.get(Favorites).order(context.account, request.id, request.predecessor_name)
    return context.ok()


async def take_over(context: RequestContext, request: SharedFavoriteKeys) -> Ok:
    """Copy favorites that others share."""
    items = [(item.account, item.id) for item in request.shared_favorite_ids]
    await context.services.get(Favorites).take_over(context.account, items)
    return context.ok()


# --- changes ----------------------------------------------------------------------------------------------------------


async def changes(context: RequestContext, request: ShowChanges) -> dict[str, Any]:
    """Changes by name, state, person and time; with `details` their objects as they are now."""
    found = [change for change in await context.services.get(Changes).all() if _is_asked_for(context, change, request)]
    shown = []
    async with context.services.get(Inventory).reading() as transaction:
        for change in found:
            view = _change_view(change)
            if request.details:
                view["configurations"] = [
                    item
                    for reference in change.items
                    if (item := await _item_view(context, transaction, reference)) is not None
                ]
            shown.append(view)
    return {"deliveryDate": timestamp(context.now_ms()), "changes": shown}


def _is_asked_for(context: RequestContext, change: Change, request: ShowChanges) -> bool:
    now_ms = context.now_ms()
    for span, value in (
        (request.created, change.created),
        (request.modified, change.modified),
        (request.closed, change.closed),
    ):
        if span is not None:
            first, end = instant_ms(span.from_, now_ms), instant_ms(span.to, now_ms, is_end=True)
            if value is None or (first is not None and value < first) or (end is not None and value >= end):
                return False
    return (
        (not request.names or change.name in request.names)
        and (not request.states or change.state.name in request.states)
        and request.owner in (None, "", change.owner)
        and request.last_published_by in (None, "", change.last_published_by)
    )


def _change_view(change: Change) -> dict[str, Any]:
    values = {
        "name": change.name,
        "title": change.title,
        "state": change.state.name,
        "owner": change.owner,
        "lastPublishedBy": change.last_published_by,
        "created": timestamp(change.created),
        "modified": timestamp(change.modified),
        "closed": None if change.closed is None else timestamp(change.closed),
    }
    return {name: value for name, value in values.items() if value is not None}


async def _item_view(
    context: RequestContext, transaction: InventoryTransaction, reference: Reference
) -> dict[str, Any] | None:
    """None: it may not be seen. What has been deleted since is told by its name."""
    found = await transaction.find_named(reference)
    view = {"name": reference.name, "objectType": reference.type.name}
    if found is None:
        return {**view, "valid": False, "deployed": False, "released": False}
    if not folder_permitted(context, found.path):
        return None
    flags = {"valid": found.valid, "deployed": found.deployed, "released": found.released}
    return {**view, "path": found.path, **flags}


async def store_change(context: RequestContext, request: StoreChange) -> Ok:
    """Begin a change, or give it another title or state."""
    wanted = request.store
    state = None if wanted.state is None else ChangeState[wanted.state]
    await context.services.get(Changes).store(context.account, wanted.name, wanted.title, state)
    return context.ok()


async def delete_changes(context: RequestContext, request: DeleteChanges) -> Ok:
    """Forget changes; their objects stay."""
    await context.services.get(Changes).delete(change.name for change in request.changes)
    return context.ok()


async def add_to_change(context: RequestContext, request: AddToChange) -> Ok:
    """Put objects into an open change."""
    references = [item.reference for item in request.add]
    async with context.services.get(Inventory).reading() as transaction:
        for reference in references:
            path = (await transaction.read(reference.type, reference.name)).path
            if not folder_permitted(context, path):
                raise FolderDenied(folder_of(path))
    await context.services.get(Changes).add(request.change.name, references)
    return context.ok()


async def remove_from_change(context: RequestContext, request: RemoveFromChange) -> Ok:
    """Take objects out of an open change."""
    await context.services.get(Changes).remove(request.change.name, [item.reference for item in request.remove])
    return context.ok()


_VIEW, _MANAGE = "joc:inventory:view", "joc:inventory:manage"


def _own(path: str, request: type, handler: Any) -> Route:
    """An account's own favorites need no permission (cockpit-api 7)."""
    return Route(f"/inventory/favorites/{path}", request, Ok, None, True, handler, category="INVENTORY")


def _change(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, _MANAGE, True, handler, category="INVENTORY")


ROUTES = [
    Route("/inventory/favorites", ReadFavorites, dict[str, Any], None, False, favorites),
    _own("store", StoreFavorites, store_favorites),
    _own("rename", RenameFavorites, rename_favorites),
    _own("delete", FavoriteKeys, delete_favorites),
    _own("share", FavoriteKeys, share_favorites),
    _own("make_private", FavoriteKeys, make_private),
    _own("ordering", OrderingFavorites, order_favorites),
    _own("take_over", SharedFavoriteKeys, take_over),
    Route("/inventory/changes", ShowChanges, dict[str, Any], _VIEW, False, changes),
    _change("/inventory/changes/store", StoreChange, store_change),
    _change("/inventory/changes/delete", DeleteChanges, delete_changes),
    _change("/inventory/change/add", AddToChange, add_to_change),
    _change("/inventory/change/remove", RemoveFromChange, remove_from_change),
]
