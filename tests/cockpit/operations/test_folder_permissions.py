"""Objects outside of an account's folders: invisible in lists, refused when they are addressed (cockpit-api 1.10)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import event
from tests.cockpit.conftest import Client
from tests.cockpit.identity.conftest import People
from tests.cockpit.operations.conftest import CONTROLLER_ID, WORKFLOW, RecordingController, deployment
from tests.cockpit.test_live_api import Feed, Sse

from stellwerk.cockpit.application import Cockpit

#: Name of workflow → its folder. `anna` may see `/open` and what lies below it.
FOLDERS = {"LOAD": "/open", "DEEP": "/open/deep", "SECRET": "/closed", "NEAR": "/openness", "UPPER": "/OPEN"}
VISIBLE = {"/open/LOAD", "/open/deep/DEEP"}
MINE, THEIRS = "order-of-LOAD", "order-of-SECRET"
OF_CONTROLLER = {"controllerId": CONTROLLER_ID}


def events_of(name: str) -> list[dict[str, Any]]:
    key = f"order-of-{name}"
    return [
        {"Key": key, "TYPE": "OrderAdded", "workflowId": {"path": name, "versionId": "v"}, "planId": []},
        {"Key": key, "TYPE": "OrderStarted"},
        {"Key": key, "TYPE": "OrderAttachable", "agentPath": "agent-1"},
        {"Key": key, "TYPE": "OrderProcessingStarted", "subagentId": "agent-1"},
        {"Key": key, "TYPE": "OrderStdoutWritten", "chunk": f"output of {name}\n"},
    ]


@pytest.fixture
async def feed(cockpit: Cockpit, registered: RecordingController, client: Client) -> Feed:
    """All workflows are deployed, and each has an order whose job runs."""
    for name, folder in FOLDERS.items():
        request = {"path": f"{folder}/{name}", "objectType": "WORKFLOW", "configuration": WORKFLOW}
        await client.post("inventory/store", request)
    paths = [f"{folder}/{name}" for name, folder in FOLDERS.items()]
    await client.post("inventory/deployment/deploy", deployment(*paths))
    feed = Feed(cockpit)
    for name in FOLDERS:
        item: dict[str, Any] = {"TYPE": "Workflow", "path": name, "versionId": "v", "instructions": [], "jobs": {}}
        item["instructions"] = [{"TYPE": "Execute.Named", "jobName": "load"}]
        item["jobs"] = {"load": {"agentPath": "agent-1", "executable": {}}}
        await feed({"TYPE": "VersionedItemAdded", "signed": {"string": json.dumps(item)}})
        await feed(*events_of(name))
    return feed


@pytest.fixture
def people(client: Client) -> People:
    return People(client)


async def restricted(people: People, *folders: dict[str, Any], controller_id: str = "") -> Client:
    given = folders or ({"folder": "/open", "recursive": True},)
    await people.role("role of anna", "sos:products:controller", "sos:products:joc:inventory")
    await people.role("role of anna", folders=given, controller_id=controller_id)
    await people.account("anna", "role of anna")
    return await people.enter("anna")


async def denied(client: Client, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(path, {**OF_CONTROLLER, **body}, status=420)
    assert answer["error"]["code"] == "JOC-419", (path, answer)
    assert "/closed" in answer["error"]["message"]


async def test_lists_leave_out_what_lies_elsewhere(feed: Feed, people: People) -> None:
    anna = await restricted(people)
    seen = await anna.post("workflows", OF_CONTROLLER)
    assert {one["path"] for one in seen["workflows"]} == VISIBLE
    orders = {"order-of-LOAD", "order-of-DEEP"}
    assert {one["orderId"] for one in (await anna.post("orders", OF_CONTROLLER))["orders"]} == orders
    everywhere = {**OF_CONTROLLER, "folders": [{"folder": "/", "recursive": True}]}
    assert {one["orderId"] for one in (await anna.post("orders", everywhere))["orders"]} == orders
    for path, more in (("workflows/search", {}), ("workflows/quick/search", {"search": "*E"})):
        found = (await anna.post(path, {**OF_CONTROLLER, **more}))["results"]
        assert {one["path"] for one in found} == VISIBLE - ({"/open/LOAD"} if more else set()), path
    [plan] = (await anna.post("plans", {**OF_CONTROLLER, "includeOrders": True}))["plans"]
    assert {one["orderId"] for one in plan["orders"]} == orders and plan["numOfOrders"] == 2
    for path in ("orders/history", "tasks/history"):
        assert {one["orderId"] for one in (await anna.post(path, {}))["history"]} == orders, path
        assert len((await people.root.post(path, {}))["history"]) == len(FOLDERS)
    for path in ("orders", "history/orders", "history/tasks"):
        page = await anna.get(f"stellwerk/{path}")
        assert {row["orderId"] for row in page["rows"]} == orders, path
        assert page["total"] == 2
    assert {row["path"] for row in (await anna.get("stellwerk/workflows"))["rows"]} == VISIBLE
    assert (await anna.get("stellwerk/counts", by="workflow"))["counts"] == dict.fromkeys(VISIBLE, 1)
    history = (await anna.post("inventory/deployment/history", {}))["depHistory"]
    assert {one["path"] for one in history} == VISIBLE


async def test_what_lies_elsewhere_is_refused_when_it_is_addressed(feed: Feed, people: People) -> None:
    anna = await restricted(people)
    tasks = (await people.root.post("tasks/history", {}))["history"]
    (task,) = [one["taskId"] for one in tasks if one["orderId"] == THEIRS]
    await denied(anna, "workflow", {"workflowId": {"path": "SECRET"}})
    await denied(anna, "order", {"orderId": THEIRS})
    await denied(anna, "order/history", {"orderId": THEIRS})
    await denied(anna, "order/log", {"orderId": THEIRS})
    await denied(anna, "task/log", {"taskId": task})
    for path in ("workflow/state", "workflow/dependencies", "orders/add/positions"):
        await denied(anna, path, {"workflowId": {"path": "SECRET"}})
    await denied(anna, "workflow/order_templates", {"workflowPath": "SECRET"})
    for path in ("orders/resume/positions", "orders/remove_when_terminated", "orders/obstacles"):
        await denied(anna, path, {"orderIds": [THEIRS]})
    await denied(anna, "orders/change", {"orderIds": [THEIRS], "priority": 1})
    for path in ("order/variables", "order/obstacles"):
        await denied(anna, path, {"orderId": THEIRS})
    about = {"name": "SECRET", "objectType": "WORKFLOW"}
    await denied(anna, "note", about)
    await denied(anna, "note/post/add", {**about, "content": "x"})
    expected = [{"noticeBoardPath": "B", "workflowPaths": ["SECRET"]}]
    await denied(anna, "notices/post/expected", {"expectedNotices": expected})
    await denied(anna, "orders/add", {"orders": [{"workflowPath": "/open/SECRET"}]})
    await denied(anna, "inventory/read/configuration", {"path": "/closed/SECRET", "objectType": "WORKFLOW"})
    await denied(anna, "inventory/read/folder", {"path": "/closed"})
    new = {"path": "/closed/NEW", "objectType": "WORKFLOW", "configuration": WORKFLOW}
    await denied(anna, "inventory/store", new)
    id_ = (await people.root.post("inventory/store", {**new, "path": "/closed/SECRET"}))["id"]
    await denied(anna, "inventory/store", {"id": id_, "configuration": {}})
    await denied(anna, "inventory/read/configuration", {"id": id_})
    await denied(anna, "inventory/deployment/deploy", deployment("/closed/SECRET"))
    for path in (f"order/{THEIRS}/events", f"log/order/{THEIRS}", f"log/task/{task}"):
        answer = await anna.get(f"stellwerk/{path}", status=420)
        assert answer["error"]["code"] == "JOC-419", path
        await people.root.get(f"stellwerk/{path}")
    await anna.post("order/log", {**OF_CONTROLLER, "orderId": MINE})


async def test_commands_reach_only_orders_that_may_be_seen(
    feed: Feed, people: People, registered: RecordingController
) -> None:
    anna = await restricted(people)
    sent = len(registered.commands)
    for verb in ("cancel", "suspend", "resume", "continue", "confirm"):
        await denied(anna, f"orders/{verb}", {"orderIds": [MINE, THEIRS]})
    unknown = await anna.post("orders/cancel", {**OF_CONTROLLER, "orderIds": ["unheard of"]}, status=420)
    assert unknown["error"]["code"] == "JOC-161"
    assert len(registered.commands) == sent
    await anna.post("orders/suspend", {**OF_CONTROLLER, "orderIds": [MINE]})
    everywhere = {**OF_CONTROLLER, "folders": [{"folder": "/", "recursive": True}]}
    await anna.post("orders/cancel", everywhere)
    assert [command["orderIds"] for command in registered.commands[sent:]] == [
        [MINE],
        ["order-of-DEEP", "order-of-LOAD"],
    ]


async def test_deploying_a_folder_takes_what_may_be_seen(
    feed: Feed, people: People, registered: RecordingController
) -> None:
    anna = await restricted(people)
    for name, folder in FOLDERS.items():
        changed = {**WORKFLOW, "title": "changed"}
        request = {"path": f"{folder}/{name}", "objectType": "WORKFLOW", "configuration": changed}
        await people.root.post("inventory/store", request)
    await anna.post("inventory/deployment/deploy", deployment("/", object_type="FOLDER", recursive=True))
    assert {item["path"] for item in registered.signed_items()} == {"LOAD", "DEEP"}


async def test_folders_are_told_apart_exactly(feed: Feed, people: People) -> None:
    """Not recursive, upper and lower case, the beginning of a name."""
    anna = await restricted(people, {"folder": "/open", "recursive": False})
    assert {one["path"] for one in (await anna.post("workflows", OF_CONTROLLER))["workflows"]} == {"/open/LOAD"}
    assert {row["workflow"]["path"] for row in (await anna.get("stellwerk/orders"))["rows"]} == {"/open/LOAD"}
    listed = await anna.post("inventory/read/folder", {"path": "/", "recursive": True})
    assert [one["path"] for one in listed["workflows"]] == ["/open/LOAD"]
    deeper = await anna.post("inventory/read/folder", {"path": "/open/deep", "recursive": True})
    assert deeper["workflows"] == []


async def test_folders_of_one_controller_do_not_restrict_others(feed: Feed, people: People) -> None:
    anna = await restricted(people, controller_id="another")
    assert len((await anna.post("workflows", OF_CONTROLLER))["workflows"]) == len(FOLDERS)
    assert (await anna.get("stellwerk/orders"))["total"] == len(FOLDERS)
    await people.role("role of anna", folders=[{"folder": "/closed"}], controller_id=CONTROLLER_ID)
    seen = (await anna.post("workflows", OF_CONTROLLER))["workflows"]
    assert {one["path"] for one in seen} == {"/closed/SECRET"}
    assert {row["orderId"] for row in (await anna.get("stellwerk/orders"))["rows"]} == {THEIRS}
    # The inventory belongs to no Controller: there, what may be seen at any.
    listed = await anna.post("inventory/read/folder", {"path": "/", "recursive": True})
    assert {one["path"] for one in listed["workflows"]} == VISIBLE | {"/closed/SECRET"}


async def test_the_stream_tells_nothing_of_other_folders(feed: Feed, people: People) -> None:
    anna = await restricted(people)
    tasks = (await people.root.post("tasks/history", {}))["history"]
    (task,) = [one["taskId"] for one in tasks if one["orderId"] == THEIRS]
    topics = f"orders,counts,order:{THEIRS},workflow:/closed/SECRET,log:task:{task}"
    async with await anna.raw("GET", "stellwerk/stream", params={"topics": topics}) as response:
        stream = Sse(response)
        assert (await stream.next())[0] == "stream"
        heard: list[Any] = []
        for key in (THEIRS, MINE):
            await feed({"Key": key, "TYPE": "OrderSuspended"})
        while not (heard and heard[-1][0] == "patch" and heard[-1][1]["rows"]):
            heard.append(await stream.next())
        assert [row["key"] for row in heard[-1][1]["rows"]] == [MINE]
        ends: list[dict[str, Any]] = [{"Key": "", "TYPE": "OrderProcessed", "outcome": {"TYPE": "Succeeded"}}]
        ends += [{"Key": "", "TYPE": kind} for kind in ("OrderMoved", "OrderFinished", "OrderDeleted")]
        ends[1]["to"] = [1]
        for key in (THEIRS, MINE):
            await feed(*({**one, "Key": key} for one in ends))
        while not (heard and heard[-1][0] == "patch" and MINE in heard[-1][1].get("removed", ())):
            heard.append(await stream.next())
        assert heard[-1][0] != "end"
    text = json.dumps(heard)
    assert "SECRET" not in text and MINE in text


async def test_the_poll_tells_nothing_of_other_folders(feed: Feed, people: People) -> None:
    anna = await restricted(people)
    first = await anna.post("events", OF_CONTROLLER)
    await feed({"Key": THEIRS, "TYPE": "OrderSuspended"}, {"Key": MINE, "TYPE": "OrderSuspended"})
    after = {**OF_CONTROLLER, "eventId": first["eventId"]}
    text = json.dumps(await anna.post("events", after))
    assert "/open/LOAD" in text and "SECRET" not in text
    assert "SECRET" in json.dumps(await people.root.post("events", after))


async def test_accounts_without_folders_cost_no_further_query(feed: Feed, people: People, cockpit: Cockpit) -> None:
    anna = await restricted(people)
    executed: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        executed.append(statement)

    engine = cockpit.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    for client, expects in ((people.root, False), (anna, True)):
        for path, body in (("stellwerk/orders", None), ("orders/history", {}), ("order/log", {"orderId": MINE})):
            executed.clear()
            if body is None:
                await client.get(path)
            else:
                await client.post(path, {**OF_CONTROLLER, **body})
            assert any("inv_configurations" in text for text in executed) == expects, path
    event.remove(engine, "before_cursor_execute", note)
