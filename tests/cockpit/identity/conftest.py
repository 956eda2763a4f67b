"""People of all kinds: accounts with roles that the test composes, and their logins."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from tests.cockpit.conftest import Client

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


@pytest.fixture
def people(client: Client) -> People:
    return People(client)
