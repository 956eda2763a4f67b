"""The frame: login, sessions, lenient bodies, errors, permissions, audit, static files (cockpit-api section 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.database import Database


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
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with client.session.get(f"{client.base}/metrics") as response:
        assert response.status == 200
    document = await client.get("stellwerk/openapi.json")
    assert document["paths"]["/joc/api/authentication/login"]["post"]["security"] == []


async def test_the_first_password_is_set_only_once(cockpit: Cockpit, tmp_path: Path) -> None:
    from stellwerk.cockpit.auth.accounts import Accounts

    assert cockpit.first_password is not None
    assert await cockpit.services.get(Accounts).create_first("another") is None


async def test_the_migrations_give_exactly_the_tables_of_the_code(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from stellwerk.cockpit.database.migrations import HEAD, current_revision
    from stellwerk.cockpit.database.tables import METADATA

    async with database.write() as connection:
        assert await connection.run_sync(current_revision) == HEAD
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), METADATA)
        )
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
