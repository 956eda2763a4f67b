"""The words and numbers of notifications (cockpit-services 6.2)."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Type(IntEnum):
    SUCCESS = 0
    ERROR = 1
    WARNING = 2
    RECOVERED = 3
    ACKNOWLEDGED = 4


class Range(IntEnum):
    WORKFLOW = 0
    WORKFLOW_JOB = 1


class Warn(IntEnum):
    NONE = 0
    LONGER_THAN = 1
    SHORTER_THAN = 2
    RETURN_CODE = 3
    STDERR = 4
    #: Ours: an order that could not start at its time.
    LATE = 5


class Category(IntEnum):
    """Of system notifications."""

    SYSTEM = 0
    JOC = 1
    CONTROLLER = 2
    AGENT = 3


#: In tables that are common to notifications of orders and tasks and to those of the system.
ORDERS, SYSTEM = 0, 1


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened at a place."""

    kind: str
    severity: str
    #: What tells it from others of its kind, besides the Controller.
    place: tuple[str, ...]
    title: str
    message: str | None
    time_ms: int
    controller_id: str = ""
    workflow: str | None = None
    job: str | None = None
    order_id: str | None = None
    history_id: int | None = None
    task_id: int | None = None

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.kind, self.controller_id, *self.place)


def fingerprint(kind: str, controller_id: str, *place: str) -> str:
    return "|".join((kind, controller_id, *place))
