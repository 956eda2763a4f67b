"""Each command of deploy-identity-service.sh: what the script sends, and what it reads (cockpit-api 2.2)."""

from __future__ import annotations

import json
from typing import Any

from tests.cockpit.identity.conftest import People

AUDIT = '"auditLog": { "comment": "why", "timeSpent": 1, "ticketLink": "http://x" }'
S = '"identityServiceName": "JOC-INITIAL"'

#: (command, path, body as the script concatenates it, member that it reads)
COMMANDS: list[tuple[str, str, str, str]] = [
    ("get-service", "iam/identityservices", "{  }", "identityServiceItems"),
    ("get-service --service", "iam/identityservice", f"{{ {S} }}", "identityServiceName"),
    (
        "store-service",
        "iam/identityservice/store",
        '{ "identityServiceName": "Ldap", "identityServiceType": "LDAP", "disabled": false, "required": false, '
        '"serviceAuthenticationScheme": "SINGLE-FACTOR", "ordering": 2, ' + AUDIT + " }",
        "identityServiceName",
    ),
    (
        "store-service-settings",
        "configuration/save",
        '{ "id": 0, "name": "Ldap", "objectType": "LDAP", "configurationType": "IAM", "configurationItem": '
        '"{\\"ldap\\": {\\"simple\\": {\\"iamLdapHost\\": \\"h\\"}}}" } }, ' + AUDIT + " }",
        "id",
    ),
    (
        "get-service-settings",
        "configuration",
        '{ "id": 0, "configurationType": "IAM", "name": "Ldap", "objectType": "LDAP" }',
        "configuration",
    ),
    (
        "rename-service",
        "iam/identityservice/rename",
        '{ "identityServiceOldName": "Ldap", "identityServiceNewName": "Ldap2" }',
        "identityServiceNewName",
    ),
    ("remove-service", "iam/identityservice/delete", '{ "identityServiceName": "Ldap2" }', "ok"),
    ("store-role", "iam/role/store", f'{{ {S}, "roleName": "operator", "ordering": 9, {AUDIT} }}', "ok"),
    ("get-role", "iam/roles", f"{{ {S} }}", "roles"),
    ("get-role --role", "iam/role", f'{{ {S}, "roleName": "operator" }}', "roleName"),
    ("rename-role", "iam/role/rename", f'{{ {S}, "roleOldName": "operator", "roleNewName": "worker" }}', "ok"),
    (
        "set-permission",
        "iam/permissions/store",
        f'{{ {S}, "roleName": "worker", "controllerId": "", "permissions": '
        '[{ "permissionPath": "sos:products:controller:view", "excluded": false },'
        '{ "permissionPath": "sos:products:joc:adminstration:accounts:view", "excluded": false }] }',
        "ok",
    ),
    ("get-permission", "iam/permissions", f'{{ {S}, "roleName": "worker" }}', "permissions"),
    (
        "get-permission --permission",
        "iam/permission",
        f'{{ {S}, "roleName": "worker", "permissionPath": "sos:products:controller:view" }}',
        "permission",
    ),
    (
        "rename-permission",
        "iam/permission/rename",
        f'{{ {S}, "roleName": "worker", "oldPermissionPath": "sos:products:controller:view", "newPermission": '
        '{ "permissionPath": "sos:products:controller:orders", "excluded": false }, "controllerId": "" }',
        "ok",
    ),
    (
        "remove-permission",
        "iam/permissions/delete",
        f'{{ {S}, "roleName": "worker", "controllerId": "", '
        '"permissionPaths": ["sos:products:joc:administration:accounts:view"] }',
        "ok",
    ),
    ("get-folder (none)", "iam/folders", f'{{ {S}, "roleName": "worker", "controllerId": "c" }}', "folders"),
    (
        "set-folder",
        "iam/folders/store",
        f'{{ {S}, "roleName": "worker", "controllerId": "", "folders": [{{ "folder": "/a", "recursive": true }}] }}',
        "ok",
    ),
    ("get-folder", "iam/folders", f'{{ {S}, "roleName": "worker", "controllerId": "" }}', "folders"),
    (
        "get-folder --folder",
        "iam/folder",
        f'{{ {S}, "roleName": "worker", "controllerId": "", "folderName": "/a" }}',
        "folder",
    ),
    (
        "rename-folder",
        "iam/folder/rename",
        f'{{ {S}, "roleName": "worker", "controllerId": "", "oldFolderName": "/a", '
        '"newFolder": { "folder": "/b", "recursive": false } }',
        "ok",
    ),
    (
        "remove-folder",
        "iam/folders/delete",
        f'{{ {S}, "roleName": "worker", "controllerId": "", "folderNames": ["/b"] }}',
        "ok",
    ),
    (
        "store-account",
        "iam/account/store",
        f'{{ {S}, "accountName": "anna", "disabled": false, "forcePasswordChange": false, "password": "secret", '
        f'"roles": ["worker"], {AUDIT} }}',
        "ok",
    ),
    ("get-account", "iam/accounts", f'{{ {S}, "enabled": false, "disabled": false }}', "accountItems"),
    (
        "get-account --account",
        "iam/accounts",
        f'{{ {S}, "enabled": true, "disabled": false, "accountName": "anna" }}',
        "accountItems",
    ),
    ("get-account-permission", "iam/account/permissions", f'{{ {S}, "accountName": "anna" }}', "roles"),
    (
        "set-account-password",
        "iam/account/changepassword",
        f'{{ {S}, "accountName": "anna", "oldPassword": "secret", "password": "other", "repeatedPassword": "other" }}',
        "ok",
    ),
    ("reset-account-password", "iam/accounts/resetpassword", f'{{ {S}, "accountNames": ["anna"] }}', "ok"),
    ("disable-account", "iam/accounts/disable", f'{{ {S}, "accountNames": ["anna"] }}', "ok"),
    ("enable-account", "iam/accounts/enable", f'{{ {S}, "accountNames": ["anna"] }}', "ok"),
    ("block-account", "iam/blockedAccount/store", f'{{ {S}, "accountName": "anna", "comment": "c", {AUDIT} }}', "ok"),
    ("get-account --blocked", "iam/blockedAccounts", f'{{ {S}, "accountName": "anna" }}', "blockedAccounts"),
    ("unblock-account", "iam/blockedAccounts/delete", f'{{ {S}, "accountNames": ["anna"] }}', "ok"),
    ("get-account --blocked (none)", "iam/blockedAccounts", f"{{ {S} }}", "blockedAccounts"),
    (
        "rename-account",
        "iam/account/rename",
        f'{{ {S}, "accountOldName": "anna", "accountNewName": "berta" }}',
        "ok",
    ),
    (
        "remove-account",
        "iam/accounts/delete",
        f'{{ {S}, "enabled": false, "disabled": false, "accountNames": ["berta"] }}',
        "ok",
    ),
    ("remove-role", "iam/roles/delete", f'{{ {S}, "roleNames": ["worker"] }}', "ok"),
    ("get-settings", "settings", "{  }", "configuration"),
    (
        "store-settings",
        "settings/store",
        '{ "configurationItem": "{\\"identityService\\": {\\"minimum_password_length\\": {\\"value\\": \\"6\\"}}}" }',
        "ok",
    ),
]


