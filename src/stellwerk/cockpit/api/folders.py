"""Folder permissions: what lies outside of an account's folders is invisible in lists, and refused when it is addressed
(cockpit-api 1.10, cockpit-services 7.3). Nothing here costs anything for accounts that are not restricted.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from stellwerk.cockpit.api.errors import FolderDenied
from stellwerk.cockpit.api.routes import RequestContext
from stellwerk.cockpit.auth.permissions import FolderRow
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.inventory.names import folder_of, name_of
from stellwerk.cockpit.inventory.types import ObjectType

_inventory = inv_configurations.c


def folder_permitted(context: RequestContext, path: str) -> bool:
    """Whether the object, or the folder, at the full path `path` may be seen.

    For the Controller of the request; without one, in the inventory. A folder that may be seen need not have contents
    that may: check each of them.
    """
    return context.session.permissions.permits_folder(path, context.controller_id)


def require_folder(context: RequestContext, path: str, controller_id: str | None = None) -> None:
    """Refuse with JOC-419 what may not be seen, at the Controller given or else that of the request."""
    if not context.session.permissions.permits_folder(path, controller_id or context.controller_id):
        raise FolderDenied(folder_of(path))


def is_above_permitted(context: RequestContext, folder: str) -> bool:
    """Whether some folder below `folder` may be seen, so that one can get there."""
    rows = context.session.permissions.folders_for(context.controller_id)
    return any(folder == "/" or row.folder.startswith(folder + "/") for row in rows)


async def require_workflow(context: RequestContext, path: str, controller_id: str | None = None) -> None:
    """Refuse with JOC-419 a workflow, given by path or bare name, that may not be seen."""
    if context.session.permissions.folders:
        require_folder(context, await _workflow_path(context, name_of(path)), controller_id)


async def _workflow_path(context: RequestContext, name: str) -> str:
    query = select(_inventory.path).where(_inventory.type == int(ObjectType.WORKFLOW), _inventory.name == name)
    async with context.database.read() as connection:
        path: str | None = (await connection.execute(query)).scalar()
    return path or f"/{name}"


def visible_workflows(context: RequestContext, name: Any, controller_id: Any) -> list[ColumnElement[bool]]:
    """Conditions on the columns that hold a workflow's name and the Controller; none for who is not restricted."""
    rows = context.session.permissions.folders
    if not rows:
        return []
    by_controller: dict[str, list[FolderRow]] = {
        row.controller_id: context.session.permissions.folders_for(row.controller_id)
        for row in rows
        if row.controller_id is not None
    }
    everywhere = [row for row in rows if row.controller_id is None]
    alternatives = [and_(controller_id == id_, _lies_in(name, own)) for id_, own in by_controller.items()]
    others = controller_id.not_in(list(by_controller))
    alternatives.append(and_(others, _lies_in(name, everywhere)) if everywhere else others)
    return [or_(*alternatives)]


def _lies_in(name: Any, rows: list[FolderRow]) -> ColumnElement[bool]:
    """Whether the workflow of this name lies in one of the folders; one that the inventory does not have, in `/`."""
    workflows = select(_inventory.name).where(_inventory.type == int(ObjectType.WORKFLOW))
    found: ColumnElement[bool] = name.in_(workflows.where(or_(*(_is_below(row) for row in rows))))
    if any(row.covers("/name") for row in rows):
        return or_(found, name.not_in(workflows))
    return found


def _is_below(row: FolderRow) -> ColumnElement[bool]:
    if not row.recursive:
        return _inventory.folder == row.folder
    # Not LIKE: SQLite's does not tell upper from lower case.
    prefix = row.folder.rstrip("/") + "/"
    return or_(_inventory.folder == row.folder, func.substr(_inventory.folder, 1, len(prefix)) == prefix)
