"""TLS and mutual TLS over real sockets, with certificates made here (journal spec 2.1, 2.4, 2.5)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from authority import Authority
from cryptography import x509
from wire_node import USERS, Node, NodeFactory

from stellwerk.effects.peer import PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.client import Credentials, HttpPeer
from stellwerk.wire.router import Permission, Request, Response, Router
from stellwerk.wire.server import HttpServer
from stellwerk.wire.tls import TlsError, TlsOptions, certificate_end, client_context, server_context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def server_options(authority: Authority) -> TlsOptions:
    return TlsOptions(certificate=authority.pem("server"), trust=(authority.path,))


def client_options(authority: Authority, name: str) -> TlsOptions:
    return TlsOptions(certificate=authority.pem(name), trust=(authority.path,))


async def user_of(node: Node, tls: TlsOptions, credentials: Credentials | None = None) -> bytes:
    answer: bytes = await node.peer(credentials, tls=tls).command(b"{}")
    return answer


async def test_a_client_certificate_is_a_user(start_node: NodeFactory, authority: Authority) -> None:
    node = await start_node(tls=server_options(authority))
    peer = node.peer(None, tls=client_options(authority, "client"))
    assert b'"user":"controller"' in await peer.command(b"{}")
    assert b'"user":"controller"' in await peer.command(b"{}")  # session and certificate agree
    await node.events.add(1000)
    events = peer.events(after=0)
    assert [await anext(events), await anext(events)] == [[], [node.events.lines[0][1]]]
    await events.aclose()


async def test_certificate_and_login_must_agree(start_node: NodeFactory, authority: Authority) -> None:
    node = await start_node(tls=server_options(authority))
    tls = client_options(authority, "client")
    assert b'"user":"controller"' in await user_of(node, tls, Credentials("controller", "secret"))
    with pytest.raises(ProblemError, match="different users"):
        await user_of(node, tls, Credentials("reader", "read"))
    reader_session = node.sessions.login(node.authenticator.users.with_password("reader", "read"))  # type: ignore[arg-type]
    headers = {"Content-Type": "application/json", "x-js7-session": reader_session.token}
    async with node.http.post(node.url("command"), data=b"{}", headers=headers, ssl=client_context(tls)) as answer:
        assert answer.status == 403
        assert "InvalidSessionToken" in await answer.text()


async def test_a_certificate_of_nobody_is_refused(start_node: NodeFactory, authority: Authority) -> None:
    node = await start_node(tls=server_options(authority))
    with pytest.raises(ProblemError, match="InvalidLogin"):
        await user_of(node, client_options(authority, "stranger"), Credentials("controller", "secret"))


async def test_a_certificate_of_several_users_needs_a_login_that_names_one(
    start_node: NodeFactory, authority: Authority
) -> None:
    users: dict[str, Any] = {
        "A": {"distinguished-names": ["CN=shared"], "password": ""},
        "B": {"distinguished-names": ["cn = Shared"], "password": "plain:b"},
    }
    node = await start_node(tls=server_options(authority), users={**USERS, **users})
    tls = client_options(authority, "shared")
    with pytest.raises(ProblemError, match="InvalidLogin"):
        await user_of(node, tls)
    assert b'"user":"A"' in await user_of(node, tls, Credentials("A", ""))
    assert b'"user":"B"' in await user_of(node, tls, Credentials("B", "b"))
    with pytest.raises(ProblemError, match="InvalidLogin"):
        await user_of(node, tls, Credentials("B", ""))


async def test_without_a_trusted_certificate_there_is_no_connection(
    start_node: NodeFactory, authority: Authority, tmp_path: Path
) -> None:
    node = await start_node(tls=server_options(authority))
    foreign = Authority(tmp_path, "foreign")
    untrusting = TlsOptions(certificate=authority.pem("client"), trust=(foreign.path,))
    forged = TlsOptions(certificate=foreign.pem("client"), trust=(authority.path,))
    without = TlsOptions(trust=(authority.path,))
    for tls in (untrusting, forged, without):
        with pytest.raises(PeerUnreachableError):
            await user_of(node, tls, Credentials("controller", "secret"))
    assert node.commands == []


async def test_the_host_name_is_verified(start_node: NodeFactory, authority: Authority) -> None:
    elsewhere = TlsOptions(certificate=authority.pem("server", host="elsewhere.example"), trust=(authority.path,))
    node = await start_node(tls=elsewhere)
    with pytest.raises(PeerUnreachableError, match="IP address mismatch"):
        await user_of(node, client_options(authority, "client"))


async def test_client_authentication_can_be_turned_off(start_node: NodeFactory, authority: Authority) -> None:
    options = TlsOptions(certificate=authority.pem("server"), requires_client_certificate=False)
    node = await start_node(tls=options)
    without = TlsOptions(trust=(authority.path,))
    assert b'"user":"controller"' in await user_of(node, without, Credentials("controller", "secret"))


async def test_pkcs12_stores(start_node: NodeFactory, authority: Authority) -> None:
    server = TlsOptions(authority.archive("server", "pw"), password="pw", trust=(authority.path,))
    node = await start_node(tls=server)
    store = authority.archive("client", "pw")
    client = TlsOptions(store, password="pw", trust=(store,), trust_password="pw")
    assert b'"user":"controller"' in await user_of(node, client)


async def test_changed_keys_are_used_without_losing_the_port(
    start_node: NodeFactory, authority: Authority, tmp_path: Path
) -> None:
    node = await start_node(tls=server_options(authority))
    old_peer = node.peer(None, tls=client_options(authority, "client"))
    await old_peer.login()
    (tmp_path / "renewed").mkdir()
    renewed = Authority(tmp_path / "renewed", "authority")
    with pytest.raises(TlsError):
        await node.server.rebind(TlsOptions(certificate=tmp_path / "missing.pem", trust=(renewed.path,)))
    await node.server.rebind(server_options(renewed))
    assert b'"user":"controller"' in await old_peer.command(b"{}")  # over its old connection
    assert b'"user":"controller"' in await user_of(node, client_options(renewed, "client"))
    with pytest.raises(PeerUnreachableError):
        await user_of(node, client_options(authority, "client"))


def test_unusable_stores_are_named(tmp_path: Path, authority: Authority) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    store = authority.archive("server", "pw")
    for options in (
        TlsOptions(certificate=broken, trust=(authority.path,)),
        TlsOptions(certificate=authority.pem("server"), trust=(broken,)),
        TlsOptions(certificate=store, password="wrong", trust=(authority.path,)),
        TlsOptions(certificate=authority.pem("server")),
        TlsOptions(trust=(authority.path,)),
    ):
        with pytest.raises(TlsError):
            server_context(options)


def test_certificates_arrive_under_uvloop_too(authority: Authority) -> None:
    async def subject(request: Request) -> Response:
        assert request.peer_certificate is not None
        return Response.text(x509.load_der_x509_certificate(request.peer_certificate).subject.rfc4514_string())

    async def main() -> bytes:
        router = Router()
        router.add("POST", "/agent/api/session", login, permission=Permission.PUBLIC)
        router.add("GET", "/agent/api/subject", subject, permission=Permission.PUBLIC)
        server = HttpServer(router, tls=server_options(authority))
        await server.start()
        peer = HttpPeer(server.url, "agent", tls=client_options(authority, "client"))
        try:
            return await peer.get("subject")
        finally:
            await peer.close()
            await server.stop()

    async def login(request: Request) -> Response:
        return Response.json({"TYPE": "LoggedIn", "sessionToken": "1,x", "js7Version": "2.9.1"})

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == b"CN=client"


def test_the_end_of_the_own_certificate_is_told_from_pem_and_archive(authority: Authority) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000
    for options in (
        TlsOptions(certificate=authority.pem("server")),
        TlsOptions(certificate=authority.archive("server", "secret"), password="secret"),
    ):
        end = certificate_end(options)
        assert end is not None and abs(end - tomorrow) < 3_600_000
    assert certificate_end(TlsOptions()) is None
    with pytest.raises(TlsError, match=r"no\.pem"):
        certificate_end(TlsOptions(certificate=authority.directory / "no.pem"))
