"""`stellwerk diff`, `apply` and `inventory …` as processes against a running Cockpit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cockpit.conftest import PASSWORD

from stellwerk.values.problems import Problem

CONTROLLER_ID = "controller"
FILES: dict[str, Any] = {
    "flows/LOAD.workflow.json": {
        "instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}],
        "jobs": {
            "load": {
                "agentName": "Primary Agent",
                "executable": {"TYPE": "ShellScriptExecutable", "script": "##!include COMMON\necho"},
            }
        },
    },
    "COMMON.script.json": {"script": "set -e"},
    "DAYS.calendar.json": {"type": "WORKINGDAYSCALENDAR", "includes": {"weekdays": [{"days": [1]}]}},
    "NIGHT.schedule.json": {"workflowNames": ["LOAD"], "calendars": [{"calendarName": "DAYS"}]},
}

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: the API's own tests take both."""
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def run(registered: Any, client: Any) -> Run:
    """Runs the command with arguments; gives exit code, output, errors."""

    async def command(*arguments: str) -> tuple[int, str, str]:
        environment = {**os.environ, "STELLWERK_URL": client.base, "STELLWERK_PASSWORD": PASSWORD, "COLUMNS": "240"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stellwerk.cli",
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, configuration in FILES.items():
        write(tmp_path / "files" / name, configuration)
    (tmp_path / "files" / "README.md").write_text("no object")
    return tmp_path / "files"


def write(file: Path, configuration: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(configuration))


async def states(client: Any) -> dict[str, tuple[bool, bool]]:
    listing = await client.post("inventory/read/folder", {"path": "/", "recursive": True})
    return {
        item["path"]: (item["deployed"], item["released"])
        for member in listing.values()
        if isinstance(member, list)
        for item in member
    }


async def test_a_folder_is_shown_applied_and_then_nothing_is_to_do(
    run: Run, registered: Any, client: Any, folder: Path
) -> None:
    code, output, _ = await run("diff", str(folder), "--to", "/acme")
    assert code == 1
    assert "+ new WORKFLOW /acme/flows/LOAD" in output and "+ new SCHEDULE /acme/NIGHT" in output
    assert await states(client) == {}, "a preview stores nothing"
    code, _, errors = await run("apply", str(folder), "--to", "/acme")
    assert code == 1 and "confirm it with --yes" in errors
    assert await states(client) == {}
    code, output, errors = await run("apply", str(folder), "--to", "/acme", "--yes")
    assert (code, errors) == (0, "") and "4 changes made" in output
    assert await states(client) == {
        "/acme/flows/LOAD": (True, False),
        "/acme/COMMON": (False, True),
        "/acme/DAYS": (False, True),
        "/acme/NIGHT": (False, True),
    }
    assert registered.signed_items()[0]["jobs"]["load"]["executable"]["script"] == "set -e\necho"
    transactions = len(registered.items)
    assert (await run("diff", str(folder), "--to", "/acme"))[:2] == (0, "nothing would change\n")
    code, output, _ = await run("apply", str(folder), "--to", "/acme", "--yes")
    assert code == 0 and "nothing to do" in output and len(registered.items) == transactions


async def test_what_differs_is_shown_line_by_line(run: Run, registered: Any, client: Any, folder: Path) -> None:
    await run("apply", str(folder), "--yes")
    draft = {"path": "/COMMON", "objectType": "INCLUDESCRIPT", "configuration": {"script": "by hand"}}
    await client.post("inventory/store", draft)
    write(folder / "COMMON.script.json", {"script": "set -eu"})
    (folder / "NIGHT.schedule.json").rename(folder / "flows" / "NIGHT.schedule.json")
    (folder / "DAYS.calendar.json").unlink()
    write(folder / "OTHER.calendar.json", {"type": "WORKINGDAYSCALENDAR"})
    write(
        folder / "flows" / "NIGHT.schedule.json", {"workflowNames": ["LOAD"], "calendars": [{"calendarName": "OTHER"}]}
    )
    code, output, _ = await run("diff", str(folder), "--prune")
    assert code == 1
    assert "~ changed INCLUDESCRIPT /COMMON\n" in output and "gets lost" in output
    assert '-  "script": "set -e"' in output and '+  "script": "set -eu"' in output
    assert "~ changed SCHEDULE /flows/NIGHT (from /NIGHT)" in output
    assert "- deleted WORKINGDAYSCALENDAR /DAYS" in output and "LOAD" not in output.replace('"LOAD"', "")
    code, output, errors = await run("apply", str(folder), "--prune", "--yes", "--json")
    assert (code, errors) == (0, "")
    applied = {(item["action"], item["path"]) for item in json.loads(output)["applied"]}
    assert applied == {
        ("change", "/COMMON"),
        ("change", "/flows/NIGHT"),
        ("create", "/OTHER"),
        ("delete", "/DAYS"),
    }
    assert "/DAYS" not in await states(client)


async def test_a_refused_deployment_leaves_everything_as_it_was(
    run: Run, registered: Any, client: Any, folder: Path
) -> None:
    await run("apply", str(folder), "--yes")
    before = await states(client)
    load = await client.post("inventory/read/configuration", {"path": "LOAD", "objectType": "WORKFLOW"})
    write(folder / "flows" / "LOAD.workflow.json", {**FILES["flows/LOAD.workflow.json"], "title": "changed"})
    write(folder / "COMMON.script.json", {"script": "changed"})
    write(folder / "NEW.lock.json", {"limit": 1})
    registered.refuse_items = Problem(message="not today")
    code, _, errors = await run("apply", str(folder), "--yes")
    assert code == 1 and "not today" in errors and "The inventory is as it was before" in errors
    assert await states(client) == before
    after = await client.post("inventory/read/configuration", {"path": "LOAD", "objectType": "WORKFLOW"})
    assert after["configuration"] == load["configuration"] and after["deployed"] is True
    registered.refuse_items = None
    code, output, _ = await run("diff", str(folder))
    assert output.count("~ changed") == 2 and "+ new LOCK /NEW" in output
    # Released content is what it was, too: a deployment includes it.
    entry = {"configuration": {"path": "LOAD", "objectType": "WORKFLOW"}}
    store = {"draftConfigurations": [entry]}
    await client.post("inventory/deployment/deploy", {"controllerIds": [CONTROLLER_ID], "store": store})
    assert registered.signed_items()[0]["jobs"]["load"]["executable"]["script"] == "set -e\necho"


async def test_invalid_files_are_shown_and_not_applied(run: Run, registered: Any, client: Any, folder: Path) -> None:
    write(folder / "BAD.workflow.json", {"instructions": [{"TYPE": "Teleport"}]})
    code, output, _ = await run("diff", str(folder))
    assert code == 1 and "invalid: " in output and "Teleport" in output
    code, _, errors = await run("apply", str(folder), "--yes")
    assert code == 1 and "/BAD" in errors and "nothing was done" in errors
    assert await states(client) == {}
    (folder / "BAD.workflow.json").write_text("{")
    code, _, errors = await run("diff", str(folder))
    assert code == 2 and "BAD.workflow.json" in errors and "line 1" in errors
    for arguments in (("diff", str(folder / "none")), ("apply", str(folder / "none"), "--yes")):
        assert (await run(*arguments))[0] == 2


async def test_only_what_was_shown_is_applied(registered: Any, client: Any, folder: Path) -> None:
    import aiohttp

    from stellwerk.cli.apply import _archive

    def form(**fields: str) -> aiohttp.FormData:
        result = aiohttp.FormData({"controllerId": CONTROLLER_ID, "format": "ZIP", **fields})
        result.add_field("file", _archive(folder), filename="files.zip")
        return result

    async with await client.raw("POST", "stellwerk/inventory/plan", data=form()) as response:
        digest = (await response.json())["digest"]
    await client.post("inventory/store", {"path": "/DAYS", "objectType": "WORKINGDAYSCALENDAR", "configuration": {}})
    async with await client.raw("POST", "stellwerk/inventory/apply", data=form(digest=digest)) as response:
        assert (await response.json())["error"]["code"] == "JOC-425"
    assert len(await states(client)) == 1


async def test_the_inventory_is_listed_shown_exported_imported_removed_and_restored(
    run: Run, registered: Any, client: Any, folder: Path, tmp_path: Path
) -> None:
    await run("apply", str(folder), "--to", "/acme", "--yes")
    code, output, _ = await run("inventory", "list", "/acme", "--json")
    assert code == 0 and [item["name"] for item in json.loads(output)] == ["COMMON", "DAYS", "NIGHT", "LOAD"]
    code, output, _ = await run("inventory", "list", "--type", "schedule")
    assert code == 0 and "/acme/NIGHT" in output and "released" in output and "LOAD" not in output
    code, output, _ = await run("inventory", "show", "COMMON")
    assert json.loads(output) == {"script": "set -e"}
    file = tmp_path / "out.zip"
    assert (await run("inventory", "export", str(file), "--folder", "/acme"))[0] == 0
    with zipfile.ZipFile(file) as packed:
        assert "acme/flows/LOAD.workflow.json" in packed.namelist()
    code, _, errors = await run("inventory", "export", str(file))
    assert code == 1 and "--force" in errors
    assert (await run("inventory", "export", str(tmp_path / "out.rar")))[0] == 2
    code, _, errors = await run("inventory", "remove", "/acme")
    assert code == 1 and "--yes" in errors and len(await states(client)) == 4
    code, output, errors = await run("inventory", "remove", "/acme", "--yes")
    assert (code, errors) == (0, "") and await states(client) == {}
    code, output, _ = await run("inventory", "restore", "/acme/NIGHT")
    assert code == 0 and "restored SCHEDULE /acme/NIGHT" in output
    code, output, errors = await run("inventory", "import", str(file), "--overwrite", "--to", "/again")
    assert (code, errors) == (0, "")
    assert "/again/acme/NIGHT" in await states(client)
    code, _, errors = await run("inventory", "show", "NOBODY", "--json")
    assert code == 1 and json.loads(errors)["error"]["message"] == "there is no NOBODY"
