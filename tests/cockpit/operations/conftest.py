"""A Controller's HTTP interface that records what it is sent, and a Cockpit with which it is registered.

`RecordingController` checks what a Controller checks first: logins, signatures, and that workflows can be read. It
decides nothing about orders: tests say which commands it refuses. `DecidingController` decides, with the real code.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from plan_world import EVERY_DAY, PlanWorld

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.deployment.keys import SigningKeys
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.projection.writer import ProjectionWriter
from stellwerk.controller.commands import ControllerCommand, ControlWorkflow, ControlWorkflowPath
from stellwerk.controller.items import read_operations, update_items
from stellwerk.controller.state import ControllerState
from stellwerk.controller.transaction import ControllerTransaction
from stellwerk.controller.workflow_control import control_workflow, control_workflow_path
from stellwerk.engine import commands, noticing, planning
from stellwerk.engine import requests as r
from stellwerk.engine.context import Context
from stellwerk.language.items import Signed
from stellwerk.language.workflow import read_workflow
from stellwerk.values.event_ids import EventIdGenerator
from stellwerk.values.events import encode_line
from stellwerk.values.json import decode, decoder, encode
from stellwerk.values.problems import Problem, ProblemError
from stellwerk.wire.server import HttpServer
from stellwerk.wire.signatures import Signature, SignatureVerifier

CONTROLLER_ID = "controller"
PASSWORD = "secret of the link"
SCRIPT = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}
WORKFLOW: dict[str, Any] = {
    "timeZone": "Europe/Berlin",
    "instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "load"}],
    "jobs": {"load": {"agentName": "Primary Agent", "executable": SCRIPT, "parallelism": 2}},
}

#: What the database decides about is tried on both in `make test`; the rest on PostgreSQL by `make postgresql`.
_ALWAYS_ON_BOTH = frozenset(
    {
        "test_daily_plan_generation",
        "test_daily_plan_submission",
        "test_daily_plan_service",
        "test_idempotency",
        "test_inventory_life_api",
        "test_inventory_transfer_api",
    }
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    left_out = [item for item in items if item.path.parent == here and _is_left_out(item)]
    names = {item.nodeid for item in left_out}
    items[:] = [item for item in items if item.nodeid not in names]
    config.hook.pytest_deselected(items=left_out)


def _is_left_out(item: pytest.Item) -> bool:
    if item.get_closest_marker("year") is not None and "STELLWERK_YEAR" not in os.environ:
        return True
    is_elsewhere = item.get_closest_marker("postgresql") is not None and item.path.stem not in _ALWAYS_ON_BOTH
    return is_elsewhere and "STELLWERK_ALL_DATABASES" not in os.environ


class RecordingController:
    """What has been sent: `commands` (Batches dissolved), `items` (one list per transaction)."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.items: list[list[dict[str, Any]]] = []
        self.batches = 0
        self.logins: list[str] = []
        self.known_user = "cockpit"
        self.verifier: SignatureVerifier | None = None
        #: Gives the problem with which a command is refused, or None.
        self.refuse: Callable[[dict[str, Any]], Problem | None] = lambda command: None
        self.refuse_items: Problem | None = None
        #: So many answers get lost after the request has been executed.
        self.lost_answers = 0
        #: So many requests get lost before.
        self.lost_requests = 0
        #: Events cannot be read.
        self.is_mute = False
        #: Ids of the orders that have been added, in events of ids 1, 2, 3, …
        self.added: list[str] = []
        #: The same of those that have started.
        self.started: list[str] = []
        self.server = HttpServer(self, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        return self.server.url

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        try:
            path = scope["path"].removeprefix("/controller/api").strip("/")
            for kind in ("added", "started"):
                if path == "event" and b"return=Order" + kind.capitalize().encode() in scope["query_string"]:
                    path = f"{kind} orders"
            if path == "command" and self.lost_requests > 0:
                self.lost_requests -= 1
                raise ProblemError.of("WebServiceStillNotAvailable")
            answer = self._answer(scope["method"], path, headers, body)
            status = 200
        except ProblemError as error:
            status, answer = error.problem.http_status, error.problem.to_http()
        if status == 200 and scope["method"] == "POST" and "session" not in path and self.lost_answers > 0:
            self.lost_answers -= 1
            status, answer = 503, {}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        content = answer if isinstance(answer, bytes) else encode(answer)
        await send({"type": "http.response.body", "body": content})

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        if path == "session":
            login = json.loads(body)
            if login["TYPE"] == "Logout":
                return {"TYPE": "Accepted"}
            user = login.get("userAndPassword")
            if user is not None and user["password"] != PASSWORD:
                raise ProblemError.of("InvalidLogin")
            self.logins.append(user["userId"] if user else "")
            return {"TYPE": "LoggedIn", "sessionToken": f"1,{self.logins[-1]}", "js7Version": "2.9.1"}
        if method == "GET" and path == "":
            return {
                "id": CONTROLLER_ID,
                "version": "2.9.1",
                "startedAt": 1_700_000_000_000,
                "system": {"hostname": "h"},
            }
        if not headers.get("x-js7-session", "").endswith(f",{self.known_user}"):
            raise ProblemError.of("InvalidLogin")
        if path == "command":
            return self._command(decode(body))
        if path == "added orders" and not self.is_mute:
            return _lines(self.added, b'{"TYPE":"OrderAdded"}')
        if path == "started orders" and not self.is_mute:
            return _lines(self.started, b'{"TYPE":"OrderStarted"}')
        if path in ("added orders", "started orders"):
            raise ProblemError.of("WebServiceStillNotAvailable")
        if path == "item":
            return self._items([decode(line) for line in body.splitlines()])
        raise ProblemError(f"unexpected {method} {path}")

    def _command(self, command: dict[str, Any]) -> Any:
        if command["TYPE"] == "Batch":
            self.batches += 1
            responses = []
            for inner in command["commands"]:
                try:
                    responses.append(self._command(inner))
                except ProblemError as error:
                    responses.append(error.problem.to_http())
            return {"TYPE": "BatchResponse", "responses": responses}
        problem = self.refuse(command)
        if problem is not None:
            raise ProblemError(problem)
        self.commands.append(command)
        if command["TYPE"] == "AddOrder":
            self.added.append(command["order"]["id"])
            return {"TYPE": "AddOrder.Response", "ignoredBecauseDuplicate": False}
        return {"TYPE": "Accepted"}

    def _items(self, operations: list[dict[str, Any]]) -> Any:
        if self.refuse_items is not None:
            raise ProblemError(self.refuse_items)
        for operation in operations:
            if operation["TYPE"] == "AddOrChangeSigned":
                signed = operation["signedString"]
                assert self.verifier is not None, "the test trusts no certificate"
                self.verifier.verify(signed["string"], msgspec.convert(signed["signature"], Signature))
                item = json.loads(signed["string"])
                if item["TYPE"] == "Workflow":
                    read_workflow(signed["string"])
        self.items.append(operations)
        return {}

    def signed_items(self) -> list[dict[str, Any]]:
        """The signed items of the last transaction."""
        return [
            json.loads(operation["signedString"]["string"])
            for operation in self.items[-1]
            if operation["TYPE"] == "AddOrChangeSigned"
        ]


def _lines(order_ids: list[str], event: bytes) -> bytes:
    return b"".join(encode_line(n, id_, event) + b"\n" for n, id_ in enumerate(order_ids, 1))


#: The time of all decisions.
NOW_MS = 1_769_860_800_000
_command_decoder = decoder(ControllerCommand)


class DecidingController(RecordingController):
    """Decides items and orders with the real code of the Controller; `lines` are its events. No journal, no Agents."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ControllerState()
        self.lines: list[bytes] = []
        self._event_ids = EventIdGenerator()

    def _decide(self, decide: Callable[[ControllerTransaction], Any]) -> Any:
        context = Context(now_ms=NOW_MS, controller_id=CONTROLLER_ID)
        with ControllerTransaction(self.state, context) as transaction:
            result = decide(transaction)  # type: ignore[arg-type]  # __enter__ gives the base class
            transaction.follow_up()
            events = list(transaction.events)
        for keyed in events:
            event_id = self._event_ids.next(NOW_MS)
            self.lines.append(encode_line(event_id, keyed.key, encode(keyed.event), keyed.timestamp_ms))
        return result

    def _items(self, operations: list[dict[str, Any]]) -> Any:
        def verify(signed: Signed) -> None:
            assert self.verifier is not None
            self.verifier.verify(signed.string, msgspec.convert(signed.signature, Signature))

        read = read_operations(b"\n".join(encode(operation) for operation in operations), verify)
        self._decide(lambda transaction: update_items(transaction, read))
        self.items.append(operations)
        return {}

    def _command(self, command: dict[str, Any]) -> Any:
        if command["TYPE"] == "Batch":
            return super()._command(command)
        read = _command_decoder.decode(encode(command))

        def decide(transaction: ControllerTransaction) -> Any:
            match read:
                case r.AddOrder():
                    return commands.add_order(transaction, read.order)
                case r.CancelOrders():
                    commands.cancel_orders(transaction, read.order_ids, read.mode)
                case r.SuspendOrders():
                    commands.suspend_orders(transaction, read.order_ids, read.mode)
                case r.ResumeOrder():
                    commands.resume_order(transaction, read)
                case r.ResumeOrders():
                    commands.resume_orders(transaction, read)
                case r.GoOrder():
                    commands.go_order(transaction, read.order_id, read.position)
                case r.AnswerOrderPrompt():
                    commands.answer_order_prompt(transaction, read.order_id)
                case r.TransferOrders():
                    commands.transfer_orders(transaction, read.workflow_id)
                case ControlWorkflow():
                    control_workflow(transaction, read)
                case ControlWorkflowPath():
                    control_workflow_path(transaction, read)
                case r.ChangeOrder():
                    commands.change_order(transaction, read)
                case r.DeleteOrdersWhenTerminated():
                    commands.delete_orders_when_terminated(transaction, read.order_ids)
                case r.ChangePlan():
                    planning.change_plan(transaction, read)
                case r.PostNotice():
                    noticing.post_notice(transaction, read)
                case r.DeleteNotice():
                    noticing.delete_notice(transaction, read)
                case _:
                    raise ProblemError(f"unexpected {command['TYPE']}")

        result = self._decide(decide)
        self.commands.append(command)
        if command["TYPE"] == "AddOrder":
            return {"TYPE": "AddOrder.Response", "ignoredBecauseDuplicate": not result}
        return {"TYPE": "Accepted"}


@pytest.fixture
async def controller() -> AsyncIterator[RecordingController]:
    recording = RecordingController()
    await recording.server.start()
    yield recording
    await recording.server.stop()


@pytest.fixture
async def deciding_controller() -> AsyncIterator[DecidingController]:
    deciding = DecidingController()
    await deciding.server.start()
    yield deciding
    await deciding.server.stop()


@pytest.fixture
async def registered(cockpit: Cockpit, controller: RecordingController, client: Any) -> RecordingController:
    """The Controller, registered with the Cockpit, and the Agent `agent-1` alias `Primary Agent` deployed."""
    folder = cockpit.configuration.data / "private" / "controllers"
    folder.mkdir(parents=True)
    (folder / f"{CONTROLLER_ID}.toml").write_text(f'user = "cockpit"\npassword = "{PASSWORD}"\n')
    stored = await cockpit.services.get(SigningKeys).own("root")
    controller.verifier = SignatureVerifier.from_pem([] if stored is None else [stored.certificate_pem.encode()])
    await client.post(
        "controller/register",
        {"controllerId": "", "controllers": [{"url": controller.url, "role": "STANDALONE", "title": ""}]},
    )
    agent = {"agentId": "agent-1", "agentName": "Primary Agent", "url": "http://127.0.0.1:4445", "processLimit": 7}
    await client.post("agents/inventory/store", {"controllerId": CONTROLLER_ID, "agents": [agent]})
    await client.post("agents/inventory/deploy", {"controllerId": CONTROLLER_ID, "agentIds": ["agent-1"]})
    return controller


@pytest.fixture
async def deployed(registered: RecordingController, client: Any) -> RecordingController:
    """With the workflow `/nightly/LOAD` deployed."""
    await client.post("inventory/store", {"path": "/nightly/LOAD", "objectType": "WORKFLOW", "configuration": WORKFLOW})
    await client.post("inventory/deployment/deploy", deployment("/nightly/LOAD"))
    return registered


def deployment(*paths: str, object_type: str = "WORKFLOW", recursive: bool = False) -> dict[str, Any]:
    """A request that deploys drafts."""
    return {
        "controllerIds": [CONTROLLER_ID],
        "store": {
            "draftConfigurations": [
                {"configuration": {"path": path, "objectType": object_type, "recursive": recursive}} for path in paths
            ]
        },
    }


class World:
    """What a person does and sees; the events of the `DecidingController` are handed to the projection."""

    def __init__(self, client: Any, controller: Any, cockpit: Cockpit) -> None:
        self.client = client
        self.controller = controller
        self._writer = ProjectionWriter(cockpit.database, CONTROLLER_ID)

    async def deploy(self, path: str, configuration: Any, object_type: str = "WORKFLOW") -> None:
        stored = await self.client.post(
            "inventory/store", {"path": path, "objectType": object_type, "configuration": configuration}
        )
        assert stored["valid"], stored["invalidMsg"]
        await self.deploy_drafts(path, object_type=object_type)

    async def deploy_drafts(self, path: str, *, object_type: str = "WORKFLOW", status: int = 200) -> Any:
        request = deployment(path, object_type=object_type)
        return await self.client.post("inventory/deployment/deploy", request, status=status)

    async def call(self, path: str, *, status: int = 200, **members: Any) -> Any:
        """Any call for the Controller, when all is projected."""
        await self.see()
        return await self.client.post(path, {"controllerId": CONTROLLER_ID, **members}, status=status)

    async def add(self, workflow: str, **members: Any) -> str:
        request = {"controllerId": CONTROLLER_ID, "orders": [{"workflowPath": workflow, **members}]}
        [id_] = (await self.client.post("orders/add", request))["orderIds"]
        return str(id_)

    async def do(self, verb: str, *order_ids: str, status: int = 200, **members: Any) -> Any:
        request = {"controllerId": CONTROLLER_ID, "orderIds": list(order_ids), **members}
        await self.see()
        return await self.client.post(f"orders/{verb}", request, status=status)

    async def see(self) -> dict[str, str]:
        """Project everything decided so far; order id → state of all orders at the Controller."""
        lines, self.controller.lines = self.controller.lines, []
        if lines:
            await self._writer.project(lines)
        answer = await self.client.post("orders", {"controllerId": CONTROLLER_ID})
        return {item["orderId"]: item["state"]["_text"] for item in answer["orders"]}


@pytest.fixture
async def empty_world(registered: Any, client: Any, cockpit: Cockpit) -> World:
    """For tests whose fixture `controller` is the `deciding_controller`."""
    return World(client, registered, cockpit)


@pytest.fixture
async def plans(cockpit: Cockpit, client: Any, deployed: RecordingController) -> PlanWorld:
    """With a calendar of all days and the workflow `LOAD`."""
    world = PlanWorld(cockpit, client, deployed)
    await world.release("/days/every-day", EVERY_DAY, ObjectType.WORKINGDAYSCALENDAR)
    return world
