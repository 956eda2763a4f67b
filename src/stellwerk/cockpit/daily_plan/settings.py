"""The settings of the daily plan (cockpit-services 4.3) out of the Cockpit's settings."""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.settings.settings import Settings
from stellwerk.language.daily_plan import PlanSettings

SECTION = "dailyplan"


class DailyPlanSettings:
    """Asked whenever something is planned, so that a change counts at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self) -> PlanSettings:
        """What is not set has its default."""
        values = {name: self._settings.text(SECTION, name) for name in PlanSettings.__struct_fields__}
        return msgspec.convert({name: text for name, text in values.items() if text}, PlanSettings, strict=False)
