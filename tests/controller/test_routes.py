"""Controller and Agent as their processes run them, over real HTTP (journal spec 2, 3.2, 3.4; orders spec 7.3)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from authority import Authority

from stellwerk.agent.main import run_agent
from stellwerk.controller.main import run_controller
from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.node.configuration import read_agent_configuration, read_controller_configuration
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.signatures import SigningKey, sign
from stellwerk.wire.tls import TlsOptions

TIMEOUT_SECONDS = 20.0


class Line:
    """The test as the one that has started the component."""

    def __init__(self) -> None:
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.stop: Callable[[], None] = lambda: None
        self.is_closed = False

    def ready(self, **values: Any) -> None:
        self.port.set_result(values["port"])

    def watch(self, stop: Callable[[], None]) -> None:
        self.stop = stop

    def close(self) -> None:
        self.is_closed = True


class Component:
    """A running component."""

    def __init__(self, line: Line, task: asyncio.Task[int], port: int, folder: Path) -> None:
        self.line = line
        self.task = task
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder

    async def stop(self) -> int:
        self.line.stop()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self.task


async def start(run: Any, configuration: Any) -> Component:
    line = Line()
    task = asyncio.ensure_future(run(configuration, line))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.wait([task, line.port], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        raise AssertionError(f"the component has ended with {task.result()}")
    return Component(line, task, line.port.result(), configuration.data)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)


class Site:
    """A Controller and an Agent with their folders, users and keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = SigningKey.generate("test", datetime(2026, 1, 1, tzinfo=UTC))
        self.controller: Component
        self.agent: Component
        self.peers: list[HttpPeer] = []
        for name in ("controller", "agent"):
            key = folder / name / "private" / "trusted-x509-keys" / "key.pem"
            write(key, self.key.certificate_pem().decode())
        write(
            folder / "controller" / "controller.toml",
            'id = "controller"\n[web]\ninvalid_authentication_delay_seconds = 0\n'
            '[journal]\nusers_allowed_to_release_events = ["cockpit"]\n',
        )
        write(
            folder / "controller" / "private.toml",
            '[users.cockpit]\npassword = "plain:c"\npermissions = ["UpdateItem", "ReadMetrics"]\n'
            '[users.guest]\npassword = "plain:g"\n[agents]\nA = "a"\n',
        )
        write(folder / "agent" / "agent.toml", "[jobs]\nsigned_script_injection_allowed = true\n")
        write(
            folder / "agent" / "private.toml",
            '[users.controller]\npassword = "plain:a"\n[users.stranger]\npassword = "plain:s"\n',
        )

    async def start(self) -> None:
        self.agent = await start(run_agent, read_agent_configuration(self.folder / "agent"))
        await self.start_controller()

    async def start_controller(self) -> None:
        self.controller = await start(run_controller, read_controller_configuration(self.folder / "controller"))

    def peer(self, user: str = "cockpit", password: str = "c") -> HttpPeer:
        peer = HttpPeer(self.controller.url, "controller", Credentials(user, password))
        self.peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self.peers:
            await peer.close()
        for component in (self.controller, self.agent):
            if not component.task.done():
                assert await component.stop() == 0

    def operations(self, *items: dict[str, Any]) -> bytes:
        lines: list[dict[str, Any]] = [
            {"TYPE": "AddOrChangeSimple", "item": {"TYPE": "AgentRef", "path": "A", "directors": ["S"]}},
            {
                "TYPE": "AddOrChangeSimple",
                "item": {"TYPE": "SubagentItem", "id": "S", "agentPath": "A", "uri": self.agent.url},
            },
            {"TYPE": "AddVersion", "versionId": "1"},
        ]
        for item in items:
            text = json.dumps({"TYPE": "Workflow", "versionId": "1", **item})
            signature = decode(encode(sign(text, self.key)))
            lines.append({"TYPE": "AddOrChangeSigned", "signedString": {"string": text, "signature": signature}})
        return b"\n".join(map(encode, lines))

    async def deploy(self) -> None:
        job = {"agentPath": "A", "executable": {"TYPE": "ShellScriptExecutable", "script": "echo hello"}}
        body = self.operations({"path": "W", "instructions": [{"TYPE": "Execute.Anonymous", "job": job}]})
        await self.peer().post("item", body, "application/x-ndjson")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    await site.start()
    yield site
    await site.close()


