"""Texts of what is sent: placeholders `${MON_O_ORDER_ID}` and their values (cockpit-services 6.3). Pure.

Values come from orders, that is, from anybody. They go into texts that people read (in HTML they are escaped), into
arguments of commands and into environment variables; never into the text of a shell command.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from stellwerk.cockpit.monitoring.configuration import Monitor
from stellwerk.cockpit.monitoring.jobs import JobSettings
from stellwerk.cockpit.monitoring.model import Range, Type, Warn
from stellwerk.cockpit.monitoring.rules import Finding
from stellwerk.cockpit.projection.observations import Observation

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: Environment variables have no room for more.
MAXIMUM_VALUE = 4000


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one channel is given; complete, so that it says the same however late it is sent."""

    kind: str
    name: str
    text: str = ""
    subject: str = ""
    sender: str | None = None
    to: str | None = None
    cc: str | None = None
    bcc: str | None = None
    content_type: str = "text/plain"
    charset: str = "UTF-8"
    priority: str = "Normal"
    job_resources: tuple[str, ...] = ()
    controller_id: str = ""
    command: str = ""
    arguments: tuple[str, ...] = ()
    url: str = ""
    #: Placeholders' values: a command's environment, a webhook's `values`.
    values: dict[str, str] = {}


class CockpitNames(msgspec.Struct, frozen=True):
    """How people reach this Cockpit."""

    id: str = ""
    title: str = ""
    uri: str = ""
    reverse_proxy_uri: str = ""


def order_values(
    observation: Observation,
    finding: Finding,
    controller_id: str,
    path: str,
    settings: JobSettings,
    notification_id: str,
    created_ms: int,
    cockpit: CockpitNames,
) -> dict[str, Any]:
    """Of a notification about an order or task; instants are `Instant`s, so that each message says them in its zone."""
    seen = observation
    order = {
        "CONTROLLER_ID": controller_id,
        "ORDER_ID": seen.order_id,
        "HISTORY_ID": seen.history_id or "",
        "WORKFLOW_PATH": path,
        "WORKFLOW_NAME": path.rsplit("/", 1)[-1],
        "WORKFLOW_FOLDER": path.rsplit("/", 1)[0] or "/",
        "WORKFLOW_VERSION_ID": seen.version,
        "WORKFLOW_POSITION": seen.position,
        "START_TIME_SCHEDULED": _instant(seen.scheduled_for),
    }
    values: dict[str, Any] = {f"MON_O_{name}": value for name, value in order.items()}
    if finding.range is Range.WORKFLOW:
        ended = _instant(None if seen.is_error else seen.time_ms)
        text = seen.message or ""
        values |= {
            "MON_O_STATE": seen.state,
            "MON_O_STATE_TIME": _instant(seen.time_ms),
            "MON_O_START_TIME": _instant(seen.started),
            "MON_O_END_TIME": ended,
            "MON_O_ERROR": int(seen.is_error),
            "MON_O_ERROR_CODE": seen.error_code or "",
            "MON_O_ERROR_TEXT": text,
            "MON_O_ERROR_RETURN_CODE": "" if seen.return_code is None else seen.return_code,
            "MON_O_TIME_ELAPSED": _seconds(seen),
        }
    else:
        task = {
            "HISTORY_ID": seen.task_id,
            "JOB_NAME": seen.job,
            "JOB_LABEL": seen.label or "",
            "JOB_CRITICALITY": settings.criticality.lower(),
            "AGENT_ID": seen.agent_id or "",
            "POSITION": seen.position,
            "START_TIME": _instant(seen.started),
            "END_TIME": _instant(seen.time_ms),
            "RETURN_CODE": "" if seen.return_code is None else seen.return_code,
            "ERROR": int(seen.is_error),
            "ERROR_CODE": seen.error_code or "",
            "ERROR_TEXT": seen.message or "",
            "TIME_ELAPSED": _seconds(seen),
            "WARN": finding.warn.name if finding.warn is not Warn.NONE else "",
            "WARN_TEXT": finding.text or "",
        }
        values |= {f"MON_OS_{name}": value for name, value in task.items()}
    values |= _notification(finding, notification_id, created_ms) | _cockpit(cockpit)
    return values | _links(cockpit, seen, controller_id, path)


def system_values(
    type_: Type, category: str, source: str, message: str, time_ms: int, exception: str | None, cockpit: CockpitNames
) -> dict[str, Any]:
    values = {
        "TYPE": type_.name,
        "CATEGORY": category,
        "SOURCE": source,
        "SECTION": source,
        "NOTIFIER": "stellwerk",
        "TIME": _instant(time_ms),
        "MESSAGE": message,
        "EXCEPTION": exception or "",
    }
    return {f"MON_SN_{name}": value for name, value in values.items()} | _cockpit(cockpit)


