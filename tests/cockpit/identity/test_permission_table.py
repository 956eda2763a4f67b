"""Every route of the one table asks for its permission (cockpit-api 1.10, 7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import inspect as types
from tests.cockpit.conftest import Client, cockpit_configuration

from stellwerk.cockpit.api import all_routes
from stellwerk.cockpit.api.routes import Route
from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.permissions import (
    CONTROLLER_PERMISSIONS,
    JOC_PERMISSIONS,
    ROOT,
    PermissionRow,
    Permissions,
    long_form,
    permission_fault,
)
from stellwerk.cockpit.auth.sessions import Identity, Sessions

#: What may be called without a session, and why.
PUBLIC = {
    "/authentication/login": "the way to a session",
    "/authentication/logout": "also for a session that has ended",
    "/configuration/login": "for the login page",
    "/iam/identityproviders": "for the login page",
    "/iam/identityclient": "for the login page",
    "/iam/identity_fido_client": "for the login page",
    "/iam/fido/request_authentication": "the way to a session",
    "/iam/fidoregistration/request_registration_start": "before one has an account",
    "/iam/fidoregistration/request_registration": "before one has an account",
    "/joc/is_active": "for load balancers",
    "/stellwerk/openapi.json": "the description of the API",
}
#: What every session may call, and why.
WITHOUT_PERMISSION = {
    "/authentication/joc_cockpit_permissions": "about the session itself",
    "/touch": "about the session itself",
    "/joc/properties": "needed to draw the frame",
    "/jocs": "needed to draw the frame: which members there are",
    "/joc/license": "needed to draw the frame",
    "/configuration": "the handler asks: own ones, or a permission",
    "/configurations": "the handler asks: own ones, or a permission",
    "/configuration/save": "the handler asks: own ones, or a permission",
    "/configuration/delete": "the handler asks: own ones, or a permission",
    "/configuration/share": "the handler asks: own ones, or a permission",
    "/configuration/make_private": "the handler asks: own ones, or a permission",
    "/profile/prefs": "the handler asks: own ones, or a permission",
    "/profile/prefs/store": "the handler asks: own ones, or a permission",
    "/iam/account/changepassword": "the own password, or a permission",
    "/iam/fido/add_device": "for the own account, or a permission",
    "/iam/fido/remove_devices": "for the own account, or a permission",
    "/approval/request": "for requestors",
    "/approval/edit": "for its requestor, and approvers",
    "/approval/requests": "own ones; all for approvers and with a permission",
    "/approval/approve": "for approvers",
    "/approval/reject": "for approvers",
    "/approval/withdraw": "for its requestor",
    "/approvals/approve": "for approvers",
    "/approvals/reject": "for approvers",
    "/approvals/withdraw": "for their requestor",
    "/schedule/runtime": "computes with what the caller sends; nothing stored is shown",
    "/note": "about an object that the session may see: its folder is asked for",
    "/note/post/add": "about an object that the session may see: its folder is asked for",
    "/note/delete": "about an object that the session may see: its folder is asked for",
    "/note/preferences": "about an object that the session may see: its folder is asked for",
    "/note/notifications": "about the session's account itself",
    "/utilities/convert_relative_dates": "computes with what the caller sends",
    "/utilities/timezones": "what the Cockpit's machine knows of the world",
    "/events": "tells what the session may see",
    "/tree": "folders that the session may see; the handler asks for those of inventory and trash",
    "/inventory/favorites": "own ones, and what others share",
    "/inventory/favorites/store": "own ones, and what others share",
    "/inventory/favorites/rename": "own ones, and what others share",
    "/inventory/favorites/delete": "own ones, and what others share",
    "/inventory/favorites/share": "own ones, and what others share",
    "/inventory/favorites/make_private": "own ones, and what others share",
    "/inventory/favorites/ordering": "own ones, and what others share",
    "/inventory/favorites/take_over": "own ones, and what others share",
    "/stellwerk/stream": "tells what the session may see",
    "/stellwerk/stream/{id}": "only streams of the same session",
}
#: What a handler asks for besides the permission of its route.
ALSO_NEEDED = {
    "/inventory/deployment/import_deploy": ("ctl:deployment:deploy",),
    "/inventory/deployment/redeploy": ("ctl:deployment:deploy",),
    "/inventory/deployment/synchronize": ("ctl:deployment:deploy",),
    "/stellwerk/inventory/plan": ("ctl:deployment:view",),
    "/stellwerk/inventory/apply": ("joc:inventory:deploy", "ctl:deployment:deploy"),
}
ROUTES = all_routes()


def sample(info: types.Type) -> Any:
    """The smallest value that a request type takes."""
    if isinstance(info, types.Metadata):
        return sample(info.type)
    if isinstance(info, types.UnionType):
        return sample(info.types[0])
    if isinstance(info, types.StructType):
        return {field.encode_name: sample(field.type) for field in info.fields if field.required}
    if isinstance(info, types.ListType):
        return [sample(info.item_type)] if info.min_length else []
    if isinstance(info, types.DictType):
        return {}
    if isinstance(info, types.EnumType):
        return next(iter(info.cls)).value
    if isinstance(info, types.LiteralType):
        return info.values[0]
    if isinstance(info, types.BoolType):
        return False
    if isinstance(info, types.IntType | types.FloatType):
        return 1
    return "x"


@pytest.fixture
async def cockpit(tmp_path: Path) -> AsyncIterator[Cockpit]:
    """SQLite only: what is asked for does not depend on the database."""
    running = Cockpit(cockpit_configuration(tmp_path))
    await running.start()
    yield running
    await running.stop()


class Callers:
    """Sessions that may do just what a test says."""

    def __init__(self, cockpit: Cockpit, client: Client) -> None:
        self._sessions = cockpit.services.get(Sessions)
        self._client = client
        self._tokens: dict[tuple[PermissionRow, ...], str] = {}

    async def status(self, route: Route, *rows: PermissionRow) -> int:
        if rows not in self._tokens:
            identity = Identity(account="tester", identity_service="JOC:x", roles=("r",), permissions=Permissions(rows))
            self._tokens[rows], _ = await self._sessions.open(identity, "here")
        return await self._call(route, self._tokens[rows])

    async def _call(self, route: Route, token: str) -> int:
        request = sample(types.type_info(route.request))
        options: dict[str, Any] = {"json": request}
        if route.form:
            form = aiohttp.FormData({name: str(value) for name, value in request.items()})
            form.add_field("file", b"x", filename="x.zip")
            options = {"data": form}
        elif route.method == "GET":
            options = {"params": {name: str(value) for name, value in request.items()}}
        path = route.path.replace("{", "").replace("}", "")
        url, headers = f"{self._client.base}/joc/api{path}", {"X-Access-Token": token}
        async with self._client.session.request(route.method, url, headers=headers, **options) as response:
            return response.status

    async def status_without_session(self, route: Route) -> int:
        return await self._call(route, "no such token")


@pytest.fixture
async def callers(cockpit: Cockpit, client: Client) -> Callers:
    return Callers(cockpit, client)


async def test_each_route_refuses_who_may_do_everything_else(callers: Callers) -> None:
    everything = PermissionRow(ROOT)
    wrong = []
    for route in ROUTES:
        if route.permission is not None:
            excluded = PermissionRow(long_form(route.permission), excluded=True)
            status = await callers.status(route, everything, excluded)
            if status != 403:
                wrong.append((route.method, route.path, status))
    assert not wrong


async def test_each_route_lets_in_who_may_do_just_that(callers: Callers) -> None:
    wrong = []
    for route in ROUTES:
        if route.permission is not None:
            names = (route.permission, *ALSO_NEEDED.get(route.path, ()))
            status = await callers.status(route, *(PermissionRow(long_form(name)) for name in names))
            if status in (401, 403, 404, 405, 440, 500):
                wrong.append((route.method, route.path, status))
    assert not wrong


async def test_each_route_that_is_not_public_needs_a_session(callers: Callers) -> None:
    wrong = []
    for route in ROUTES:
        if not route.public:
            status = await callers.status_without_session(route)
            if status != 440:
                wrong.append((route.method, route.path, status))
    assert not wrong


def test_routes_without_a_permission_have_a_reason() -> None:
    assert {route.path for route in ROUTES if route.public} == PUBLIC.keys()
    assert {route.path for route in ROUTES if not route.public and route.permission is None} == (
        WITHOUT_PERMISSION.keys()
    )


def test_permissions_of_routes_are_ones_that_roles_can_hold() -> None:
    known = {*(f"joc:{name}" for name in JOC_PERMISSIONS), *(f"ctl:{name}" for name in CONTROLLER_PERMISSIONS)}
    assert {route.permission for route in ROUTES if route.permission} <= known
    assert not [name for name in known if permission_fault(name)]


def test_every_changing_route_is_in_the_audit_log() -> None:
    """By the verb: what stores, deletes, adds or commands has its trace."""
    verbs = ("store", "delete", "rename", "add", "cancel", "save", "deploy", "register", "enable", "disable", "reset")
    silent = [route.path for route in ROUTES if route.path.rsplit("/", 1)[-1] in verbs and not route.audit]
    # Preferences change all the time and concern nobody else.
    assert silent == ["/profile/prefs/store"]
