"""Permissions, slow-down of wrong passwords, routes (cockpit-api 1.2, 1.10). No database, no HTTP."""

from __future__ import annotations

import pytest

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.dispatch import RouteTable, masked
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route
from stellwerk.cockpit.auth.delays import MAXIMUM_KEYS, LoginBrake
from stellwerk.cockpit.auth.permissions import PermissionRow, Permissions
from stellwerk.cockpit.configuration import LoginDelays


def test_a_permission_covers_what_lies_below_it_and_exclusions_win() -> None:
    permissions = Permissions(
        [
            PermissionRow("sos:products:controller:orders"),
            PermissionRow("sos:products:controller:orders:cancel", "prod", excluded=True),
            PermissionRow("sos:products:joc:adminstration:accounts:view"),
            PermissionRow("sos:products:controller:view", "test"),
        ]
    )
    assert permissions.allows("ctl:orders:cancel", "test")
    assert not permissions.allows("ctl:orders:cancel", "prod")
    assert permissions.allows("ctl:orders:view", "prod")
    assert not permissions.allows("ctl:order", "prod")
    assert permissions.allows("joc:administration:accounts:view")
    assert not permissions.allows("joc:administration:accounts:manage")
    assert permissions.allows("ctl:view", "test")
    assert not permissions.allows("ctl:view", "prod")
    assert permissions.allows_for_any_controller("ctl:view")
    assert permissions.tree("ctl", ["orders:suspend_resume"], "prod") == {"orders": {"suspendResume": True}}


def test_wrong_passwords_slow_down_only_their_account_and_address() -> None:
    brake = LoginBrake(LoginDelays(free_attempts=1, short_seconds=2, short_attempts=2, long_seconds=30))
    delays = []
    for _ in range(5):
        brake.failed("root", "10.0.0.1")
        delays.append(brake.delay_seconds("root", "10.0.0.1"))
    assert delays == [0, 2, 2, 30, 30]
    assert brake.delay_seconds("root", "10.0.0.2") == 0
    assert brake.delay_seconds("anna", "10.0.0.1") == 0
    brake.succeeded("root", "10.0.0.1")
    assert brake.delay_seconds("root", "10.0.0.1") == 0
    for number in range(MAXIMUM_KEYS + 10):
        brake.failed(f"a{number}", "")
    assert len(brake._attempts) == MAXIMUM_KEYS


async def _nothing(context: RequestContext, request: NoRequest) -> None:
    return None


def test_routes_are_found_by_raw_segments() -> None:
    table = RouteTable(
        [
            Route("/orders", NoRequest, None, None, False, _nothing),
            Route("/order/{id}/events", NoRequest, None, None, False, _nothing, method="GET"),
        ]
    )
    found = table.find("GET", "/order/a%2Fb%23/events")
    assert not isinstance(found, set)
    assert found[2] == {"id": "a/b#"}
    assert table.find("GET", "/orders") == {"POST"}
    assert table.find("POST", "/order/a/b/events") == set()


def test_addresses_of_webhooks_are_masked_in_the_audit_log() -> None:
    given = {
        "configuration": """<WebhookFragment name="chat" url = "https://chat/T0K3N"/><X monitor_password='abc'/>"""
    }
    text = masked(given)["configuration"]
    assert text == '<WebhookFragment name="chat" url="********"/><X monitor_password="********"/>'


def test_secrets_are_masked_in_the_audit_log() -> None:
    given = {"accounts": [{"accountName": "a", "password": "x", "old_password": "y"}], "accessToken": "z"}
    assert masked(given) == {
        "accounts": [{"accountName": "a", "password": "********", "old_password": "********"}],
        "accessToken": "********",
    }


NOW = 1_748_779_200_000  # 2025-06-01T12:00:00Z, a Sunday


@pytest.mark.parametrize(
    ("text", "is_end", "expected"),
    [
        ("2025-05-31T23:00:00Z", False, "2025-05-31T23:00:00"),
        ("2025-05-31T23:00:00+0130", False, "2025-05-31T21:30:00"),
        ("2025-05-31 23:00", False, "2025-05-31T23:00:00"),
        ("-1d", False, "2025-05-31T00:00:00"),
        ("-1d", True, "2025-06-01T00:00:00"),
        ("1d", False, "2025-05-31T00:00:00"),
        ("0w", False, "2025-05-26T00:00:00"),
        ("0w", True, "2025-06-02T00:00:00"),
        ("-1M", False, "2025-05-01T00:00:00"),
        ("-1M", True, "2025-06-01T00:00:00"),
        ("-1y", True, "2025-01-01T00:00:00"),
        ("-2h", True, "2025-06-01T10:00:00"),
        ("-1d-2h", False, "2025-05-30T22:00:00"),
    ],
)
def test_date_filters(text: str, is_end: bool, expected: str) -> None:
    from datetime import UTC, datetime

    found = instant_ms(text, NOW, is_end=is_end, is_past=True)
    assert found is not None
    assert datetime.fromtimestamp(found / 1000, UTC).isoformat()[:19] == expected


@pytest.mark.parametrize("text", ["yesterday", "5", "-1x", "2025-13-01", "99999999y"])
def test_dates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        instant_ms(text, NOW)
