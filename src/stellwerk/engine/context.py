"""What one decision may know of the world: fixed values, so that deciding stays pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Context(msgspec.Struct, frozen=True):
    """Time (epoch milliseconds), the process' zone and environment, as they are for this decision."""

    now_ms: int
    zone: str = "UTC"
    environment: Mapping[str, str] = {}
    controller_id: str = ""
