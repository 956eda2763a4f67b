"""What an administrator changes at one member holds at all of them at once (cockpit-services 7, 8)."""

from __future__ import annotations

import pytest
from tests.cockpit.cluster.conftest import CockpitCluster, eventually
from tests.cockpit.identity.conftest import OF_SERVICE, SECRET, People

pytestmark = pytest.mark.postgresql

VIEWS = "sos:products:controller:view"


async def test_settings_and_permissions_reach_all_members(cluster: CockpitCluster) -> None:
    await cluster.start("a")
    await cluster.start("b")
    here, there = await cluster.client("a"), await cluster.client("b")
    await here.post("settings/store", {"configurationItem": '{"joc": {"force_comments_for_audit_log": true}}'})

    async def is_forced() -> bool:
        return bool((await there.post("joc/properties"))["forceCommentsForAuditLog"])

    await eventually(is_forced)
    comment = {"auditLog": {"comment": "because"}}
    role = {**OF_SERVICE, "roleName": "r"}
    await here.post("iam/role/store", role | comment)
    permission = {"permissions": [{"permissionPath": VIEWS}]}
    await here.post("iam/permissions/store", role | comment | permission)
    await here.post(
        "iam/account/store", {**OF_SERVICE, "accountName": "anna", "password": SECRET, "roles": ["r"], **comment}
    )
    anna = await People(there).enter("anna")
    await anna.post("settings", status=403)
    more = {"permissions": [{"permissionPath": "sos:products:joc:administration:settings"}]}
    await here.post("iam/permissions/store", role | comment | more)

    async def is_permitted() -> bool:
        async with await anna.raw("POST", "settings") as response:
            return response.status == 200

    await eventually(is_permitted)
