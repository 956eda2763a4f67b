"""The Controller's own life (orders spec 6.9). The events have no key; durations are seconds."""

from __future__ import annotations

import msgspec


class ControllerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base."""


class ControllerInitialized(ControllerEvent, frozen=True, kw_only=True):
    """Once, at the very first start of a journal."""

    controller_id: str
    #: Epoch milliseconds.
    initially_started_at: int


class ControllerReady(ControllerEvent, frozen=True, kw_only=True):
    """After each activation."""

    timezone: str
    total_running_time: float


class ControllerShutDown(ControllerEvent, frozen=True, kw_only=True):
    """An orderly end."""


class ControllerTestEvent(ControllerEvent, frozen=True, kw_only=True):
    """By the command EmitTestEvent."""


AnyControllerEvent = ControllerInitialized | ControllerReady | ControllerShutDown | ControllerTestEvent
