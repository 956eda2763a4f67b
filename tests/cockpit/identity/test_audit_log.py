"""The audit log: what is written of a call, and how it is found again (cockpit-services 10.1)."""

from __future__ import annotations

from typing import Any

from tests.cockpit.conftest import Client
from tests.cockpit.identity.conftest import People

from stellwerk.cockpit.audit.objects import MAXIMUM_OBJECTS, AuditedObject, objects_of

AUDIT = "sos:products:joc:auditlog"
WORKFLOW: dict[str, Any] = {"instructions": [{"TYPE": "AddOrder", "workflowName": "other"}]}


def test_objects_are_told_from_the_members_of_a_request() -> None:
    request = {
        "controllerId": "c",
        "orders": [{"workflowPath": "/a/LOAD", "arguments": {"workflowPath": "/not/THIS"}}],
        "workflowIds": [{"path": "BARE"}],
        "orderIds": ["#1#o", "#1#o"],
        "store": {"draftConfigurations": [{"configuration": {"path": "/a/L", "objectType": "LOCK"}}]},
    }
    assert objects_of(request) == [
        AuditedObject("WORKFLOW", "/a/LOAD"),
        AuditedObject("WORKFLOW", "/BARE"),
        AuditedObject("ORDER", "#1#o"),
        AuditedObject("LOCK", "/a/L"),
    ]
    stored = {"path": "/a/W", "objectType": "WORKFLOW", "configuration": {"workflowPath": "/not/THIS"}}
    assert objects_of(stored) == [AuditedObject("WORKFLOW", "/a/W")]
    assert objects_of(["text", None, 1]) == []
    assert len(objects_of({"orderIds": [str(number) for number in range(5000)]})) == MAXIMUM_OBJECTS


async def store(client: Client, path: str, **audit: Any) -> None:
    request = {"path": path, "objectType": "WORKFLOW", "configuration": WORKFLOW, "auditLog": audit}
    await client.post("inventory/store", request)


async def found(client: Client, **members: Any) -> list[str]:
    """Paths of the objects of the calls that are found, oldest first."""
    paths = []
    for item in reversed((await client.post("audit_log", members))["auditLog"]):
        answer = await client.post("audit_log/details", {"auditLogId": item["id"]})
        paths += [f"{one['type']} {one['path']}" for one in answer["auditLogDetails"]]
    return paths


async def test_calls_are_found_by_everything_that_is_known_of_them(people: People) -> None:
    await store(people.root, "/a/ONE", comment="because of rain", ticketLink="http://tickets/7", timeSpent=3)
    await store(people.root, "/a/b/TWO")
    one, two = "WORKFLOW /a/ONE", "WORKFLOW /a/b/TWO"
    for given, expected in (
        ({}, [one, two]),
        ({"comment": "rain"}, [one]),
        ({"comment": "rain*"}, []),
        ({"ticketLink": "*tickets/7"}, [one]),
        ({"account": "root"}, [one, two]),
        ({"account": "anna"}, []),
        ({"categories": "INVENTORY"}, [one, two]),
        ({"categories": ["IDENTITY"]}, []),
        ({"objectTypes": ["LOCK"]}, []),
        ({"objectTypes": ["LOCK", "WORKFLOW"]}, [one, two]),
        ({"objectName": "TW"}, [two]),
        ({"folders": [{"folder": "/a", "recursive": False}]}, [one]),
        ({"folders": [{"folder": "/a/b"}]}, [two]),
        ({"dateFrom": "-1h"}, [one, two]),
        ({"dateTo": "-1h"}, []),
        ({"limit": "1"}, [two]),
        ({"controllerId": "any"}, [one, two]),
    ):
        assert await found(people.root, **given) == expected, given
    (item,) = (await people.root.post("audit_log", {"comment": "rain"}))["auditLog"]
    assert (item["request"], item["timeSpent"], item["category"]) == ("./inventory/store", 3, "INVENTORY")
    wrong = await people.root.post("audit_log", {"categories": ["WEATHER"]}, status=420)
    assert "IDENTITY" in wrong["error"]["message"]


async def test_folder_permissions_hold_for_the_audit_log(people: People) -> None:
    await store(people.root, "/a/ONE")
    await store(people.root, "/b/TWO")
    inventory = "sos:products:joc:inventory"
    anna = await people.with_permissions("anna", AUDIT, inventory, folders=[{"folder": "/a"}])
    await store(anna, "/a/MINE")
    both = [{"configuration": {"path": path, "objectType": "WORKFLOW"}} for path in ("/a/ONE", "/b/TWO")]
    # Refused, as there is no such Controller; written all the same.
    deploy = {"controllerIds": ["none"], "store": {"draftConfigurations": both}}
    await people.root.post("inventory/deployment/deploy", deploy, status=420)
    assert (await found(people.root))[-2:] == ["WORKFLOW /a/ONE", "WORKFLOW /b/TWO"]
    assert await found(anna) == ["WORKFLOW /a/ONE", "WORKFLOW /a/MINE"]
    assert await found(anna, folders=[{"folder": "/b"}]) == []
    ids = {item["id"]: item for item in (await people.root.post("audit_log"))["auditLog"]}
    _, foreign = sorted(id_ for id_, item in ids.items() if "/b/TWO" in item.get("parameters", ""))
    assert (await anna.post("audit_log/details", {"auditLogId": foreign}))["auditLogDetails"] == []
    requests = {item["request"] for item in (await anna.post("audit_log"))["auditLog"]}
    assert requests == {"./inventory/store"}, "what others did to accounts is not for who sees a part only"
