"""Inventory as code: files in working copies, Git with a local bare repository as remote (cockpit-services 10.6)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cockpit.conftest import cockpit_configuration

from stellwerk.cockpit.application import Cockpit

EMPTY: dict[str, Any] = {"instructions": [], "jobs": {}}
CREDENTIALS = {"gitAccount": "me", "gitServer": "git.example.com", "username": "Me", "email": "me@example.com"}


@pytest.fixture
async def cockpit(tmp_path: Path) -> AsyncIterator[Cockpit]:
    configuration = msgspec.structs.replace(cockpit_configuration(tmp_path / "data"), git_protocols=("file", "https"))
    running = Cockpit(configuration)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def remote(tmp_path: Path) -> str:
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    return folder.as_uri()


def run(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout


async def store(client: Any, path: str, object_type: str, configuration: Any) -> None:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    await client.post("inventory/store", request)


def chosen(path: str, object_type: str = "FOLDER", *, recursive: bool = True) -> dict[str, Any]:
    return {"configuration": {"path": path, "objectType": object_type, "recursive": recursive}}


async def git(client: Any, verb: str, folder: str = "/acme", *, fails: bool = False, **members: Any) -> Any:
    request = {"folder": folder, "category": "ROLLOUT", **members}
    answer = await client.post(f"inventory/repository/git/{verb}", request)
    assert (answer["exitCode"] != 0) == fails, answer
    return answer


async def files(client: Any, folder: str = "/acme", category: str = "ROLLOUT") -> Any:
    request = {"folder": folder, "category": category, "recursive": True}
    return await client.post("inventory/repository/read", request)


async def test_objects_go_to_a_remote_repository_and_to_another_environment(
    cockpit: Cockpit, client: Any, remote: str, tmp_path: Path
) -> None:
    await store(client, "/acme/flows/LOAD", "WORKFLOW", EMPTY)
    await store(client, "/acme/LOCK", "LOCK", {"limit": 2})
    await store(client, "/acme/ENV", "JOBRESOURCE", {"env": {"A": '"1"'}})
    await git(client, "clone", remoteUrl=remote)
    again = {"folder": "/acme", "category": "ROLLOUT", "remoteUrl": remote}
    taken = await client.post("inventory/repository/git/clone", again, status=420)
    assert "there is a rollout repository of the folder '/acme' already" in taken["error"]["message"]
    # Of the folder, what the category holds: job resources are local by default.
    await client.post("inventory/repository/store", {"rollout": {"draftConfigurations": [chosen("/acme")]}})
    tree = await files(client)
    assert [item["objectName"] for item in tree["items"]] == ["LOCK"] and tree["folders"][0]["path"] == "/acme/flows"
    assert tree["folders"][0]["items"][0]["objectType"] == "WORKFLOW"
    await client.post("inventory/repository/store", {"local": {"draftConfigurations": [chosen("/acme")]}})
    assert [item["objectName"] for item in (await files(client, category="LOCAL"))["items"]] == ["ENV"]
    wrong = {"local": {"draftConfigurations": [chosen("/acme/LOCK", "LOCK")]}}
    refused = await client.post("inventory/repository/store", wrong, status=420)
    assert "LOCK are not held in local repositories" in refused["error"]["message"]
    await git(client, "add")
    done = await git(client, "commit", message="first version\n\n--amend")
    assert done["command"].startswith("git ") and "2 files changed" in done["stdOut"]
    await git(client, "push")
    assert run(tmp_path / "remote.git", "log", "--format=%an %s", "main") == b"root first version\n"
    await git(client, "commit", message="nothing", fails=True)
    # Somebody else changes it.
    other = tmp_path / "other"
    run(tmp_path, "clone", "-q", remote, str(other))
    (other / "LOCK.lock.json").write_text(json.dumps({"limit": 5}))
    (other / "NEW.lock.json").write_text(json.dumps({"limit": 1}))
    for arguments in (
        ["checkout", "-qb", "next"],
        ["add", "."],
        ["-c", "user.name=o", "-c", "user.email=o@b", "commit", "-qm", "five"],
        ["push", "-q", "origin", "next"],
        ["tag", "v1"],
        ["push", "-q", "origin", "v1"],
    ):
        run(other, *arguments)
    await git(client, "pull")
    await git(client, "checkout", tag="unknown", fails=True)
    await git(client, "checkout", tag="v1")
    # Nothing of it is in the inventory before it is updated.
    named = {"path": "/acme/LOCK", "objectType": "LOCK"}
    assert (await client.post("inventory/read/configuration", named))["configuration"]["limit"] == 2
    await client.post("inventory/repository/update", {"configurations": [chosen("/acme")], "category": "ROLLOUT"})
    assert (await client.post("inventory/read/configuration", named))["configuration"]["limit"] == 5
    await client.post("inventory/read/configuration", {"path": "/acme/NEW", "objectType": "LOCK"})
    # Files are deleted, objects are not.
    one = {"configurations": [chosen("/acme/NEW", "LOCK")], "category": "ROLLOUT"}
    await client.post("inventory/repository/delete", one)
    assert [item["objectName"] for item in (await files(client))["items"]] == ["LOCK"]
    await client.post("inventory/read/configuration", {"path": "/acme/NEW", "objectType": "LOCK"})
    await client.post("inventory/repository/link", {"folder": "/acme"})
    await client.post("inventory/repository/unlink", {"folder": "/acme", "deleteRepository": True})
    assert not (cockpit.configuration.data / "repositories" / "rollout" / "acme").exists()
    assert (await files(client))["items"] == []
    # Into an empty environment, under the same folder.
    await client.post("inventory/remove/folder", {"path": "/acme"})
    await git(client, "clone", remoteUrl=remote)
    await client.post("inventory/repository/update", {"configurations": [chosen("/acme")], "category": "ROLLOUT"})
    loaded = await client.post("inventory/read/configuration", {"path": "/acme/flows/LOAD", "objectType": "WORKFLOW"})
    assert loaded["valid"] is True


async def test_what_cannot_be_is_refused_with_words(client: Any) -> None:
    for path, request, code, said in (
        ("git/clone", {"folder": "/a/b", "remoteUrl": "file:///x"}, "JOC-400", "give '/a'"),
        ("git/clone", {"folder": "/", "remoteUrl": "file:///x"}, "JOC-400", "root folder"),
        ("git/clone", {"folder": "/a/../b", "remoteUrl": "file:///x"}, "JOC-400", "folder"),
        ("git/clone", {"folder": "/a", "remoteUrl": "ssh://h/x"}, "JOC-400", "protocol 'ssh'"),
        ("git/clone", {"folder": "/a"}, "JOC-400", "remoteUrl"),
        ("git/pull", {"folder": "/a"}, "JOC-002", "repository of the folder '/a'"),
        ("git/commit", {"folder": "/a", "message": " "}, "JOC-400", "message"),
        ("git/checkout", {"folder": "/a"}, "JOC-400", "either branch or tag"),
        ("git/checkout", {"folder": "/a", "branch": "--force"}, "JOC-400", "'--force'"),
        ("update", {"configurations": [chosen("/none")]}, "JOC-002", "any file"),
        ("update", {"configurations": [chosen("/a/R", "DESCRIPTORFOLDER")]}, "JOC-400", "not held"),
        ("link", {"folder": "/none"}, "JOC-002", "/none"),
    ):
        answer = await client.post(f"inventory/repository/{path}", {"category": "ROLLOUT", **request}, status=420)
        assert answer["error"]["code"] == code and said in answer["error"]["message"], answer


async def test_credentials_are_kept_for_an_account_and_their_secrets_not_told(client: Any) -> None:
    at = "inventory/repository/git/credentials"
    await client.post(f"{at}/add", {"credentials": [{**CREDENTIALS, "password": "old"}]})
    await client.post(f"{at}/add", {"credentials": [{**CREDENTIALS, "personalAccessToken": "planted-secret"}]})
    await client.post(f"{at}/add", {"credentials": [{**CREDENTIALS, "gitServer": "b", "keyfilePath": "id_ed25519"}]})
    found = await client.post(at)
    assert found["credentials"] == [
        {**CREDENTIALS, "personalAccessToken": "********"},
        {**CREDENTIALS, "gitServer": "b", "keyfilePath": "id_ed25519"},
    ]
    assert "planted-secret" not in json.dumps(await client.post("audit_log", {}))
    for wrong in (
        {},
        {"password": "a", "personalAccessToken": "b"},
        {"password": "a\nb"},
        {"keyfilePath": "../../etc/passwd"},
        {"password": "a", "username": "a<b"},
    ):
        await client.post(f"{at}/add", {"credentials": [{**CREDENTIALS, **wrong}]}, status=420)
    await client.post(f"{at}/remove", {"gitServers": ["GIT.example.com"]})
    assert [item["gitServer"] for item in (await client.post(at))["credentials"]] == ["b"]
