"""How long a job is expected to run: `warnIfLonger`, `warnIfShorter` (services spec 6.2)."""

from __future__ import annotations

import re

import msgspec

from stellwerk.values.problems import ProblemError

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d)")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


class RunTime(msgspec.Struct, frozen=True):
    """An absolute time, or a percentage of the average of the job's successful runs."""

    seconds: float | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> RunTime:
        """`HH:MM:SS`, `MM:SS`, `90s`, `90` (seconds), `120%`. Raises `ProblemError`."""
        text = text.strip()
        if match := _CLOCK.fullmatch(text):
            hours, minutes, seconds = match.groups()
            if hours is None or int(minutes) < 60:
                return cls(seconds=int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds))
        elif match := _PERCENT.fullmatch(text):
            return cls(percent=float(match[1]))
        elif match := _SECONDS.fullmatch(text):
            return cls(seconds=float(match[1]))
        raise ProblemError(f"'{text}' is no run time: write HH:MM:SS, MM:SS, seconds, or a percentage as 120%")

    def limit_ms(self, average_ms: int | None) -> int | None:
        """None: there is nothing to compare with yet. `average_ms` is looked at for percentages only."""
        if self.seconds is not None:
            return round(self.seconds * 1000)
        if self.percent is None or not average_ms:
            return None
        return round(average_ms * self.percent / 100)
