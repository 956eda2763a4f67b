"""Released job templates and the jobs made from them, over HTTP (cockpit-services 1.12)."""

from __future__ import annotations

from typing import Any

SHELL = {"TYPE": "ShellScriptExecutable", "script": "echo new"}
TEMPLATE: dict[str, Any] = {
    "executable": SHELL,
    "arguments": {"x": {"type": "String", "required": True, "default": "one"}},
}


def workflow(*templates: str) -> dict[str, Any]:
    old = {"TYPE": "ShellScriptExecutable", "script": "echo old"}
    names = [f"job{number}" for number, _ in enumerate(templates)]
    return {
        "instructions": [{"TYPE": "Execute.Named", "jobName": name, "label": name} for name in names],
        "jobs": {
            name: {"agentName": "Primary Agent", "executable": old, "jobTemplate": {"name": template, "hash": "0"}}
            for name, template in zip(names, templates, strict=True)
        },
    }


async def store(client: Any, path: str, object_type: str, configuration: Any) -> None:
    request = {"path": path, "objectType": object_type, "configuration": configuration}
    await client.post("inventory/store", request)


async def scripts(client: Any, path: str) -> list[str]:
    read = await client.post("inventory/read/configuration", {"path": path, "objectType": "WORKFLOW"})
    return [job["executable"]["script"] for _, job in sorted(read["configuration"]["jobs"].items())]


async def test_templates_are_listed_used_and_brought_to_their_jobs(registered: Any, client: Any) -> None:
    for name in ("T", "U"):
        await store(client, f"/templates/{name}", "JOBTEMPLATE", {**TEMPLATE, "title": name})
    missing = await client.post("job_template", {"jobTemplatePath": "T"}, status=420)
    assert "not released" in missing["error"]["message"]
    update = [{"path": "/templates", "objectType": "FOLDER", "recursive": True}]
    await client.post("inventory/release", {"update": update})
    one = (await client.post("job_template", {"jobTemplatePath": "/templates/T"}))["jobTemplate"]
    assert one["executable"] == SHELL and one["hasRequiredArguments"] is True and one["path"] == "/templates/T"
    listed = await client.post("job_templates", {"compact": True, "folders": [{"folder": "/templates"}]})
    assert [item["name"] for item in listed["jobTemplates"]] == ["T", "U"]
    assert "executable" not in listed["jobTemplates"][0]
    for name, hash_, expected in (("T", one["hash"], "IN_SYNC"), ("T", "0", "NOT_IN_SYNC"), ("V", "0", "DELETED")):
        answer = await client.post("job_template/state", {"jobTemplate": {"name": name, "hash": hash_}})
        assert answer["_text"] == expected
    await store(client, "/a/ONE", "WORKFLOW", workflow("T", "U"))
    await store(client, "/a/TWO", "WORKFLOW", workflow("T"))
    await store(client, "/b/THREE", "WORKFLOW", workflow("T", "GONE"))
    users = (await client.post("job_templates/used", {"jobTemplatePaths": ["T"]}))["jobTemplates"]
    assert [(item["name"], item["state"]["_text"]) for item in users[0]["workflows"]] == [
        ("ONE", "NOT_IN_SYNC"),
        ("TWO", "NOT_IN_SYNC"),
        ("THREE", "NOT_IN_SYNC"),
    ]
    # A template, to some of the workflows: only its jobs.
    request = {"jobTemplates": [{"path": "/templates/T", "workflows": ["/a/ONE"]}]}
    report = (await client.post("job_templates/propagate", request))["workflows"]
    assert [item["path"] for item in report] == ["/a/ONE"] and set(report[0]["jobs"]) == {"job0"}
    assert report[0]["state"]["_text"] == "CHANGED" and report[0]["jobs"]["job0"]["actions"]["addRequiredArguments"]
    assert await scripts(client, "ONE") == ["echo new", "echo old"]
    assert await scripts(client, "TWO") == ["echo old"]
    # One job, then a folder.
    job = await client.post("inventory/job/update", {"workflowPath": "/a/ONE", "jobName": "job1"})
    assert job["state"]["_text"] == "CHANGED" and job["jobTemplatePath"] == "/templates/U"
    folder = (await client.post("inventory/workflows/update", {"folder": "/", "recursive": True}))["workflows"]
    assert {item["path"]: item["state"]["_text"] for item in folder} == {
        "/a/ONE": "UPTODATE",
        "/a/TWO": "CHANGED",
        "/b/THREE": "TEMPLATE_REFERENCE_DELETED",
    }
    read = await client.post("inventory/read/configuration", {"path": "THREE", "objectType": "WORKFLOW"})
    assert "jobTemplate" not in read["configuration"]["jobs"]["job1"] and read["valid"]
    await client.post("inventory/workflows/update", {}, status=420)
    await client.post("inventory/job/update", {"workflowPath": "/a/ONE", "jobName": "none"}, status=420)
