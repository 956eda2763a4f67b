"""Samples for the tests of monitoring."""

from __future__ import annotations

from typing import Any

from stellwerk.cockpit.monitoring.configuration import NotificationConfiguration, read_configuration
from stellwerk.cockpit.projection.observations import ORDER, OUTPUT, TASK, Observation

NOW = 1_700_000_000_000


def configuration(
    notifications: str, *, monitors: str = "", workflows: str = "<Workflow/>", messages: str = "", attributes: str = ""
) -> str:
    """A configuration with the `Workflows` W."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Configurations>
  <Fragments>
    <MessageFragments time_zone="Europe/Berlin">{messages}</MessageFragments>
    <MonitorFragments>{monitors}</MonitorFragments>
    <ObjectFragments><Workflows name="W">{workflows}</Workflows></ObjectFragments>
  </Fragments>
  <Notifications {attributes}>{notifications}</Notifications>
</Configurations>"""


def rule(id_: str = "n1", *, types: str = "", monitors: str = "", workflows: str = "W") -> str:
    given = f' type="{types}"' if types else ""
    return (
        f'<Notification notification_id="{id_}"{given}><NotificationMonitors>{monitors}</NotificationMonitors>'
        f'<NotificationObjects><WorkflowsRef ref="{workflows}"/></NotificationObjects></Notification>'
    )


def read(*args: Any, **members: Any) -> NotificationConfiguration:
    return read_configuration(configuration(*args, **members))


def task(*, is_error: bool = False, seconds: float = 10, **members: Any) -> Observation:
    """The end of a task of job `load` in workflow `nightly`."""
    values: dict[str, Any] = {
        "kind": TASK,
        "event_id": 7,
        "time_ms": NOW,
        "is_error": is_error,
        "order_id": "#2026-11-28#P1-x",
        "history_id": 3,
        "main_history_id": 3,
        "workflow": "nightly",
        "position": "0",
        "return_code": 1 if is_error else 0,
        "started": NOW - round(seconds * 1000),
        "task_id": 5,
        "job": "load",
        "label": "load it",
    }
    return Observation(**(values | members))


def order(state: str, **members: Any) -> Observation:
    values: dict[str, Any] = {
        "kind": ORDER,
        "state": state,
        "is_error": state in ("FAILED", "BROKEN"),
        "job": "",
        "task_id": 0,
    }
    return task(**(values | members))


def output(text: str) -> Observation:
    return task(kind=OUTPUT, message=text, return_code=None)
