"""Settings take effect at once; configurations are for whom they belong to (cockpit-services 8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cockpit.identity.conftest import OF_SERVICE, SECRET, People

VIEWS = "sos:products:controller:view"
CUSTOMIZATION = "sos:products:joc:administration:customization"


def settings(**sections: Any) -> dict[str, Any]:
    return {"configurationItem": json.dumps(sections)}


async def stored(people: People) -> Any:
    answer = await people.root.post("settings")
    return json.loads(answer["configuration"]["configurationItem"])


async def test_settings_are_read_changed_and_set_back_to_their_defaults(people: People) -> None:
    before = await stored(people)
    assert before["identityService"]["idle_session_timeout"] == {"value": "30m", "ordering": 0}
    before["joc"]["copy_paste_suffix"]["value"] = "duplicate"
    before["cleanup"]["force_cleanup"]["children"]["history_pause_delay"]["value"] = "31s"
    await people.root.post("settings/store", settings(**before))
    assert await stored(people) == before
    await people.root.post("settings/store", settings(joc={"copy_paste_suffix": "plain"}))
    after = await stored(people)
    assert after["joc"]["copy_paste_suffix"]["value"] == "plain"
    assert after["cleanup"]["force_cleanup"]["children"]["history_pause_delay"]["value"] == "30s"
    catalogue = await people.root.post("configurations", {"configurationType": "GLOBALS"})
    assert catalogue["defaultGlobals"]["joc"]["copy_paste_suffix"]["default"] == "copy"
    assert catalogue["defaultGlobals"]["git"]["git_hold_schedules"]["values"] == ["rollout", "local"]
    (item,) = catalogue["configurations"]
    assert json.loads(item["configurationItem"]) == after


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        ("identityService", "idle_session_timeout", "soon", "e.g. 30m"),
        ("identityService", "minimum_password_length", "0", "from 1"),
        ("identityService", "minimum_password_lenght", "3", "did you mean 'minimum_password_length'"),
        ("identity", "x", "1", "did you mean 'identityService'"),
        ("dailyplan", "time_zone", "Europe/Nowhere", "time zone"),
        ("dailyplan", "period_begin", "25:00", "time of day"),
        ("cleanup", "period", "0,8", "weekdays"),
        ("git", "git_hold_schedules", "somewhere", "rollout, local"),
        ("joc", "force_comments_for_audit_log", "yes", "true or false"),
        ("joc", "copy_paste_suffix", ["a"], "one value"),
    ],
)
async def test_wrong_settings_are_refused_and_nothing_is_changed(
    people: People, section: str, name: str, value: Any, says: str
) -> None:
    given = {"joc": {"copy_paste_suffix": "x"}, section: {name: {"value": value}}}
    answer = await people.root.post("settings/store", settings(**given), status=420)
    assert answer["error"]["code"] == "JOC-400"
    assert says in answer["error"]["message"]
    assert (await stored(people))["joc"]["copy_paste_suffix"]["value"] == "copy"


async def test_text_that_is_no_json_is_refused(people: People) -> None:
    for text in ("{", "[]", '{"joc": 1}', '{"joc": {"encoding": 1, "encoding": 2}}'):
        await people.root.post("settings/store", {"configurationItem": text}, status=420)


async def test_comments_become_mandatory_at_once(people: People) -> None:
    await people.root.post("settings/store", settings(joc={"force_comments_for_audit_log": "true"}))
    assert (await people.root.post("joc/properties"))["forceCommentsForAuditLog"] is True
    role = {**OF_SERVICE, "roleName": "r"}
    refused = await people.root.post("iam/role/store", role, status=420)
    assert refused["error"]["code"] == "JOC-300"
    await people.root.post("iam/role/store", {**role, "auditLog": {"comment": "because"}})


async def test_the_idle_time_of_all_sessions_changes_at_once(people: People) -> None:
    await people.root.post("settings/store", settings(identityService={"idle_session_timeout": "2h"}))
    async with await people.login("root", "wrong") as response:
        assert response.status == 401
    (session,) = (await people.root.post("iam/sessions"))["activeSessions"]
    assert 7_000_000 < session["timeout"] <= 7_200_000
    await people.root.post("settings/store", settings(identityService={"idle_session_timeout": "0"}))
    (session,) = (await people.root.post("iam/sessions"))["activeSessions"]
    assert session["timeout"] == -1


async def test_rules_of_passwords_change_at_once(people: People) -> None:
    await people.role("viewer", VIEWS)
    await people.root.post(
        "settings/store", settings(identityService={"minimum_password_length": 12, "initial_password": "welcome"})
    )
    account = {**OF_SERVICE, "accountName": "anna", "roles": ["viewer"]}
    refused = await people.root.post("iam/account/store", account | {"password": "elevenchars"}, status=420)
    assert refused["error"]["code"] == "JOC-420"
    assert "at least 12 characters" in refused["error"]["message"]
    await people.root.post("iam/account/store", account)
    anna = await people.enter("anna", "welcome")
    change = {**OF_SERVICE, "accountName": "anna", "oldPassword": "welcome"}
    short = change | {"password": "short", "repeatedPassword": "short"}
    await anna.post("iam/account/changepassword", short, status=420)
    await anna.post("iam/account/changepassword", change | {"password": SECRET, "repeatedPassword": SECRET})


# --- configurations


async def save(client: Any, status: int = 200, **members: Any) -> Any:
    request: dict[str, Any] = {
        "id": 0,
        "configurationType": "CUSTOMIZATION",
        "objectType": "ORDER",
        "configurationItem": "{}",
    }
    return await client.post("configuration/save", request | members, status=status)


async def test_what_people_store_for_themselves_is_theirs(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    berta = await people.with_permissions("berta", VIEWS)
    id_ = (await save(anna, name="late", configurationItem='{"q": 1}'))["id"]
    assert (await save(anna, name="late", configurationItem='{"q": 2}'))["id"] == id_
    key = {"id": 0, "configurationType": "CUSTOMIZATION", "objectType": "ORDER", "name": "late"}
    found = (await anna.post("configuration", key))["configuration"]
    assert (found["id"], found["configurationItem"], found["account"]) == (id_, '{"q": 2}', "anna")
    assert (await berta.post("configuration", key))["configuration"]["configurationItem"] == "{}"
    await berta.post("configuration", {"id": id_}, status=403)
    await berta.post("configuration", key | {"account": "anna"}, status=403)
    await save(berta, status=403, id=id_)
    await berta.post("configuration/delete", {"id": id_}, status=403)
    assert (await berta.post("configurations", {}))["configurations"] == []
    await berta.post("configurations", {"account": "anna"}, status=403)
    await anna.post("configuration/delete", {"id": id_})
    assert (await anna.post("configuration", {"id": id_}, status=420))["error"]["code"] == "JOC-002"


async def test_filters_are_shared_by_those_who_may(people: People) -> None:
    anna = await people.with_permissions("anna", f"{CUSTOMIZATION}:share")
    berta = await people.with_permissions("berta", f"{CUSTOMIZATION}:view")
    carla = await people.with_permissions("carla", VIEWS)
    id_ = (await save(anna, name="late"))["id"]
    assert (await berta.post("configurations", {}))["configurations"] == []
    await anna.post("configuration/share", {"id": id_})
    (shared,) = (await berta.post("configurations", {"shared": True}))["configurations"]
    assert (shared["id"], shared["account"], shared["shared"]) == (id_, "anna", True)
    assert (await carla.post("configurations", {}))["configurations"] == []
    await berta.post("configuration", {"id": id_})
    await carla.post("configuration", {"id": id_}, status=403)
    await save(berta, status=403, id=id_)
    own = (await save(berta, name="mine"))["id"]
    await berta.post("configuration/share", {"id": own}, status=403)
    await save(berta, status=403, name="mine", shared=True)
    await anna.post("configuration/make_private", {"id": id_})
    assert [one["id"] for one in (await berta.post("configurations", {}))["configurations"]] == [own]


async def test_identity_services_keep_their_configuration_for_who_manages_accounts(people: People) -> None:
    key: dict[str, Any] = {"id": 0, "configurationType": "IAM", "objectType": "LDAP", "name": "dir"}
    unknown = await people.root.post("configuration", key, status=420)
    assert unknown["error"]["code"] == "JOC-002"
    await people.root.post("iam/identityservice/store", {"identityServiceName": "dir", "identityServiceType": "LDAP"})
    assert (await people.root.post("configuration", key))["configuration"]["configurationItem"] == "{}"
    await save(people.root, 420, **key, configurationItem="[]")
    await save(people.root, **key, configurationItem='{"ldap":{}}')
    viewer = await people.with_permissions("anna", "sos:products:joc:administration:accounts:view")
    await viewer.post("configuration", key, status=403)
    rename = {"identityServiceOldName": "dir", "identityServiceNewName": "dir2"}
    await people.root.post("iam/identityservice/rename", rename)
    found = await people.root.post("configuration", key | {"name": "dir2"})
    assert found["configuration"]["configurationItem"] == '{"ldap":{}}'


async def test_new_accounts_begin_with_the_preferences_of_the_default_account(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    assert (await anna.post("profile/prefs", {"controllerId": "", "accountName": "anna"}))["profileItem"] == "{}"
    await people.root.post("profile/prefs/store", {"accountName": "root", "profileItem": '{"theme":"dark"}'})
    assert (await anna.post("profile/prefs", {"accountName": "anna"}))["profileItem"] == '{"theme":"dark"}'
    profile = {"id": 0, "configurationType": "PROFILE"}
    inherited = (await anna.post("configuration", profile))["configuration"]
    assert (inherited["id"], inherited["account"], inherited["configurationItem"]) == (0, "anna", '{"theme":"dark"}')
    await anna.post("configuration/save", profile | {"account": "anna", "configurationItem": '{"theme":"light"}'})
    assert (await anna.post("profile/prefs", {}))["profileItem"] == '{"theme":"light"}'
    await anna.post("profile/prefs", {"accountName": "root"}, status=403)
    await anna.post("profile/prefs/store", {"accountName": "root", "profileItem": "{}"}, status=403)
    profiles = (await people.root.post("profiles", OF_SERVICE))["profiles"]
    assert {one["accountName"] for one in profiles} == {"anna", "root"}
    await people.root.post("profiles/delete", {"accounts": ["anna"]})
    assert (await anna.post("profile/prefs", {}))["profileItem"] == '{"theme":"dark"}'


async def test_what_an_account_has_stored_goes_with_it(people: People) -> None:
    anna = await people.with_permissions("anna", VIEWS)
    await anna.post("profile/prefs/store", {"profileItem": '{"mine":1}'})
    await people.root.post("iam/account/rename", {**OF_SERVICE, "accountOldName": "anna", "accountNewName": "berta"})
    berta = await people.enter("berta")
    assert (await berta.post("profile/prefs", {}))["profileItem"] == '{"mine":1}'
    again = await people.with_permissions("anna", VIEWS)
    assert (await again.post("profile/prefs", {}))["profileItem"] == "{}"
    await people.root.post("iam/accounts/delete", {**OF_SERVICE, "accountNames": ["berta"]})
    another = await people.with_permissions("berta", VIEWS)
    assert (await another.post("profile/prefs", {}))["profileItem"] == "{}"


async def test_the_login_page_is_told_what_it_needs_without_a_session(people: People) -> None:
    async with people.root.session.post(f"{people.root.base}/joc/api/configuration/login") as response:
        assert await response.json() == {
            "defaultProfileAccount": "root",
            "enableRememberMe": True,
            "title": "Stellwerk",
        }


async def test_settings_are_for_those_who_may_see_them(people: People) -> None:
    viewer = await people.with_permissions("anna", "sos:products:joc:administration:settings:view")
    key = {"id": 0, "configurationType": "GLOBALS"}
    id_ = (await people.root.post("configuration/save", key | {"configurationItem": '{"user":{}}'}))["id"]
    for request in (key, {"id": id_}):
        await viewer.post("configuration", request)
        await viewer.post("configuration/save", request | {"configurationItem": "{}"}, status=403)
    await viewer.post("settings", status=403)
    await viewer.post("configurations", key)
    other = await people.with_permissions("berta", VIEWS)
    for path, request in (("configuration", key), ("configuration", {"id": id_}), ("configurations", key)):
        await other.post(path, request, status=403)
    refused = await people.root.post("configuration/delete", {"id": id_}, status=420)
    assert "defaults" in refused["error"]["message"]
