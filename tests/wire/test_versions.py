"""Nodes of different releases talk to each other, or say clearly that they do not (architecture 6, Versions).

A node tells two versions when it logs in: `js7Version`, that of the emulated series, of which a difference is only
noted in the log (journal spec 2.1); and `stellwerkProtocol`, which grows when nodes no longer understand each other as
they did. This one and the one before are understood.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from wire_node import Node

from stellwerk.effects.clock import SystemRandom
from stellwerk.values.problems import ProblemError
from stellwerk.wire.authentication import JS7_VERSION, STELLWERK_PROTOCOL
from stellwerk.wire.client import HttpPeer
from stellwerk.wire.router import Permission, Request, Response, Router
from stellwerk.wire.server import HttpServer


async def _login(node: Node, **versions: Any) -> tuple[int, Any]:
    body = {"TYPE": "Login", "userAndPassword": {"userId": "controller", "password": "secret"}, **versions}
    async with node.http.post(node.url("session"), json=body, headers={"Accept": "application/json"}) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("protocol", [STELLWERK_PROTOCOL - 1, STELLWERK_PROTOCOL, STELLWERK_PROTOCOL + 1, None])
async def test_clients_of_this_the_former_and_later_protocols_log_in(node: Node, protocol: int | None) -> None:
    """A later one knows by itself whether it still understands this one. JS7's own nodes tell none."""
    versions = {} if protocol is None else {"stellwerkProtocol": protocol}
    status, answer = await _login(node, js7Version=JS7_VERSION, **versions)
    assert (status, answer["stellwerkProtocol"]) == (200, STELLWERK_PROTOCOL)


@pytest.mark.parametrize(("version", "is_noted"), [("2.9.0", False), ("2.9.99", False), ("2.8.3", True), ("3.0", True)])
async def test_another_version_of_the_emulated_series_is_at_most_noted(
    node: Node, caplog: pytest.LogCaptureFixture, version: str, is_noted: bool
) -> None:
    with caplog.at_level(logging.ERROR):
        status, _ = await _login(node, js7Version=version)
    assert status == 200
    assert (f"A client of version {version} logs in" in caplog.text) == is_noted


async def test_a_client_that_is_too_old_is_refused_with_what_to_do(node: Node) -> None:
    status, problem = await _login(node, js7Version=JS7_VERSION, stellwerkProtocol=STELLWERK_PROTOCOL - 2)
    assert status == 400
    assert problem["message"] == (
        f"The client speaks stellwerkProtocol {STELLWERK_PROTOCOL - 2}, but {STELLWERK_PROTOCOL - 1} is the oldest "
        "that is understood here. Update the client to a newer release"
    )


class OtherNode:
    """Logs in everybody, and announces what it is told to."""

    def __init__(self) -> None:
        self.announced: dict[str, Any] = {}
        router = Router()
        router.add("POST", "/agent/api/session", self._session, permission=Permission.PUBLIC)
        router.add("POST", "/agent/api/command", self._command, permission=Permission.PUBLIC)
        self.server = HttpServer(router, "127.0.0.1", 0)

    async def _session(self, request: Request) -> Response:
        token = SystemRandom().token_bytes(18).hex()
        return Response.json({"TYPE": "LoggedIn", "sessionToken": token, **self.announced})

    async def _command(self, request: Request) -> Response:
        return Response.json({"TYPE": "Accepted"})


@pytest.fixture
async def other() -> AsyncIterator[OtherNode]:
    made = OtherNode()
    await made.server.start()
    yield made
    await made.server.stop(0)


@pytest.mark.parametrize(
    "announced",
    [
        {"js7Version": JS7_VERSION},
        {"js7Version": "2.9.99", "stellwerkProtocol": STELLWERK_PROTOCOL - 1},
        {"js7Version": "3.0.0", "stellwerkProtocol": STELLWERK_PROTOCOL + 1, "later": "member"},
    ],
)
async def test_nodes_of_other_releases_are_spoken_to(other: OtherNode, announced: dict[str, Any]) -> None:
    other.announced = announced
    peer = HttpPeer(other.server.url, "agent")
    try:
        await peer.login()
        assert await peer.command(b"{}") == b'{"TYPE":"Accepted"}'
    finally:
        await peer.close()


async def test_a_node_that_is_too_old_is_not_spoken_to_and_what_to_do_is_said(other: OtherNode) -> None:
    other.announced = {"js7Version": JS7_VERSION, "stellwerkProtocol": STELLWERK_PROTOCOL - 2}
    peer = HttpPeer(other.server.url, "agent")
    try:
        with pytest.raises(ProblemError, match="Update that node to a newer release"):
            await peer.login()
        with pytest.raises(ProblemError, match="Update that node to a newer release"):
            await peer.command(b"{}")
    finally:
        await peer.close()
