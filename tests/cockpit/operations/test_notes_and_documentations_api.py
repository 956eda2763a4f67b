"""Notes about objects, and uploaded documentations (cockpit-services 10.2, 10.10)."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import aiohttp

WORKFLOW = {
    "documentationName": "manual",
    "instructions": [{"TYPE": "Execute.Named", "jobName": "load"}],
    "jobs": {
        "load": {
            "agentName": "A",
            "documentationName": "load-2",
            "executable": {"TYPE": "ShellScriptExecutable", "script": "echo hello"},
        }
    },
}
PNG = b"\x89PNG\r\n\x1a\n"


def _zip(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


async def _log_in(client: Any, name: str) -> Any:
    """A further person, who may see the inventory."""
    service = {"identityServiceName": "JOC-INITIAL"}
    account = {**service, "accountName": name, "password": "a long password 1", "roles": ["all"]}
    await client.post("iam/account/store", account)
    url = f"{client.base}/joc/api/authentication/login"
    headers = {"Authorization": aiohttp.encode_basic_auth(name, "a long password 1")}
    async with client.session.post(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        return type(client)(client.session, client.base, response.headers["X-Access-Token"])


async def test_people_write_about_objects_and_are_told_of_answers(client: Any) -> None:
    stored = {"path": "/n/W", "objectType": "WORKFLOW", "configuration": WORKFLOW}
    await client.post("inventory/store", stored)
    ann = await _log_in(client, "ann")
    about = {"name": "W", "objectType": "WORKFLOW"}

    async def told(person: Any) -> list[tuple[str, str]]:
        answer = await person.post("note/notifications")
        return [(item["path"], item["severity"]) for item in answer["notifications"]]

    empty = await client.post("note", about)
    assert empty["posts"] == [] and empty["path"] == "/n/W" and "metadata" not in empty
    await client.post("note/post/add", {**about, "content": "ask @ann or @nobody", "severity": "HIGH"})
    assert await told(ann) == [("/n/W", "HIGH")] and await told(client) == []
    news = await ann.post("events", {"controllerId": "", "eventId": 1})
    assert "InventoryNoteAdded" in [item["eventType"] for item in news["eventSnapshots"]]
    assert news["eventsFromNotes"] == [{"account": "ann", "numOfUnreadNotes": 1}]
    read = await ann.post("note", {"name": "/n/W", "objectType": "WORKFLOW"})
    assert [(post["author"]["userName"], post["severity"]) for post in read["posts"]] == [("root", "HIGH")]
    assert await told(ann) == [], "they have looked"
    answer = await ann.post("note/post/add", {**about, "content": "done"})
    assert answer["metadata"]["severity"] == "NORMAL" and answer["metadata"]["participantCount"] == 2
    assert [(item["userName"], item["postCount"]) for item in answer["participants"]] == [("root", 1), ("ann", 1)]
    assert await told(client) == [("/n/W", "NORMAL")]

    sized = await client.post("note/preferences", {**about, "displayPreferences": {"width": 300, "height": 200}})
    assert sized["metadata"]["displayPreferences"] == {"width": 300, "height": 200}
    assert "displayPreferences" not in (await ann.post("note", about))["metadata"], "each has their own"
    for path, request, code in (
        ("note/post/add", {**about, "content": "  "}, "JOC-400"),
        ("note/post/add", {**about, "content": "x", "severity": "AWFUL"}, "JOC-400"),
        ("note/preferences", {**about, "displayPreferences": {"width": -1, "height": 2}}, "JOC-400"),
        ("note", {"name": "NONE", "objectType": "WORKFLOW"}, "JOC-002"),
        ("note", {"name": "n", "objectType": "FOLDER"}, "JOC-400"),
    ):
        assert (await client.post(path, request, status=420))["error"]["code"] == code, request
    await client.post("note/delete", about)
    assert (await client.post("note", about))["posts"] == []
    assert (await client.post("note/delete", about, status=420))["error"]["code"] == "JOC-002"

    # A note goes with its object.
    await client.post("note/post/add", {**about, "content": "soon gone @ann"})
    await client.post("inventory/remove", {"objects": [{"path": "/n/W", "objectType": "WORKFLOW"}]})
    await client.post("inventory/store", stored)
    assert (await client.post("note", about))["posts"] == [] and await told(ann) == []


async def test_documentations_are_uploaded_referred_to_shown_and_exported(client: Any) -> None:
    async def upload(name: str, data: bytes, folder: str = "/docs", status: int = 200) -> Any:
        form = aiohttp.FormData({"folder": folder})
        form.add_field("file", data, filename=name)
        url, headers = f"{client.base}/joc/api/documentations/import", {"X-Access-Token": client.token}
        async with client.session.post(url, data=form, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def listed(**filters: Any) -> dict[str, str | None]:
        found = (await client.post("documentations", filters))["documentations"]
        return {item["path"]: item.get("assignReference") for item in found}

    async def shown(called: str, **query: str) -> tuple[str, bytes]:
        async with await client.raw("GET", called, params=query) as response:
            assert response.status == 200, await response.text()
            assert "sandbox" in response.headers["Content-Security-Policy"], "it runs no scripts"
            return response.content_type, await response.read()

    await upload("manual.html", b"<h1>Manual</h1>")
    await upload("more.zip", _zip(**{"load.md": b"# load", "sub/load.txt": b"load", "sub/logo.png": PNG}))
    assert await listed() == {
        "/docs/manual.html": "manual",
        "/docs/load.md": "load",
        "/docs/sub/load.txt": "load-2",
        "/docs/sub/logo.png": None,
    }
    await upload("manual.html", b"<h1>New</h1>")
    assert (await listed(documentations=["manual"])) == {"/docs/manual.html": "manual"}, (
        "it is the same, with new content"
    )
    assert list(await listed(folders=[{"folder": "/docs"}])) == ["/docs/load.md", "/docs/manual.html"]
    assert list(await listed(types=["image"])) == ["/docs/sub/logo.png"]
    assert "/docs/sub/logo.png" not in await listed(onlyWithAssignReference=True)
    quick = await client.post("documentations/quick/search", {"search": "lo", "controllerId": ""})
    assert [item["name"] for item in quick["results"]] == ["load.md", "load.txt", "logo.png"]
    tree = await client.post("tree", {"types": ["DOCUMENTATION"]})
    assert [folder["path"] for folder in tree["folders"][0]["folders"][0]["folders"]] == ["/docs/sub"]

    await client.post("inventory/store", {"path": "/n/W", "objectType": "WORKFLOW", "configuration": WORKFLOW})
    used = await client.post("documentation/used", {"documentation": "/docs/sub/load.txt"})
    assert used["objects"] == [{"type": "WORKFLOW", "path": "/n/W"}]
    assert (await client.post("documentation/used", {"documentation": "load"}))["objects"] == []
    assert await shown("documentation/show", path="W", objectType="WORKFLOW") == ("text/html", b"<h1>New</h1>")
    assert await shown("documentation/show", path="W", objectType="WORKFLOW", jobName="load") == ("text/plain", b"load")
    assert await shown("documentation/preview", documentation="/docs/sub/logo.png") == ("image/png", PNG)

    await client.post("documentation/edit", {"documentation": "load", "assignReference": "loading"})
    assert (await listed())["/docs/load.md"] == "loading"
    taken = {"documentation": "loading", "assignReference": "manual"}
    assert (await client.post("documentation/edit", taken, status=420))["error"]["code"] == "JOC-171"
    name = (await client.post("documentations/export/info", {"folders": [{"folder": "/docs/sub"}]}))["filename"]
    async with await client.raw("GET", "documentations/export", params={"filename": name}) as response:
        assert "documentations.zip" in response.headers["Content-Disposition"]
        names = zipfile.ZipFile(io.BytesIO(await response.read())).namelist()
    assert names == ["docs/sub/load.txt", "docs/sub/logo.png"]

    await client.post("documentations/delete", {"documentations": ["/docs/sub/load.txt"]})
    dead = await client.raw(
        "GET", "documentation/show", params={"path": "W", "objectType": "WORKFLOW", "jobName": "load"}
    )
    assert dead.status == 420 and (await dead.json())["error"]["code"] == "JOC-002", "the name leads nowhere"
    await client.post("documentations/delete", {"folder": "/docs"})
    assert await listed() == {}
    for answer in (
        await upload("program.exe", b"MZ", status=420),
        await upload("broken.zip", b"no archive", status=420),
        await upload("evil.zip", _zip(**{"../up.html": b"x"}), status=420),
        await upload("x.html", b"x", folder="/a b/..", status=420),
        await client.post("documentations/delete", {}, status=420),
    ):
        assert answer["error"]["code"] == "JOC-400", json.dumps(answer)
    assert await listed() == {}