def message(
    monitor: Monitor,
    values: Mapping[str, Any],
    *,
    subject: str,
    text: str,
    controller_id: str = "",
    settings: JobSettings | None = None,
) -> Message:
    """Fill a monitor's texts. `subject`, `text`: for a monitor that has none of its own."""
    zone = ZoneInfo(monitor.time_zone)
    shown = {name: _shown(value, zone) for name, value in values.items()} | {"MON_TIME_ZONE": monitor.time_zone}
    is_html = monitor.kind == "MAIL" and monitor.content_type.lower() == "text/html"
    in_text = {name: html.escape(value) for name, value in shown.items()} if is_html else shown
    to, cc, bcc = monitor.to, monitor.cc, monitor.bcc
    if settings is not None and settings.mail_to is not None:
        to, cc, bcc = settings.mail_to, settings.mail_cc, settings.mail_bcc
    return Message(
        kind=monitor.kind,
        name=monitor.name,
        text=fill(monitor.message, in_text) if monitor.message else (html.escape(text) if is_html else text),
        subject=" ".join((fill(monitor.subject, shown) if monitor.subject else subject).split())[:500],
        sender=_addresses(monitor.sender, shown),
        to=_addresses(to, shown),
        cc=_addresses(cc, shown),
        bcc=_addresses(bcc, shown),
        content_type=monitor.content_type,
        charset=monitor.charset,
        priority=monitor.priority,
        job_resources=monitor.job_resources,
        controller_id=controller_id,
        command=monitor.command,
        arguments=tuple(fill(argument, shown) for argument in monitor.arguments),
        url=monitor.url,
        values=shown if monitor.kind in ("COMMAND", "WEBHOOK") else {},
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace known placeholders, each once: a value that looks like one is left alone. Unknown ones stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1].removeprefix("JS7_"), match[0]), text)


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """For commands: each name as it is and with the prefix `JS7_`."""
    clean = {name: value.replace("\0", "\ufffd") for name, value in values.items()}
    return clean | {f"JS7_{name}": value for name, value in clean.items()}


class Instant(msgspec.Struct, frozen=True):
    milliseconds: int


def _instant(milliseconds: int | None) -> Instant | str:
    return "" if milliseconds is None else Instant(milliseconds)


def _shown(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, Instant):
        local = datetime.fromtimestamp(value.milliseconds / 1000, UTC).astimezone(zone)
        return f"{local:%Y-%m-%d %H:%M:%S%z}"
    return str(value)[:MAXIMUM_VALUE]


def _addresses(text: str | None, values: Mapping[str, str]) -> str | None:
    return None if text is None else " ".join(fill(text, values).split())


def _seconds(observation: Observation) -> str:
    if observation.started is None:
        return ""
    return str((observation.time_ms - observation.started) // 1000)


def _notification(finding: Finding, notification_id: str, created_ms: int) -> dict[str, Any]:
    values = {
        "TYPE": finding.type.name,
        "STATUS": finding.type.name,
        "RANGE": finding.range.name,
        "NOTIFICATION_ID": notification_id,
        "WARN": finding.warn.name,
        "WARN_TEXT": finding.text or "",
        "CREATED": Instant(created_ms),
    }
    return {f"MON_N_{name}": value for name, value in values.items()}


def _cockpit(cockpit: CockpitNames) -> dict[str, Any]:
    return {
        "JOC_ID": cockpit.id,
        "JOC_TITLE": cockpit.title,
        "JOC_URI": cockpit.uri,
        "JOC_REVERSE_PROXY_URI": cockpit.reverse_proxy_uri,
    }


def _links(cockpit: CockpitNames, seen: Observation, controller_id: str, path: str) -> dict[str, str]:
    """To the screens of our UI; the names are the reference's."""
    pages = {
        "WORKFLOW": f"/ui/workflow{quote(path)}",
        "ORDER": f"/ui/order/{quote(seen.order_id, safe='')}",
        "ORDER_LOG": f"/ui/log/order/{seen.history_id}",
    }
    if seen.task_id:
        pages |= {"JOB": f"/ui/workflow{quote(path)}", "JOB_LOG": f"/ui/log/task/{seen.task_id}"}
    links = {f"JOC_HREF_{name}": cockpit.uri + page for name, page in pages.items()}
    base = cockpit.reverse_proxy_uri or cockpit.uri
    return links | {f"JOC_REVERSE_PROXY_HREF_{name}": base + page for name, page in pages.items()}
