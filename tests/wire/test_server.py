"""Router and server against well-behaved and ill-behaved clients, over real sockets (journal spec 2.6, 3.1)."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc
import zlib

import pytest
from wire_node import Node, NodeFactory, eventually

from stellwerk.wire import overview
from stellwerk.wire.metrics import add_metrics_route, metrics_registry
from stellwerk.wire.request import Query
from stellwerk.wire.router import Permission, Request, Response, Router
from stellwerk.wire.server import MAXIMUM_HEAD_BYTES, HttpServer

BASIC = "Basic Y29udHJvbGxlcjpzZWNyZXQ="
JSON = {"Content-Type": "application/json", "Accept": "application/json", "Authorization": BASIC}


async def command(node: Node, body: bytes, **headers: str) -> tuple[int, str]:
    merged = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with node.http.post(node.url("command"), data=body, headers=merged) as answer:
        return answer.status, await answer.text()


async def raw(node: Node, request: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_unknown_paths_and_wrong_methods(node: Node) -> None:
    async with node.http.get(node.url("nothing")) as answer:
        assert (answer.status, await answer.text()) == (404, "404 Not Found\n")
    async with node.http.get(node.url("command")) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    async with node.http.get(node.url("x" * 9000)) as answer:
        assert answer.status == 414


async def test_answers_are_not_cached_and_name_no_server(node: Node) -> None:
    async with node.http.get(f"{node.server.url}/agent/api") as answer:
        assert answer.headers["Cache-Control"] == "max-age=0, no-store, no-cache"
        assert "Server" not in answer.headers
        assert "Date" in answer.headers
    async with node.http.head(f"{node.server.url}/agent/api") as answer:
        assert (answer.status, answer.content_length, await answer.read()) == (200, 19, b"")


@pytest.mark.parametrize(
    "type_", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
async def test_what_a_foreign_page_could_send_is_refused(node: Node, type_: str) -> None:
    assert (await command(node, b"{}", Content_Type=type_))[0] == 403
    assert node.commands == []


async def test_content_types(node: Node) -> None:
    headers = {"Authorization": BASIC}
    async with node.http.post(
        node.url("command"), data=b"{}", headers=headers, skip_auto_headers=["Content-Type"]
    ) as answer:
        assert answer.status == 403
    assert (await command(node, b"{}", Content_Type="application/xml"))[0] == 415
    assert (await command(node, b"{}", Content_Type="Application/JSON; charset=utf-8"))[0] == 200


async def test_problems_are_json_only_for_those_who_name_it(node: Node) -> None:
    for accept, type_ in (
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.1", "application/json"),
        ("*/*", "text/plain"),
        ("application/json;q=0", "text/plain"),
        ("text/plain", "text/plain"),
    ):
        async with node.http.get(node.url("session"), headers={"Accept": accept, "x-js7-session": "1,x"}) as answer:
            assert (answer.status, answer.content_type) == (403, type_), accept
    async with node.http.get(node.url("session"), headers={"Accept": "*/*", "x-js7-session": "1,x"}) as answer:
        assert await answer.text() == "InvalidSessionToken: Invalid session token\n"


async def test_a_body_over_the_limit_is_refused_also_when_its_length_is_not_told(node: Node) -> None:
    assert (await command(node, b"x" * 10_000))[0] == 200
    assert (await command(node, b"x" * 10_001))[0] == 413
    head = (
        f"POST /agent/api/command HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nContent-Type: application/json\r\n"
    )
    body = b"".join(b"1000\r\n" + b"x" * 4096 + b"\r\n" for _ in range(3)) + b"0\r\n\r\n"
    assert b" 413 " in await raw(node, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert len(node.commands) == 1


async def test_compressed_bodies(node: Node) -> None:
    body = b'{"TYPE":"NoOperation"}'
    raw_deflate = zlib.compressobj(wbits=-15)
    for encoding, compressed in (
        ("gzip", gzip.compress(body)),
        ("gzip", gzip.compress(body[:5]) + gzip.compress(body[5:])),
        ("deflate", zlib.compress(body)),
        ("deflate", raw_deflate.compress(body) + raw_deflate.flush()),
        ("identity", body),
    ):
        assert (await command(node, compressed, Content_Encoding=encoding))[0] == 200
    assert node.commands == [body] * 5
    assert (await command(node, gzip.compress(body)[:-9], Content_Encoding="gzip"))[0] == 400
    assert (await command(node, b"no gzip", Content_Encoding="gzip"))[0] == 400
    assert (await command(node, gzip.compress(b"") * 101, Content_Encoding="gzip"))[0] == 400
    assert (await command(node, body, Content_Encoding="br"))[0] == 415


async def test_a_gzip_bomb_is_refused_without_being_expanded(node: Node) -> None:
    bomb = gzip.compress(bytes(9_000_000), 9)
    assert len(bomb) < 10_000
    tracemalloc.start()
    try:
        status, _ = await command(node, bomb, Content_Encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 413
    assert peak < 2_000_000


async def test_large_answers_are_compressed_for_those_who_ask(node: Node) -> None:
    async def large(request: Request) -> Response:
        return Response.json("x" * 100_000)

    node.router.add("GET", "/large", large, permission=Permission.PUBLIC)
    async with node.http.get(f"{node.server.url}/large", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert int(answer.headers["Content-Length"]) < 1000
        assert await answer.json() == "x" * 100_000
    async with node.http.get(f"{node.server.url}/large", headers={"Accept-Encoding": "identity"}) as answer:
        assert int(answer.headers["Content-Length"]) == 100_002


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (MAXIMUM_HEAD_BYTES + 1) + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS at a plain port
    ],
)
async def test_malformed_requests_are_refused_and_harm_nobody(node: Node, request_: bytes) -> None:
    assert b" 400 " in await raw(node, request_)
    assert (await command(node, b"{}"))[0] == 200


async def test_malformed_json_names_the_place(node: Node) -> None:
    for body, place in (
        (b"{", "at :"),
        (b'{"TYPE":"Login","userAndPassword":{"userId":1,"password":"x"}}', "at .userAndPassword.userId:"),
        (b'{"TYPE":"Unknown"}', "at .TYPE:"),
        (b'{"TYPE":"\xff"}', "at :"),
        (b"[" * 100_000, "at "),
    ):
        async with node.http.post(node.url("session"), data=body, headers=JSON) as answer:
            assert answer.status == 400
            assert f"JSON DecodingFailure {place}" in (await answer.json())["message"]


async def test_path_parameters_are_decoded_after_the_path_is_split(node: Node) -> None:
    async def echo(request: Request) -> Response:
        return Response.json(dict(request.parameters))

    node.router.add("GET", "/forward/{agent}", echo, permission=Permission.PUBLIC)
    node.router.add("GET", "/forward/{id}/log/{rest:path}", echo, permission=Permission.PUBLIC)
    for path, expected in (
        ("/forward/A%2FB", {"agent": "A/B"}),
        ("/forward/S-1/log/info/x", {"id": "S-1", "rest": "info/x"}),
        ("/forward/S-1/log/", {"id": "S-1", "rest": ""}),
        ("/forward/", None),
        ("/forward/A/more", None),
    ):
        answer = await raw(node, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        if expected is None:
            assert b" 404 " in answer, path
        else:
            assert answer.endswith(Response.json(expected).body), path


async def test_an_unexpected_exception_is_a_problem_and_a_log_entry(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("the reason")

    node.router.add("GET", "/fail", fail, permission=Permission.PUBLIC)
    async with node.http.get(f"{node.server.url}/fail", headers=JSON) as answer:
        assert answer.status == 500
        assert "the reason" in (await answer.json())["message"]
    assert any(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


async def test_before_ready_and_while_stopping_every_request_is_answered_503(start_node: NodeFactory) -> None:
    node = await start_node(is_ready=False)
    for path in ("", "nothing"):
        async with node.http.get(node.url(path), headers=JSON) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "WebServiceStillNotAvailable")
    node.server.ready()
    assert (await command(node, b"{}"))[0] == 200
    node.server.begin_stop()
    node.server.ready()  # too late
    status, text = await command(node, b"{}")
    assert (status, "ShuttingDown" in text) == (503, True)


async def test_a_request_in_progress_may_finish_while_the_server_stops(node: Node) -> None:
    started, may_finish = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        started.set()
        await may_finish.wait()
        return Response.text("done")

    node.router.add("GET", "/slow", slow, permission=Permission.PUBLIC)

    async def ask() -> str:
        async with node.http.get(f"{node.server.url}/slow") as answer:
            return await answer.text()

    asked = asyncio.create_task(ask())
    await started.wait()
    stopped = asyncio.create_task(node.server.stop(60))
    await asyncio.sleep(0)
    may_finish.set()
    assert await asked == "done"
    await stopped
    assert node.server.connection_count == 0


async def test_a_request_that_hangs_is_cancelled_after_the_grace(node: Node) -> None:
    started, was_cancelled = asyncio.Event(), asyncio.Event()

    async def hang(request: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()
        raise AssertionError

    node.router.add("GET", "/hang", hang, permission=Permission.PUBLIC)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    writer.write(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
    await started.wait()
    await node.server.stop(0)
    assert was_cancelled.is_set()
    assert node.server.connection_count == 0
    await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_a_command_is_executed_although_its_client_has_gone(node: Node) -> None:
    started, may_finish = asyncio.Event(), asyncio.Event()
    finished = asyncio.Event()

    async def slow(request: Request) -> Response:
        started.set()
        await may_finish.wait()
        finished.set()
        return Response.text("nobody listens")

    node.router.add("GET", "/slow", slow, permission=Permission.PUBLIC)
    _, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await started.wait()
    writer.close()
    await eventually(lambda: node.server.connection_count == 0)
    may_finish.set()
    await asyncio.wait_for(finished.wait(), 10)


async def test_a_request_whose_body_never_comes_leaves_nothing_behind(node: Node) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
    writer.write(
        f"POST /agent/api/command HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
    )
    await eventually(lambda: node.server.connection_count == 1)
    writer.close()
    await eventually(lambda: node.server.connection_count == 0)
    assert node.commands == []


async def test_a_taken_port_is_an_error_that_names_it(node: Node) -> None:
    with pytest.raises(OSError, match=str(node.server.port)):
        await HttpServer(Router(), "127.0.0.1", node.server.port).start()


async def test_metrics(node: Node) -> None:
    add_metrics_route(node.router, metrics_registry())
    auth = {"Authorization": "Basic cmVhZGVyOnJlYWQ="}
    async with node.http.get(f"{node.server.url}/metrics", headers=auth) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=UTF-8"
        assert "process_resident_memory_bytes" in await answer.text()
    async with node.http.get(f"{node.server.url}/metrics", headers={"Authorization": BASIC}) as answer:
        assert answer.status == 403


def test_overviews_have_the_structure_that_typed_clients_need() -> None:
    java, system = overview.java_overview(), overview.system_overview()
    assert java["memory"]["maximum"] >= java["memory"]["total"] > 0
    assert java["systemProperties"]
    assert system["mxBeans"]["operatingSystem"]["availableProcessors"] == java["availableProcessors"] > 0
    assert overview.server_metering_line(1738324801000).startswith(b'{"eventId":-1,"timestamp":1738324801000,"TYPE":')


def test_durations_in_queries() -> None:
    query = Query(b"a=3&b=500ms&c=0.25s&d=7%C2%B5s&e=1&e=2")
    assert [query.duration_seconds(name) for name in "abcx"] == [3, 0.5, 0.25, None]
    assert query.duration_seconds("d") == pytest.approx(7e-6)
    assert query["e"] == "1"
