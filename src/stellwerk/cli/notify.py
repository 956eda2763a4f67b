"""`stellwerk notify …`: alerts, channels and the notification configuration, by the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from stellwerk.cli.output import CommandError, print_json, print_table, time_text
from stellwerk.cli.rest import Cockpit

_PER_PAGE = 500
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


async def list_alerts(cockpit: Cockpit, query: str, limit: int, as_json: bool) -> None:
    """The newest first."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None and len(rows) < limit:
        wanted = {"q": query, "limit": str(min(limit - len(rows), _PER_PAGE)), "cursor": cursor}
        page = await cockpit.get(f"stellwerk/alerts?{urlencode(wanted)}")
        rows += page["rows"]
        cursor = page.get("next")
    if as_json:
        print_json({"alerts": rows})
        return
    shown = [
        (
            str(row["id"]),
            row["severity"],
            row["state"] + (" (muted)" if "mutedUntil" in row else ""),
            str(row["count"]),
            time_text(row["last"]),
            row["title"],
            row.get("message", ""),
            row.get("account", ""),
        )
        for row in rows
    ]
    print_table(("ID", "SEVERITY", "STATE", "COUNT", "LAST", "WHAT", "MESSAGE", "BY"), shown, empty="no alerts")


async def show_alert(cockpit: Cockpit, alert_id: int, as_json: bool) -> None:
    """One alert with its occurrences and what was sent."""
    answer = await cockpit.get(f"stellwerk/alerts/{alert_id}")
    if as_json:
        print_json(answer)
        return
    alert = answer["alert"]
    print(f"{alert['severity']} {alert['state']}: {alert['title']}")
    if "message" in alert:
        print(alert["message"])
    occurrences = [
        (time_text(one["time"]), one["type"], one.get("orderId", ""), one.get("message", ""))
        for one in answer["occurrences"]
    ]
    print_table(("TIME", "TYPE", "ORDER", "MESSAGE"), occurrences)
    sent = [
        (one["created"], one["name"], one["state"].lower(), str(one["attempts"]), one.get("errorText", ""))
        for one in answer["deliveries"]
    ]
    print_table(("TIME", "CHANNEL", "STATE", "ATTEMPTS", "ERROR"), sent, empty="nothing was sent")


async def change(
    cockpit: Cockpit, verb: str, ids: Sequence[int], comment: str, as_json: bool, until: int | None = None
) -> None:
    """`acknowledge`, `resolve` or `mute`."""
    body: dict[str, Any] = {"ids": list(ids)}
    if comment:
        body |= {"comment": comment, "auditLog": {"comment": comment}}
    if until is not None:
        body["until"] = until
    changed = (await cockpit.post(f"stellwerk/alerts/{verb}", body))["changed"]
    if as_json:
        print_json({"changed": changed})
        return
    words = {"acknowledge": "acknowledged", "resolve": "resolved", "mute": "muted" if until else "no longer muted"}
    unchanged = sorted(set(ids) - set(changed))
    print(f"{words[verb]}: {', '.join(map(str, changed)) or 'none'}")
    if unchanged:
        print(f"nothing to do: {', '.join(map(str, unchanged))}")


def until_ms(duration: str) -> int | None:
    """`30m`, `4h`, `2d` from now; `off`: None. Raises `CommandError`."""
    if duration == "off":
        return None
    number, unit = duration[:-1], duration[-1:]
    if not number.isdigit() or unit not in _UNITS or int(number) == 0:
        raise CommandError(f"'{duration}' is no duration", "write 30m, 4h, 2d, or off", 2)
    end = datetime.now(UTC) + timedelta(**{_UNITS[unit]: int(number)})
    return round(end.timestamp() * 1000)


async def list_channels(cockpit: Cockpit, as_json: bool) -> None:
    channels = (await cockpit.get("stellwerk/channels"))["channels"]
    if as_json:
        print_json({"channels": channels})
        return
    rows = [
        (
            one["name"],
            one["kind"].lower() + ("" if one.get("isConfigured") else " (not configured any more)"),
            str(one["waiting"]),
            str(one["sent"]),
            str(one["dead"]),
            time_text(one.get("lastSent")),
            one.get("lastError", ""),
        )
        for one in channels
    ]
    print_table(
        ("CHANNEL", "KIND", "WAITING", "SENT", "GIVEN UP", "LAST SENT", "LAST ERROR"), rows, empty="no channels"
    )


async def test_channel(cockpit: Cockpit, name: str, as_json: bool) -> None:
    """Send a test message; exit code 1 if it was not taken."""
    answer = await cockpit.post("stellwerk/channels/test", {"name": name})
    if as_json:
        print_json(answer)
    if not answer["ok"]:
        raise CommandError(f"channel {name} does not work: {answer['error']}", "correct its fragment or its receiver")
    if not as_json:
        print(f"channel {name} has taken message {answer['messageId']}")


async def retry_channel(cockpit: Cockpit, name: str, as_json: bool) -> None:
    """Send what waits and what was given up."""
    await cockpit.post("stellwerk/channels/retry", {"name": name})
    print_json({"ok": True}) if as_json else print(f"messages of channel {name} are sent again")


async def show_configuration(cockpit: Cockpit, as_json: bool) -> None:
    """The XML that is in force."""
    answer = await cockpit.post("notification", {"forceRelease": True})
    if as_json:
        print_json(answer)
    elif not answer["released"]:
        raise CommandError("no notification configuration is released", "release one: stellwerk notify release FILE")
    else:
        print(answer["configuration"])


def read(file: Path) -> str:
    """Raises `CommandError`."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}", "name an XML file in UTF-8", 2) from error


async def release(cockpit: Cockpit, file: Path, as_json: bool) -> None:
    """Put a configuration in force."""
    xml = read(file)
    await cockpit.post("notification/release", {"configuration": xml})
    print_json({"ok": True}) if as_json else print(f"{file} is in force")
