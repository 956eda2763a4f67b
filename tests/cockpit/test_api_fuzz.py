"""Any request that the OpenAPI document allows: no failure that nobody foresaw, no answer that it does not describe.

In `make test` few requests to some operations, always the same; `make api-fuzz` sends many to all of them, other ones
each time. What has been found is a test of its own where it belongs.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import insert
from structlog.testing import capture_logs
from tests.cockpit.conftest import PASSWORD, cockpit_configuration

from stellwerk.cockpit.api import all_routes
from stellwerk.cockpit.api.openapi import openapi_document
from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.database.tables.controllers import inv_agent_instances, inv_js_instances
from stellwerk.cockpit.deployment.deployer import Deployer
from stellwerk.cockpit.deployment.history import common_columns
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import UPDATE
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.writer import ProjectionWriter

#: `make api-fuzz` says how many requests each operation gets.
EXAMPLES = int(os.environ.get("STELLWERK_FUZZ_EXAMPLES", "0"))
#: Of the short form: requests per operation, and one of so many operations.
_FEW, _SHARE = 2, 14
#: What ends the session, the process or the test, and what never ends.
_LEFT_OUT = {
    "/joc/api/authentication/logout",
    "/joc/api/authentication/login",
    "/joc/api/stellwerk/stream",
    "/joc/api/settings/store",
    "/joc/api/iam/accounts/delete",
    "/joc/api/iam/accounts/disable",
    "/joc/api/iam/identityservice/delete",
}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


#: What there is, by the names of members that ask for it: every other text becomes one of these.
_KNOWN: dict[str, Any] = {
    "controllerId": "controller",
    "controllerIds": ["controller"],
    "workflowPath": "W",
    "workflowPaths": ["W"],
    "path": "/f/W",
    "name": "W",
    "objectType": "WORKFLOW",
    "orderId": "O",
    "orderIds": ["O"],
    "agentId": "A",
    "agentIds": ["A"],
    "lockPath": "L",
    "noticeBoardPath": "B",
    "folder": "/f",
    "identityServiceName": "JOC-INITIAL",
    "timeZone": "Europe/Berlin",
    "dateFrom": "-1d",
    "dateTo": "2026-01-31",
    "dailyPlanDateFrom": "2026-01-31",
}
_WORKFLOW = {
    "instructions": [
        {"TYPE": "Execute.Named", "jobName": "load", "label": "load"},
        {"TYPE": "Lock", "demands": [{"lockName": "L"}], "lockedWorkflow": {"instructions": []}},
        {"TYPE": "PostNotices", "noticeBoardNames": ["B"]},
    ],
    "jobs": {"load": {"agentName": "A", "executable": {"TYPE": "ShellScriptExecutable", "script": "echo"}}},
}
_STORED = (
    ("WORKFLOW", "/f/W", _WORKFLOW),
    ("LOCK", "/f/L", {"limit": 1}),
    ("NOTICEBOARD", "/f/B", {"boardType": "PLANNABLE"}),
)


def _with_known(value: Any) -> Any:
    """Requests that find something: half of the members that name things name what there is."""
    if isinstance(value, list):
        return [_with_known(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _KNOWN[name] if _is_replaced(name, item) else _with_known(item) for name, item in value.items()}


def _is_replaced(name: str, value: Any) -> bool:
    return name in _KNOWN and isinstance(value, type(_KNOWN[name])) and len(str(value)) % 2 == 0


class Running:
    """A Cockpit in a thread of its own, so that plain calls reach it."""

    def __init__(self, data: Path, database_url: str | None) -> None:
        configuration = cockpit_configuration(data, database_url)
        self.cockpit = Cockpit(type(configuration)(**{**_members(configuration), "events_response_seconds": 0.05}))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Running:
        self._thread.start()
        self._run(self.cockpit.start())
        self.base = f"http://127.0.0.1:{self.cockpit.port}"
        login = urllib.request.Request(f"{self.base}/joc/api/authentication/login", method="POST")
        login.add_header("Authorization", aiohttp.encode_basic_auth("root", PASSWORD))
        with urllib.request.urlopen(login, timeout=60) as answer:
            self.headers = {"X-Access-Token": answer.headers["X-Access-Token"]}
        self._run(self._fill())
        return self

    async def _fill(self) -> None:
        """A Controller that does not answer, with an Agent, and a workflow that is deployed and has an order."""
        database, here = self.cockpit.database, "controller"
        inventory = self.cockpit.services.get(Inventory)
        stored = [await inventory.store(ObjectType[kind], path, content) for kind, path, content in _STORED]
        node = {"controller_id": here, "uri": "http://127.0.0.1:1", "is_primary": True, "modified": 1}
        machine = {
            "controller_id": here,
            "agent_id": "A",
            "agent_name": "A",
            "uri": "http://127.0.0.1:2",
            "ordering": 1,
        }
        async with database.write() as connection:
            await connection.execute(insert(inv_js_instances).values({**node, "security_level": "LOW"}))
            await connection.execute(insert(inv_agent_instances).values({**machine, "modified": 1, "deployed": True}))
        engine: dict[str, Any] = {"TYPE": "Workflow", "path": "W", "versionId": "v", **_WORKFLOW}
        rows = [
            {
                **common_columns("root", here, "v", 1),
                "path": item.path,
                "folder": item.folder,
                "name": item.name,
                "type": int(item.type),
                "inv_cid": item.id,
                "operation": UPDATE,
                "inv_content": item.content,
                "content": json.dumps(engine) if item.type == ObjectType.WORKFLOW else item.content,
            }
            for item in stored
        ]
        await self.cockpit.services.get(Deployer).add(rows, stored, is_deployed=True)
        order: dict[str, Any] = {
            "Key": "O",
            "TYPE": "OrderAdded",
            "workflowId": {"path": "W", "versionId": "v"},
            "planId": [],
        }
        events: list[dict[str, Any]] = [
            {"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(engine)}},
            {**order, "arguments": {"a": 1}},
            {"Key": "O", "TYPE": "OrderStarted"},
            {"Key": "O", "TYPE": "OrderProcessingStarted", "subagentId": "A"},
            {"Key": "B", "TYPE": "NoticePosted", "plannedNoticeKey": ["DailyPlan", "2026-01-31", ""]},
            {"Key": ["DailyPlan", "2026-01-31"], "TYPE": "PlanClosed"},
        ]
        lines = [json.dumps({"eventId": 10**15 + n, **event}).encode() for n, event in enumerate(events)]
        await ProjectionWriter(database, here).project(lines)

    def __exit__(self, *error: object) -> None:
        self._run(self.cockpit.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, task: Any) -> None:
        asyncio.run_coroutine_threadsafe(task, self._loop).result(timeout=60)


def _members(configuration: Any) -> dict[str, Any]:
    return {name: getattr(configuration, name) for name in configuration.__struct_fields__}


@pytest.fixture(params=["sqlite", *(["postgresql"] if EXAMPLES else [])])
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None
    with Running(tmp_path, url) as cockpit:
        yield cockpit


def _is_chosen(label: str) -> bool:
    return EXAMPLES > 0 or zlib.crc32(label.encode()) % _SHARE == 0


def test_requests_of_all_kinds_are_answered_as_the_document_says(running: Running) -> None:
    schema = schemathesis.openapi.from_dict(openapi_document(all_routes()))
    found: list[str] = []
    asked = 0
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    for operation in operations:
        if operation.path in _LEFT_OUT or not _is_chosen(operation.label):
            continue
        asked += 1
        found += _problems(running, operation)
    assert asked > 10
    assert not found, "\n\n".join(found)


def _problems(running: Running, operation: Any) -> list[str]:
    """What the first request that is not answered well says; each operation at most once."""
    phases = [Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate]
    number = EXAMPLES or _FEW

    @settings(
        max_examples=number,
        derandomize=EXAMPLES == 0,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.body = _with_known(case.body)
        with capture_logs() as logs:
            response = case.call(base_url=running.base, headers=running.headers, timeout=60)
        unforeseen = [entry for entry in logs if entry["event"] == "request failed unexpectedly"]
        assert not unforeseen, f"{case.as_curl_command()}\n{unforeseen[0]['exc_info']!r}"
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return [f"{operation.label}: {error}"]
    return []
