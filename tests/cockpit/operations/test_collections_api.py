"""Favorites and changes (cockpit-services 1.8, 10.3)."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from tests.cockpit.conftest import Client

ALL = "sos:products"


@pytest.fixture
async def other(client: Client) -> Client:
    """Another account that may do everything."""
    service = {"identityServiceName": "JOC-INITIAL"}
    await client.post("iam/role/store", {**service, "roleName": "other"})
    permissions = {**service, "roleName": "other", "controllerId": "", "permissions": [{"permissionPath": ALL}]}
    await client.post("iam/permissions/store", permissions)
    account = {"accountName": "ada", "password": "correct horse battery", "roles": ["other"], "disabled": False}
    await client.post("iam/account/store", {**service, **account, "forcePasswordChange": False})
    authorization = {"Authorization": aiohttp.encode_basic_auth("ada", "correct horse battery")}
    async with client.session.post(f"{client.base}/joc/api/authentication/login", headers=authorization) as response:
        assert response.status == 200, await response.text()
        return Client(client.session, client.base, response.headers["X-Access-Token"])


def key(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "type": "FACET", **members}


async def names(client: Client, member: str = "favorites", **filters: Any) -> list[str]:
    return [item["name"] for item in (await client.post("inventory/favorites", filters))[member]]


async def test_favorites_are_kept_ordered_shared_and_taken_over(client: Client, other: Client) -> None:
    at = "inventory/favorites"
    items = [key("b", content="[0-9]+"), key("a", content="x"), {"name": "agent", "type": "AGENT", "content": "A"}]
    await client.post(f"{at}/store", {"favorites": items})
    assert await names(client) == ["b", "a", "agent"] and await names(client, types=["AGENT"]) == ["agent"]
    assert await names(client, favoriteIds=[key("a")]) == ["a"] and await names(client, limit=1) == ["b"]
    await client.post(f"{at}/store", {"favorites": [key("c")]})
    await client.post(f"{at}/ordering", key("c", predecessorName="b"))
    assert await names(client, types=["FACET"]) == ["b", "c", "a"]
    await client.post(f"{at}/ordering", key("a"))
    assert await names(client, types=["FACET"]) == ["a", "b", "c"]
    await client.post(f"{at}/rename", {"favoriteIds": [key("d", oldName="c")]})
    for path, request in (
        ("rename", {"favoriteIds": [key("a", oldName="b")]}),
        ("rename", {"favoriteIds": [key("x", oldName="unknown")]}),
        ("ordering", key("a", predecessorName="unknown")),
        ("share", {"favoriteIds": [key("unknown")]}),
        ("store", {"favorites": [key("")]}),
        ("take_over", {"sharedFavoriteIds": [key("a", account="root")]}),
    ):
        await (other if path == "take_over" else client).post(f"{at}/{path}", request, status=420)
    # Others see what is shared, and copy it.
    assert await names(other) == [] and await names(other, "sharedFavorites", onlyShared=True) == []
    await client.post(f"{at}/share", {"favoriteIds": [key("a")]})
    assert await names(other, "sharedFavorites", withShared=True) == ["a"]
    await other.post(f"{at}/take_over", {"sharedFavoriteIds": [key("a", account="root")]})
    [copied] = (await other.post(at, {}))["favorites"]
    assert (copied["content"], copied["shared"], copied["account"]) == ("x", False, "ada")
    await client.post(f"{at}/make_private", {"favoriteIds": [key("a")]})
    assert await names(other, "sharedFavorites", onlyShared=True) == []
    await client.post(f"{at}/delete", {"favoriteIds": [key("a")]})
    assert await names(client, types=["FACET"]) == ["b", "d"] and await names(other) == ["a"]


async def changes(client: Client, **filters: Any) -> dict[str, Any]:
    answer = await client.post("inventory/changes", filters)
    return {item["name"]: item for item in answer["changes"]}


async def test_changes_collect_objects_until_they_are_closed(client: Client, other: Client) -> None:
    for path, content in (("/a/L", {"limit": 1}), ("/a/M", {"limit": 2})):
        await client.post("inventory/store", {"path": path, "objectType": "LOCK", "configuration": content})
    await client.post("inventory/changes/store", {"store": {"name": "release 1", "title": "first"}})
    items = [{"name": "/a/L", "objectType": "LOCK"}, {"name": "M", "objectType": "LOCK"}]
    change = {"name": "release 1"}
    await client.post("inventory/change/add", {"change": change, "add": items})
    await client.post("inventory/change/add", {"change": change, "add": items})
    await client.post(
        "inventory/change/add", {"change": change, "add": [{"name": "X", "objectType": "LOCK"}]}, status=420
    )
    shown = (await changes(client, details=True))["release 1"]
    assert (shown["state"], shown["title"], shown["owner"]) == ("OPEN", "first", "root")
    assert [item["path"] for item in shown["configurations"]] == ["/a/L", "/a/M"] and "closed" not in shown
    # An object that is moved is found, one that is deleted is told.
    await client.post("inventory/rename", {"path": "/a/L", "objectType": "LOCK", "newPath": "/b/L"})
    await client.post("inventory/remove", {"objects": [{"path": "/a/M", "objectType": "LOCK"}]})
    shown = (await changes(client, details=True, names=["release 1"]))["release 1"]
    assert shown["configurations"][0]["path"] == "/b/L" and "path" not in shown["configurations"][1]
    await client.post("inventory/change/remove", {"change": change, "remove": items[1:]})
    # Closed, it stays as it is.
    await other.post("inventory/changes/store", {"store": {**change, "state": "PUBLISHED"}})
    assert await changes(client, states=["OPEN"]) == {} and await changes(client, owner="ada") == {}
    shown = (await changes(client, lastPublishedBy="ada", modified={"from": "-1d"}))["release 1"]
    assert (shown["state"], shown["title"]) == ("PUBLISHED", "first") and shown["closed"]
    assert await changes(client, closed={"to": "-1d"}) == {}
    refused = await client.post("inventory/change/remove", {"change": change, "remove": items[:1]}, status=420)
    assert "is PUBLISHED" in refused["error"]["message"]
    await client.post("inventory/changes/delete", {"changes": [change]})
    assert await changes(client) == {}
    await client.post("inventory/change/add", {"change": change, "add": items[:1]}, status=420)
