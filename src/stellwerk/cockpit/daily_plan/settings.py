"""The settings of the daily plan (cockpit-services 4.3) from what is stored of the Cockpit's settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from stellwerk.language.daily_plan import PlanSettings
from stellwerk.values.json import decode

#: Gives the JSON text of the stored configuration GLOBALS; None: nothing is stored.
StoredSettings = Callable[[], Awaitable[str | None]]

SECTION = "dailyplan"


class DailyPlanSettings:
    """Asked whenever something is planned, so that a change counts at once."""

    def __init__(self, stored: StoredSettings) -> None:
        self.stored = stored

    async def read(self) -> PlanSettings:
        """Raises `msgspec.ValidationError` for values of wrong types, which no store accepts."""
        text = await self.stored()
        section = decode(text).get(SECTION, {}) if text else {}
        values = {name: _value(entry) for name, entry in section.items()}
        known = {name: value for name, value in values.items() if value not in (None, "")}
        return msgspec.convert(known, PlanSettings, strict=False)


def _value(entry: Any) -> Any:
    """Settings stand as `{"value": …}`, or bare."""
    return entry.get("value") if isinstance(entry, dict) else entry


async def nothing_stored() -> str | None:
    """All settings have their defaults."""
    return None
