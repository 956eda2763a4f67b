"""`stellwerk user`, `role`, `audit`: the program itself against a Cockpit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from soft_authenticator import SoftAuthenticator
from tests.cockpit.conftest import PASSWORD, Client, cockpit_configuration
from tests.cockpit.identity.conftest import People

from stellwerk.cockpit.application import Cockpit


@pytest.fixture
async def cockpit(tmp_path: Path) -> AsyncIterator[Cockpit]:
    """SQLite only: what the database does is tested with the API."""
    running = Cockpit(cockpit_configuration(tmp_path))
    await running.start()
    yield running
    await running.stop()


class CommandLine:
    def __init__(self, client: Client) -> None:
        self._environment = {**os.environ, "STELLWERK_URL": client.base, "STELLWERK_PASSWORD": PASSWORD}

    async def __call__(self, *words: str, code: int = 0, typed: str = "") -> str:
        """Standard output, or, for a command that is to fail, standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stellwerk.cli",
            *words,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(typed.encode())
        assert process.returncode == code, f"{words}: {process.returncode}\n{output.decode()}\n{errors.decode()}"
        return (errors if code else output).decode()

    async def json(self, *words: str) -> Any:
        return json.loads(await self(*words, "--json"))


@pytest.fixture
def stellwerk(client: Client) -> CommandLine:
    return CommandLine(client)


async def test_a_person_is_let_in_restricted_and_shut_out(stellwerk: CommandLine, people: People) -> None:
    view, cancel = "sos:products:controller", "sos:products:controller:orders:cancel"
    await stellwerk("role", "add", "operator", "--permission", view, "--exclude", cancel, "--folder", "/nightly")
    (role,) = [one for one in (await stellwerk.json("role", "list"))["roles"] if one["roleName"] == "operator"]
    assert role["permissions"] == [
        {"permissionPath": view, "excluded": False},
        {"permissionPath": cancel, "excluded": True},
    ]
    assert role["folders"] == [{"folder": "/nightly", "recursive": True}]
    assert "not sos:products:controller:orders:cancel" in await stellwerk("role", "list")

    said = await stellwerk("user", "add", "anna", "--role", "operator", "--email", "a@b", "--comment", "new colleague")
    assert "initial password" in said
    assert "must change password" in await stellwerk("user", "list")
    assert "there is a user anna" in await stellwerk("user", "add", "anna", code=1)
    assert "choose from" in await stellwerk("user", "add", "berta", "--role", "boss", code=1)
    await stellwerk("user", "password", "anna", typed="a new password\n")
    anna = await people.enter("anna", "a new password")
    await stellwerk("user", "block", "anna", "--comment", "left us")
    await anna.post("touch", status=440)
    assert "blocked" in await stellwerk("user", "list")
    await stellwerk("user", "unblock", "anna")
    await people.enter("anna", "a new password")
    await stellwerk("user", "disable", "anna")
    await people.refusal("anna", "a new password")
    await stellwerk("user", "enable", "anna")
    await stellwerk("role", "revoke", "operator", "--folder", "/nightly", "--permission", cancel)
    assert "nothing to revoke" in await stellwerk("role", "revoke", "operator", code=1)
    await stellwerk("user", "password", "anna", "--reset")
    await people.enter("anna", "initial")
    await stellwerk("user", "remove", "anna")
    assert "nobody" in await stellwerk("user", "remove", "nobody", code=1)
    await stellwerk("role", "remove", "operator")
    assert [one["accountName"] for one in (await stellwerk.json("user", "list"))["users"]] == ["root"]

    log = (await stellwerk.json("audit", "--category", "identity"))["auditLog"]
    assert [item["request"] for item in log[-4:]] == [
        "./iam/account/store",
        "./iam/folders/store",
        "./iam/permissions/store",
        "./iam/role/store",
    ]
    assert log[-4]["comment"] == "new colleague"
    table = await stellwerk("audit", "--user", "root")
    assert "refused (420)" in table and "a new password" not in table


async def test_the_own_password_is_changed_with_the_one_of_the_session(stellwerk: CommandLine, people: People) -> None:
    await stellwerk("user", "password", "root", typed="another password\n")
    await people.enter("root", "another password")
    assert "check account" in await stellwerk("user", "list", code=1)
    assert "holds no password" in await stellwerk("user", "password", "root", code=1)


async def test_identity_services_are_added_changed_and_their_devices_approved(
    stellwerk: CommandLine, people: People, tmp_path: Path
) -> None:
    settings = tmp_path / "ldap.json"
    settings.write_text('{"ldap": {"simple": {"iamLdapHost": "ldap.example.com"}}}')
    added = ("identity", "store", "company", "--type", "LDAP", "--settings", str(settings))
    assert "company: optional" in await stellwerk(*added)
    assert "company: disabled" in await stellwerk("identity", "store", "company", "--disabled")
    key = {"configurationType": "IAM", "objectType": "LDAP", "name": "company"}
    stored = (await people.root.post("configuration", key))["configuration"]["configurationItem"]
    assert "ldap.example.com" in stored
    await stellwerk("identity", "store", "keys", "--type", "FIDO")
    device = SoftAuthenticator("https://cockpit.example")
    named = {"identityServiceName": "keys", "accountName": "anna"}
    begun = await people.root.post("iam/fidoregistration/request_registration_start", named)
    registered = await people.root.post("iam/fidoregistration/request_registration", {**named, **device.create(begun)})
    assert "waits for approval" in await stellwerk("identity", "approve", "keys", "0000-0000-0000-0000", code=1)
    (waiting,) = (await stellwerk.json("identity", "devices", "keys"))["devices"]
    assert waiting["fingerprint"] == registered["fingerprint"]
    assert "anna can log in" in await stellwerk("identity", "approve", "keys", waiting["fingerprint"])
    listed = [line.split() for line in (await stellwerk("identity", "list")).splitlines()]
    assert ["company", "LDAP", "disabled"] in listed and ["keys", "FIDO", "optional"] in listed
    await stellwerk("identity", "remove", "company")
    assert "give --type" in await stellwerk("identity", "store", "company", "--enabled", code=1)
    await stellwerk("identity", "store", "keys", "--only-second")
    await stellwerk("identity", "store", "JOC-INITIAL", "--second-factor", "keys")
    refused = await stellwerk("identity", "list", code=1)
    assert "Second factor needed" in refused and "Unclosed" not in refused
