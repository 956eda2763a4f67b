"""People of all kinds: accounts with roles that the test composes, and their logins.

`people` are those of a Cockpit of the test's own, on each database. Modules whose tests leave nothing behind share one
on SQLite: `shared_people`, with the marks `SHARED`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.cockpit.conftest import PASSWORD, Client, cockpit_configuration

from stellwerk.cockpit.application import Cockpit

#: `pytestmark` of modules whose tests share a Cockpit.
SHARED = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("identity")]

SERVICE = "JOC-INITIAL"
#: Members of requests that say which service.
OF_SERVICE = {"identityServiceName": SERVICE}
SECRET = "a long enough password"


class People:
    """Makes accounts as the administrator, and logs them in."""

    def __init__(self, root: Client) -> None:
        self.root = root

    async def login(self, name: str, password: str = SECRET, **headers: str) -> aiohttp.ClientResponse:
        authorization = {"Authorization": aiohttp.encode_basic_auth(name, password), **headers}
        return await self.root.session.post(f"{self.root.base}/joc/api/authentication/login", headers=authorization)

    async def refusal(self, name: str, password: str = SECRET, **headers: str) -> str:
        """What a login that fails is told."""
        async with await self.login(name, password, **headers) as response:
            body = await response.json()
            assert response.status == 401 and not body["isAuthenticated"], body
            assert "accessToken" not in body
            return str(body["message"])

    async def enter(self, name: str, password: str = SECRET) -> Client:
        """A client that is logged in."""
        async with await self.login(name, password) as response:
            assert response.status == 200, await response.text()
            return Client(self.root.session, self.root.base, response.headers["X-Access-Token"])

    async def role(
        self, name: str, *permissions: str, excluded: Any = (), folders: Any = (), controller_id: str = ""
    ) -> str:
        await self.root.post("iam/role/store", {**OF_SERVICE, "roleName": name})
        scope = {**OF_SERVICE, "roleName": name, "controllerId": controller_id}
        rows: list[dict[str, Any]] = [{"permissionPath": path} for path in permissions]
        rows += [{"permissionPath": path, "excluded": True} for path in excluded]
        if rows:
            await self.root.post("iam/permissions/store", {**scope, "permissions": rows})
        if folders:
            await self.root.post("iam/folders/store", {**scope, "folders": folders})
        return name

    async def account(self, name: str, *roles: str, **members: Any) -> None:
        request = {**OF_SERVICE, "accountName": name, "password": SECRET, "roles": list(roles), **members}
        await self.root.post("iam/account/store", request)

    async def with_permissions(self, name: str, *permissions: str, **options: Any) -> Client:
        """A new account that may do just this, logged in."""
        await self.account(name, await self.role(f"role of {name}", *permissions, **options))
        return await self.enter(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[People]:
    cockpit = Cockpit(cockpit_configuration(tmp_path_factory.mktemp("cockpit")))
    await cockpit.start()
    async with aiohttp.ClientSession() as session:
        nobody = People(Client(session, f"http://127.0.0.1:{cockpit.port}", ""))
        yield People(await nobody.enter("root", PASSWORD))
    await cockpit.stop()


@pytest.fixture
def people(client: Client) -> People:
    return People(client)