async def until(peer: HttpPeer, key: str, type_: str, after: int = 0) -> list[str]:
    """Types of the events of a key up to the one that is waited for."""
    types: list[str] = []
    async with asyncio.timeout(TIMEOUT_SECONDS), aclosing(peer.events(after=after)) as batches:
        async for lines in batches:
            for line in lines:
                event = decode(line)
                if event.get("Key") == key:
                    types.append(event["TYPE"])
                    if types[-1] == type_:
                        return types
    raise AssertionError(f"the stream has ended before {type_}: {types}")


async def test_an_order_over_http_from_item_to_history(site: Site) -> None:
    await site.deploy()
    peer = site.peer()
    async with aiohttp.ClientSession() as http:
        session = decode(await peer.get(""))
        assert session["id"] == "controller"
        headers = {"Accept": "application/json", "Authorization": "Basic " + b64encode(b"cockpit:c").decode()}
        url = f"{site.controller.url}/controller/api/order"
        order = {"id": "#1", "workflowPath": "W", "planId": []}
        async with http.post(url, json=order, headers=headers) as answer:
            assert answer.status == 201
            assert answer.headers["Location"].endswith("/order/%231")
        async with http.post(url, json=order, headers=headers) as answer:
            assert answer.status == 409
        async with http.post(url, data=b"x", headers={**headers, "Content-Type": "text/plain"}) as answer:
            assert answer.status == 403
    types = await until(peer, "#1", "OrderFinished")
    assert types[:3] == ["OrderAdded", "OrderAttachable", "OrderAttached"]
    assert decode(await peer.get("agent-forward/A"))["isTerminating"] is False
    info = decode(await peer.get("journalInfo"))
    assert info["journalFiles"][0]["fileEventId"] == info["tornEventId"]


async def test_orders_as_array_and_as_lines(site: Site) -> None:
    await site.deploy()
    peer = site.peer()
    orders: list[dict[str, Any]] = [{"id": f"A{number}", "workflowPath": "W", "planId": []} for number in range(3)]
    answer = decode(await peer.post("order", encode(orders)))
    assert answer["TYPE"] == "AddOrders.Response"
    lines = b"\n".join(encode({**order, "id": "B" + order["id"]}) for order in orders)
    await peer.post("order", lines + b"\n", "application/x-ndjson")
    await until(peer, "BA2", "OrderFinished")
    snapshot = [decode(line) for line in (await peer.get("snapshot/")).splitlines()]
    assert snapshot[0]["TYPE"] == "SnapshotEventId"
    assert [item["id"] for item in snapshot if item["TYPE"] == "Order"] == ["A0", "A1", "A2", "BA0", "BA1", "BA2"]
    await peer.post("order/DeleteOrdersWhenTerminated", b'"A0"\n"A1"', "application/x-ndjson")
    with pytest.raises(ProblemError, match="UnknownKey"):
        await peer.post("order/DeleteOrdersWhenTerminated", b'"A0"', "application/x-ndjson")


async def test_permissions(site: Site) -> None:
    guest = site.peer("guest", "g")
    with pytest.raises(ProblemError) as caught:
        await guest.post("item", site.operations(), "application/x-ndjson")
    assert caught.value.problem.code == "UserDoesNotHavePermission"
    with pytest.raises(ProblemError, match="UserIsNotEnabledToReleaseEvents"):
        await guest.command(b'{"TYPE":"ReleaseEvents","untilEventId":0}')
    with pytest.raises(ProblemError, match="InvalidLogin"):
        await site.peer("cockpit", "wrong").login()