async def test_each_command_of_the_script_finds_what_it_reads(people: People) -> None:
    for command, path, body, read in COMMANDS:
        answer = await people.root.post(path, body)
        value = answer.get(read)
        # jq's `// empty` takes null and false for nothing.
        assert value is not None and value is not False, (command, answer)
    answers = await people.root.post("audit_log", {"categories": ["IDENTITY", "SETTINGS"]})
    written = [item["request"] for item in reversed(answers["auditLog"])]
    reading = {"iam/identityservices", "iam/identityservice", "iam/roles", "iam/role", "iam/permissions"}
    reading |= {"iam/permission", "iam/folders", "iam/folder", "iam/accounts", "iam/account/permissions"}
    reading |= {"iam/blockedAccounts", "configuration", "settings"}
    assert written == [f"./{path}" for _, path, _, _ in COMMANDS if path not in reading]


async def test_no_secret_reaches_the_audit_log(people: People) -> None:
    for command, path, body, _ in COMMANDS:
        if command in ("store-service", "store-account", "set-account-password"):
            await people.root.post(path, body)
    item = json.dumps({"ldap": {"expert": {"iamLdapSystemPassword": "planted", "iamLdapHost": "shown"}}})
    saved = {"id": 0, "name": "Ldap", "objectType": "LDAP", "configurationType": "IAM", "configurationItem": item}
    await people.root.post("configuration/save", saved)
    settings = json.dumps({"identityService": {"initial_password": {"value": "planted"}}})
    await people.root.post("settings/store", {"configurationItem": settings})
    log: Any = (await people.root.post("audit_log"))["auditLog"]
    text = json.dumps(log)
    assert "planted" not in text and '"secret' not in text and "other" not in text
    assert "shown" in text and "anna" in text
