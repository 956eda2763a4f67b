"""Users, sessions and permissions over real sockets (journal spec 2)."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from wire_node import Node, NodeFactory, basic

from stellwerk.effects.peer import Peer, PeerUnreachableError
from stellwerk.values.problems import ProblemError
from stellwerk.wire.authentication import AuthenticationSettings
from stellwerk.wire.client import Backoff, Credentials
from stellwerk.wire.distinguished_names import parse_distinguished_name
from stellwerk.wire.sessions import MAXIMUM_SESSIONS_PER_USER
from stellwerk.wire.users import Password, Users

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


async def post(node: Node, path: str, body: str, **headers: str) -> tuple[int, Any]:
    headers = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with node.http.post(node.url(path), data=body, headers=headers) as answer:
        return answer.status, await answer.json()


def login_body(user: str, password: str) -> str:
    return f'{{"TYPE":"Login","userAndPassword":{{"userId":"{user}","password":"{password}"}},"js7Version":"2.9.1"}}'


async def login(node: Node, user: str = "controller", password: str = "secret") -> str:
    status, answer = await post(node, "session", login_body(user, password))
    assert status == 200, answer
    return str(answer["sessionToken"])


async def test_login_answers_a_token_of_the_specified_form_and_the_versions(node: Node) -> None:
    status, answer = await post(node, "session", login_body("controller", "secret"))
    assert status == 200
    assert (answer["TYPE"], answer["js7Version"], answer["stellwerkProtocol"]) == ("LoggedIn", "2.9.1", 1)
    number, _, random = answer["sessionToken"].partition(",")
    assert (number, len(random)) == ("1", 24)


async def test_a_session_is_the_user_until_logout(node: Node) -> None:
    token = await login(node)
    assert await post(node, "command", "{}", x_js7_session=token) == (200, {"TYPE": "Accepted", "user": "controller"})
    assert await post(node, "session", f'{{"TYPE":"Logout","sessionToken":"{token}"}}') == (200, {"TYPE": "Accepted"})
    status, problem = await post(node, "command", "{}", x_js7_session=token)
    assert (status, problem["code"]) == (403, "InvalidSessionToken")


async def test_a_session_ends_an_hour_after_login_whether_used_or_not(node: Node) -> None:
    token = await login(node)
    node.clock.ms += 3_599_999
    assert (await post(node, "command", "{}", x_js7_session=token))[0] == 200
    node.clock.ms += 1
    assert (await post(node, "command", "{}", x_js7_session=token))[0] == 403


async def test_a_login_ends_the_session_that_it_carries_and_accepts_an_invalid_one(node: Node) -> None:
    old = await login(node)
    status, _ = await post(node, "session", login_body("controller", "secret"), x_js7_session=old)
    assert status == 200
    assert (await post(node, "command", "{}", x_js7_session=old))[0] == 403
    status, _ = await post(node, "session", login_body("controller", "secret"), x_js7_session="99,invalid")
    assert status == 200


@pytest.mark.parametrize(("user", "password"), [("controller", "wrong"), ("nobody", "secret"), ("Anonymous", "")])
async def test_wrong_credentials_are_refused(node: Node, user: str, password: str) -> None:
    status, problem = await post(node, "session", login_body(user, password))
    assert (status, problem["code"]) == (401, "InvalidLogin")
    authorization = basic(user, password)
    status, problem = await post(node, "command", "{}", Authorization=authorization)
    assert (status, problem["code"]) == (401, "InvalidLogin")
    assert node.commands == []


async def test_a_delayed_refusal_holds_up_nobody_else(start_node: NodeFactory) -> None:
    node = await start_node(settings=AuthenticationSettings(invalid_authentication_delay_seconds=3600))
    wrong = [asyncio.create_task(post(node, "session", login_body("controller", str(i)))) for i in range(20)]
    token = await login(node)
    assert (await post(node, "command", "{}", x_js7_session=token))[0] == 200
    assert not any(task.done() for task in wrong)
    for task in wrong:
        task.cancel()
    await asyncio.gather(*wrong, return_exceptions=True)


async def test_basic_credentials_serve_a_request_or_a_login(node: Node) -> None:
    authorization = basic("controller", "secret")
    assert (await post(node, "command", "{}", Authorization=authorization))[1]["user"] == "controller"
    status, answer = await post(node, "session", '{"TYPE":"Login"}', Authorization=authorization)
    assert (await post(node, "command", "{}", x_js7_session=answer["sessionToken"]))[1]["user"] == "controller"
    for header, expected in (("Basic !!!", 400), ("Basic bm9jb2xvbg==", 400), ("Bearer x", 401)):
        status, _ = await post(node, "command", "{}", Authorization=header)
        assert status == expected, header


async def test_an_anonymous_session_is_upgraded_exactly_once(node: Node) -> None:
    _, answer = await post(node, "session", '{"TYPE":"Login"}')
    token = answer["sessionToken"]
    status, problem = await post(node, "command", "{}", x_js7_session=token)
    assert (status, problem["code"]) == (401, "UserDoesNotHavePermission")
    authorization = basic("controller", "secret")
    assert (await post(node, "command", "{}", x_js7_session=token, Authorization=authorization))[0] == 200
    assert (await post(node, "command", "{}", x_js7_session=token))[1]["user"] == "controller"
    other = basic("reader", "read")
    status, problem = await post(node, "command", "{}", x_js7_session=token, Authorization=other)
    assert (status, problem["code"]) == (403, "InvalidSessionToken")


async def test_login_and_basic_credentials_must_agree(node: Node) -> None:
    other = basic("reader", "read")
    status, _ = await post(node, "session", login_body("controller", "secret"), Authorization=other)
    assert status == 403


async def test_missing_permissions(node: Node) -> None:
    async with node.http.get(node.url("session"), headers=JSON) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Stellwerk"'
    async with node.http.get(
        node.url("session"), headers={**JSON, "Authorization": basic("controller", "secret")}
    ) as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (403, "UserDoesNotHavePermission")
        assert problem["arguments"] == {"userId": "controller", "permission": "ReadInternals"}


async def test_the_session_list_tells_no_token(node: Node) -> None:
    token = await login(node)
    async with node.http.get(node.url("session"), headers={"Authorization": basic("reader", "read")}) as answer:
        text = await answer.text()
        (entry,) = await answer.json()
    assert token.partition(",")[2] not in text
    assert (entry["number"], entry["userId"], entry["until"]) == (1, "controller", "2025-06-01T11:00:00.000Z")


@pytest.mark.parametrize(
    ("settings", "get_status", "post_status"),
    [
        (AuthenticationSettings(), 401, 401),
        (AuthenticationSettings(get_is_public=True), 200, 401),
        (AuthenticationSettings(loopback_is_public=True), 200, 200),
        (AuthenticationSettings(is_public=True), 200, 200),
    ],
)
async def test_public_access(
    start_node: NodeFactory, settings: AuthenticationSettings, get_status: int, post_status: int
) -> None:
    node = await start_node(settings=settings)
    async with node.http.get(node.url("session"), headers=JSON) as answer:
        assert answer.status == get_status
    assert (await post(node, "command", "{}"))[0] == post_status


async def test_the_system_session_is_in_files_of_the_owner_only(node: Node, tmp_path: Path) -> None:
    (tmp_path / "session-token").write_text("left over")
    (tmp_path / "session-token").chmod(0o644)
    session = node.sessions.publish_system_session(tmp_path)
    files = [tmp_path / "session-token", tmp_path / "secret-http-headers"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert (tmp_path / "session-token").read_text() == session.token
    name, _, token = (tmp_path / "secret-http-headers").read_text().strip().partition(": ")
    node.clock.ms += 10**10
    async with node.http.get(node.url("session"), headers={name: token}) as answer:
        assert answer.status == 200
    node.sessions.withdraw_system_session(tmp_path)
    assert not any(path.exists() for path in files)
    async with node.http.get(node.url("session"), headers={name: token}) as answer:
        assert answer.status == 403


async def test_sessions_of_one_user_are_limited(node: Node) -> None:
    user = node.authenticator.users.with_password("controller", "secret")
    assert user is not None
    first = node.sessions.login(user)
    for _ in range(MAXIMUM_SESSIONS_PER_USER):
        node.sessions.login(user)
    assert node.sessions.find(first.token) is None
    assert len(node.sessions.sessions()) == MAXIMUM_SESSIONS_PER_USER


async def test_a_client_of_a_too_old_protocol_is_told_what_to_do(node: Node) -> None:
    status, problem = await post(node, "session", '{"TYPE":"Login","stellwerkProtocol":-1}')
    assert status == 400
    assert "Update the client" in problem["message"]


async def test_the_peer_logs_in_once_for_many_requests_and_again_when_its_session_is_gone(node: Node) -> None:
    peer = node.peer()
    await asyncio.gather(*(peer.command(b"{}") for _ in range(10)))
    assert [session.number for session in node.sessions.sessions()] == [1]
    node.clock.ms += 3_600_000
    await asyncio.gather(*(peer.command(b"{}") for _ in range(10)))
    assert [session.number for session in node.sessions.sessions()] == [2]
    await peer.close()
    assert node.sessions.sessions() == []


async def test_the_peer_tells_problem_and_unreachable_apart(node: Node) -> None:
    with pytest.raises(ProblemError, match="InvalidLogin"):
        await node.peer(Credentials("controller", "wrong")).login()
    with pytest.raises(ProblemError, match="404"):
        await node.peer().get("nothing/here")
    peer = node.peer()
    assert await peer.get("") == b'{"version":"2.9.1"}'
    await node.server.stop()
    with pytest.raises(PeerUnreachableError, match="cannot be reached"):
        await peer.command(b"{}")


async def test_backoff_follows_the_sequence_and_starts_again_after_success() -> None:
    backoff = Backoff(Backoff.COUPLING)
    assert [backoff.next_pause_seconds() for _ in range(9)] == [1, 1, 1, 1, 2, 5, 10, 10, 10]
    backoff.reset()
    assert backoff.next_pause_seconds() == 1
    elapsed = Backoff([0.0])
    elapsed.start()
    assert elapsed.next_pause_seconds() == 0


def test_passwords() -> None:
    hashed = Password.of("Geheim ß").digest.hex().upper()
    users = Users.from_configuration(
        {
            "plain": "plain:a:b",
            "hashed": f"sha512:{hashed}",
            "empty": {"password": ""},
            "none": {"permissions": ["UpdateItem", "Unknown"]},
            "broken": "md5:00",
            "short": "sha512:00",
        }
    )
    assert users.with_password("plain", "a:b") is not None
    assert users.with_password("hashed", "Geheim ß") is not None
    assert users.with_password("hashed", "geheim ß") is None
    assert users.with_password("empty", "") is not None
    for user_id in ("none", "broken", "short", "unknown"):
        assert users.with_password(user_id, "") is None
        assert users.with_password(user_id, "00") is None
    assert "Geheim" not in repr(Password.parse("plain:Geheim"))


def test_distinguished_names_are_compared_as_principals() -> None:
    one = parse_distinguished_name('CN=Host 1, OU=devel+L=Berlin, O="Example, Inc", C=DE')
    assert one == parse_distinguished_name(r"cn=host  1,l=berlin+ou=Devel,o=Example\2C Inc,OID.2.5.4.6=de")
    assert one != parse_distinguished_name("C=DE, CN=Host 1")
    for text in ("", "CN", "XX=1", 'CN="a', "CN=a\\"):
        with pytest.raises(ValueError, match="Distinguished name"):
            parse_distinguished_name(text)


async def test_no_two_sessions_share_a_token(node: Node) -> None:
    assert len({(await login(node)).partition(",")[2] for _ in range(5)}) == 5


async def test_the_http_peer_is_a_peer(node: Node) -> None:
    peer: Peer = node.peer()  # checked by mypy, too
    await peer.login()
    assert await peer.command(b"{}") == b'{"TYPE":"Accepted","user":"controller"}'