async def test_only_its_controller_commands_a_dedicated_agent(site: Site) -> None:
    await site.deploy()
    await until(site.peer(), "A", "AgentCoupled")
    stranger = HttpPeer(site.agent.url, "agent", Credentials("stranger", "s"))
    site.peers.append(stranger)
    with pytest.raises(ProblemError, match="UserDoesNotHavePermission"):
        await stranger.command(b'{"TYPE":"Reset"}')


async def test_an_event_stream_understands_families_and_types(site: Site) -> None:
    async with aclosing(site.peer().events(after=0, returns="ControllerEvent,AgentReady,SnapshotTaken")) as batches:
        types: list[str] = []
        async for lines in batches:
            types += [decode(line)["TYPE"] for line in lines]
            if "ControllerReady" in types:
                break
    assert types == ["SnapshotTaken", "ControllerInitialized", "ControllerReady"]
    with pytest.raises(ProblemError, match="Unrecognized event type: return=OrderStdWritten"):
        async with aclosing(site.peer().events(after=0, returns="OrderStdWritten")) as batches:
            async for _ in batches:
                pass


async def test_stop_and_second_start_on_the_same_data(site: Site) -> None:
    await site.deploy()
    assert await site.controller.stop() == 0
    assert site.controller.line.is_closed
    with pytest.raises(PeerUnreachableError):
        await site.peer().get("")
    await site.start_controller()
    peer = site.peer()
    await peer.command(encode({"TYPE": "AddOrder", "order": {"id": "O", "workflowPath": "W", "planId": []}}))
    await until(peer, "O", "OrderFinished")


async def test_two_processes_on_one_folder_are_refused(site: Site) -> None:
    line = Line()
    assert await run_controller(read_controller_configuration(site.controller.folder), line) == 1
    assert not line.port.done()


async def test_shut_down_by_command_with_and_without_restart(site: Site) -> None:
    peer = site.peer()
    await peer.command(b'{"TYPE":"ShutDown","restart":true}')
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while decode(await peer.get("")).get("totalRunningTime") is None or (await _count(peer, "ControllerReady") < 2):
            continue
    await peer.command(b'{"TYPE":"ShutDown"}')
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert await site.controller.task == 0


async def _count(peer: HttpPeer, type_: str) -> int:
    """How many such events there are; 0 while the node is between two runs."""
    count = 0
    try:
        info = decode(await peer.get("journalInfo"))
        async for lines in peer.events(after=info["tornEventId"]):
            count += sum(decode(line)["TYPE"] == type_ for line in lines)
            if any(decode(line)["eventId"] == info["lastEventId"] for line in lines):
                break
    except (ProblemError, PeerUnreachableError):
        return 0
    return count


async def test_a_node_tells_its_status_and_when_its_certificate_ends(tmp_path: Path) -> None:
    """`GET cluster/status`: a node that stands alone has no state of a pair; only who is known may ask."""
    authority = Authority(tmp_path, "authority")
    folder = tmp_path / "controller"
    write(folder / "private" / "web.pem", authority.pem("server").read_text())
    write(
        folder / "controller.toml",
        'id = "controller"\n[web]\ncertificate = "private/web.pem"\nclient_authentication = false\n',
    )
    write(folder / "private.toml", '[users.cockpit]\npassword = "plain:c"\n')
    controller = await start(run_controller, read_controller_configuration(folder))
    url = controller.url.replace("http:", "https:")
    tls = TlsOptions(trust=(authority.path,))
    known, unknown = (HttpPeer(url, "controller", Credentials("cockpit", word), tls=tls) for word in ("c", "no"))
    try:
        status = decode(await known.get("cluster/status"))
        with pytest.raises(ProblemError):
            await unknown.get("cluster/status")
    finally:
        await known.close()
        await unknown.close()
        await controller.stop()
    assert (status["nodeId"], status["phase"]) == ("Primary", "active")
    assert not {"state", "term", "lag", "readiness"} & status.keys()
    assert status["journal"]["eventCount"] > 0
    assert status["journal"]["freeBytes"] > 0
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000
    assert abs(status["certificateEnd"] - tomorrow) < 3_600_000
