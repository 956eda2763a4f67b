"""`stellwerk identity …`: identity services, by the REST API."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.cli.output import CommandError, print_json, print_table
from stellwerk.cli.rest import Cockpit


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is given; the rest stays as it is, or gets its default. `second_factor`: empty text for none."""

    type: str = ""
    settings: str | None = None
    required: bool | None = None
    disabled: bool | None = None
    second_factor: str | None = None
    only_second: bool | None = None


def read_settings(file: Path) -> str:
    """The text of a JSON object."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        document = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}", "give a file with a JSON object") from error
    if not isinstance(document, dict):
        raise CommandError(f"{file} holds no JSON object", "see docs/how-to/identity-services.md")
    return text


async def list_services(cockpit: Cockpit, as_json: bool) -> None:
    services = (await cockpit.post("iam/identityservices", {}))["identityServiceItems"]
    if as_json:
        print_json({"services": services})
        return
    rows = [(one["identityServiceName"], one["identityServiceType"], _state(one)) for one in services]
    print_table(("SERVICE", "TYPE", "STATE"), rows)


def _state(service: dict[str, Any]) -> str:
    if service["disabled"]:
        return "disabled"
    words = ["required" if service["required"] else "optional"]
    if service["secondFactor"]:
        words = ["second factor of others"]
    second = service.get("secondFactorIdentityServiceName")
    return ", ".join([*words, f"then {second}"] if second else words)


async def store(cockpit: Cockpit, name: str, change: Change, comment: str, as_json: bool) -> None:
    """Settings are stored before the service becomes required, and after it exists."""
    services = (await cockpit.post("iam/identityservices", {"identityServiceName": name}))["identityServiceItems"]
    present = services[0] if services else None
    if present is None and not change.type:
        raise CommandError(f"there is no identity service {name}", "give --type to add it")
    wanted = dict(present or {"identityServiceName": name, "identityServiceType": change.type})
    wanted |= {"identityServiceType": change.type} if change.type else {}
    wanted |= {"required": change.required} if change.required is not None else {}
    wanted |= {"disabled": change.disabled} if change.disabled is not None else {}
    wanted |= {"secondFactor": change.only_second} if change.only_second is not None else {}
    if change.second_factor is not None:
        wanted["secondFactorIdentityServiceName"] = change.second_factor
        wanted["serviceAuthenticationScheme"] = "TWO-FACTOR" if change.second_factor else "SINGLE-FACTOR"
    audit = {"auditLog": {"comment": comment}} if comment else {}
    if present is None and change.settings is not None:
        await cockpit.post("iam/identityservice/store", {**wanted, "required": False, **audit})
    if change.settings is not None:
        key = {"configurationType": "IAM", "objectType": wanted["identityServiceType"], "name": name}
        await cockpit.post("configuration/save", {**key, "configurationItem": change.settings, **audit})
    stored = await cockpit.post("iam/identityservice/store", {**wanted, **audit})
    print_json({"service": stored}) if as_json else print(f"identity service {name}: {_state(stored)}")


async def remove(cockpit: Cockpit, name: str, comment: str, as_json: bool) -> None:
    audit = {"auditLog": {"comment": comment}} if comment else {}
    await cockpit.post("iam/identityservice/delete", {"identityServiceName": name, **audit})
    print_json({"ok": True}) if as_json else print(f"identity service {name} removed")


async def list_devices(cockpit: Cockpit, name: str, as_json: bool) -> None:
    waiting = (await cockpit.post("iam/fidoregistrations", {"identityServiceName": name}))["fidoRegistrationItems"]
    if as_json:
        print_json({"devices": waiting})
        return
    rows = [(one["accountName"], one["fingerprint"], one["origin"], one.get("email", "")) for one in waiting]
    print_table(("ACCOUNT", "FINGERPRINT", "ORIGIN", "EMAIL"), rows)


async def approve(cockpit: Cockpit, name: str, fingerprint: str, comment: str, as_json: bool) -> None:
    waiting = (await cockpit.post("iam/fidoregistrations", {"identityServiceName": name}))["fidoRegistrationItems"]
    found = [one for one in waiting if one["fingerprint"] == fingerprint.strip().lower()]
    if not found:
        raise CommandError(
            f"no device with the fingerprint {fingerprint} waits for approval", f"see stellwerk identity devices {name}"
        )
    accounts = [{"accountName": one["accountName"], "origin": one["origin"]} for one in found]
    audit = {"auditLog": {"comment": comment}} if comment else {}
    await cockpit.post("iam/fidoregistration/approve", {"identityServiceName": name, "accounts": accounts, **audit})
    print_json({"ok": True}) if as_json else print(
        f"{found[0]['accountName']} can log in with this device, given a role"
    )
