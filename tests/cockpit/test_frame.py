"""The frame: login, sessions, lenient bodies, errors, permissions, audit, static files (cockpit-api section 1)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import inspect, select
from yarl import URL

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.configuration import CockpitConfiguration
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.identity import joc_audit_log


async def test_a_login_answers_token_and_timeout_and_logout_ends_the_session(client: Any, cockpit: Cockpit) -> None:
    permissions = await client.post("authentication/joc_cockpit_permissions")
    assert permissions["roles"] == ["all"]
    assert permissions["joc"]["inventory"] == {"view": True, "manage": True, "deploy": True}
    assert permissions["controllerDefaults"]["orders"]["suspendResume"] is True
    ended = await client.post("authentication/logout")
    assert ended["isAuthenticated"] is False
    again = await client.post("touch", status=440)
    assert again["isAuthenticated"] is False
    assert (await client.post("authentication/logout"))["isAuthenticated"] is False
    assert len(cockpit.services.get(Sessions)) == 0


@pytest.mark.parametrize("account", ["root", "nobody"])
async def test_a_wrong_password_is_401_and_does_not_tell_whether_the_account_exists(client: Any, account: str) -> None:
    async with client.session.post(
        f"{client.base}/joc/api/authentication/login",
        headers={"Authorization": aiohttp.encode_basic_auth(account, "wrong")},
    ) as response:
        body = await response.json()
        assert response.status == 401
        assert "X-Access-Token" not in response.headers
    assert body["isAuthenticated"] is False
    assert body["message"] == "Unknown account or wrong password: Could not login"


async def test_no_token_is_440_and_an_unknown_path_404_and_a_wrong_method_405(client: Any) -> None:
    async with client.session.post(f"{client.base}/joc/api/touch") as response:
        assert response.status == 440
    assert "no endpoint" in (await client.post("nonsense", status=404))["error"]["message"]
    assert (await client.get("touch", status=405))["error"]["code"] == "JOC-404"


async def test_text_after_the_first_value_is_ignored_and_duplicate_keys_are_refused(client: Any) -> None:
    assert (await client.post("touch", '{} , "auditLog": {"comment": "x"} }'))["ok"] is True
    assert (await client.post("touch", ""))["ok"] is True
    refused = await client.post("touch", '{"a":1,"a":2}', status=420)
    assert refused["error"]["code"] == "JOC-420"
    assert "duplicate key 'a'" in refused["error"]["message"]


async def test_every_answer_is_uncached_and_carries_the_security_headers(client: Any) -> None:
    async with await client.raw("POST", "touch") as response:
        assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    async with client.session.get(client.base, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (307, "/ui/")


async def test_health_metrics_and_openapi_answer_without_a_session(client: Any) -> None:
    async with client.session.get(f"{client.base}/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok", "role": "active", "term": 1})
    async with client.session.get(f"{client.base}/metrics") as response:
        assert response.status == 200
    document = await client.get("stellwerk/openapi.json")
    assert document["paths"]["/joc/api/authentication/login"]["post"]["security"] == []


async def test_published_endpoints_without_a_route_say_so_to_those_who_are_logged_in(
    client: Any, cockpit: Cockpit
) -> None:
    from stellwerk.cockpit.api import all_routes
    from stellwerk.cockpit.api.published import missing_paths, published_paths

    known = {item.path for item in published_paths()}
    assert len(known) > 400 and {"/orders/add", "/inventory/{objectType}/validate"} <= known
    missing = missing_paths(all_routes())
    assert not {item.path for item in missing} & {"/orders/add", "/agents"}
    for item in missing:
        path = item.path.replace("{objectType}", "WORKFLOW")
        for method in item.methods:
            async with await client.raw(method, path[1:], b"no JSON") as response:
                body = await response.json()
                assert response.status == 420 and body["error"]["code"] == "JOC-004", (method, path, body)
                assert "not implemented" in body["error"]["message"]
    path = missing[0].path[1:]
    async with client.session.post(f"{client.base}/joc/api/{path}") as response:
        assert response.status == 440, "who is not logged in learns nothing"


async def test_the_first_password_is_set_only_once(cockpit: Cockpit, tmp_path: Path) -> None:
    from stellwerk.cockpit.auth.accounts import Accounts

    assert cockpit.first_password is not None
    assert await cockpit.services.get(Accounts).create_first("another") is None


async def test_the_migrations_give_exactly_the_tables_of_the_code(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from stellwerk.cockpit.database.migrations import HEAD, current_revision, is_described
    from stellwerk.cockpit.database.tables import METADATA

    options = {"compare_type": True, "include_object": is_described}
    async with database.write() as connection:
        assert await connection.run_sync(current_revision) == HEAD
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=options), METADATA)
        )
    assert difference == []


async def test_the_migrations_can_be_undone_one_by_one_and_done_again(database: Database) -> None:
    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from stellwerk.cockpit.database.migrations import HEAD, alembic_config, current_revision, is_described, upgrade
    from stellwerk.cockpit.database.tables import METADATA

    options = {"compare_type": True, "include_object": is_described}
    undone = []
    async with database.write() as connection:
        while (revision := await connection.run_sync(current_revision)) is not None:
            undone.append(revision)
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "-1"))
        left = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        await connection.run_sync(upgrade)
        assert await connection.run_sync(current_revision) == HEAD == undone[0]
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=options), METADATA)
        )
    assert undone[-1] == "0001"
    assert left == ["alembic_version"]
    assert difference == []


async def test_a_failed_write_leaves_nothing_and_a_reader_does_not_wait_for_the_writer(database: Database) -> None:
    from stellwerk.cockpit.database.tables.registry import joc_variables

    with pytest.raises(ZeroDivisionError):
        async with database.write() as connection:
            await connection.execute(joc_variables.insert(), [{"name": "a", "numeric_value": 1}])
            async with database.read() as reader:
                assert (await reader.execute(select(joc_variables))).all() == []
            raise ZeroDivisionError
    async with database.read() as reader:
        assert (await reader.execute(select(joc_variables))).all() == []


async def test_the_ui_is_served_with_a_fall_back_to_its_own_router(tmp_path: Path) -> None:
    directory = tmp_path / "ui"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>Stellwerk</title>")
    (directory / "assets" / "main-1a2b.js").write_text("1")
    (directory / "assets" / "main-1a2b.js.gz").write_bytes(gzip.compress(b"compressed by the build"))
    (tmp_path / "secret.txt").write_text("secret")
    running = Cockpit(CockpitConfiguration(data=tmp_path / "data", port=0, ui_directory=directory))
    await running.start()
    base = f"http://127.0.0.1:{running.port}"
    try:
        async with aiohttp.ClientSession() as session:
            for path in ("/ui/", "/ui/orders", "/ui/order/%23a%7Cb", "/", "/joc/"):
                async with session.get(URL(base + path, encoded=True)) as response:
                    assert response.status == 200, path
                    assert "<title>Stellwerk" in await response.text()
                    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            async with session.get(f"{base}/ui/assets/main-1a2b.js") as response:
                assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
                assert response.headers["Content-Type"].startswith("text/javascript")
            for accepted, text in {
                "br, gzip": "compressed by the build",
                "gzip;q=0.5": "compressed by the build",
                "gzip;q=0": "1",
                "br": "1",
            }.items():
                headers = {"Accept-Encoding": accepted}
                async with session.get(f"{base}/ui/assets/main-1a2b.js", headers=headers) as response:
                    assert await response.text() == text, accepted
                    assert response.headers["Vary"] == "accept-encoding"
                    assert response.headers["Content-Type"].startswith("text/javascript")
            async with session.get(f"{base}/ui/assets/gone.js") as response:
                assert response.status == 404
            async with session.get(URL(f"{base}/ui/%2e%2e/secret.txt", encoded=True)) as response:
                assert "secret" not in await response.text()
            async with session.post(f"{base}/ui/") as response:
                assert response.status == 405
    finally:
        await running.stop()
    assert running.first_password


async def test_versions_properties_and_metrics_are_there_for_clients(client: Any) -> None:
    versions = await client.post("joc/versions", {})
    assert versions["controllerVersions"] == []
    properties = await client.post("joc/properties")
    assert properties["securityLevel"] == "LOW"
    async with client.session.get(f"{client.base}/metrics") as response:
        assert "stellwerk_cockpit_sessions 1.0" in await response.text()


async def test_a_changing_call_is_audited_with_its_comment_and_without_its_secrets(
    client: Any, cockpit: Cockpit
) -> None:
    body = {
        "controllerId": "nowhere",
        "orderIds": ["x"],
        "password": "hidden",
        "auditLog": {"comment": "because", "timeSpent": "5"},
    }
    await client.post("orders/cancel", body, status=420)
    async with cockpit.database.read() as connection:
        row = (await connection.execute(select(joc_audit_log))).one()
    assert (row.account, row.request, row.controller_id) == ("root", "/orders/cancel", "nowhere")
    assert (row.comment, row.time_spent, row.status) == ("because", 5, 420)
    assert "hidden" not in row.parameters


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    configuration = CockpitConfiguration(data=tmp_path, port=0, maximum_body_bytes=1000)
    running = Cockpit(configuration)
    await running.start()
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{running.port}/joc/api/touch"
            async with session.post(url, data=b" " * 2000) as response:
                assert response.status == 413
    finally:
        await running.stop()
