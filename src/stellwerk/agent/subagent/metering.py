"""What this machine measures of itself, for priorities of Subagents (cluster spec 3.1). Linux."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from stellwerk.agent.subagent.events import ServerMeteringEvent
from stellwerk.wire.overview import server_metering

_STAT = Path("/proc/stat")
#: Two looks that are closer to each other say nothing.
_SHORTEST_SECONDS = 0.5


class SystemMeter:
    """`cpuLoad` is the share of time in which the processors were not idle since the look before."""

    def __init__(self) -> None:
        self._looked_at = time.monotonic()
        self._idle, self._total = _ticks()
        self._cpu_load: float | None = None

    def measure(self) -> ServerMeteringEvent:
        """Before the first look that is long enough the machine's load average stands in."""
        now = time.monotonic()
        if now - self._looked_at >= _SHORTEST_SECONDS:
            idle, total = _ticks()
            if total > self._total:
                self._cpu_load = round(1 - (idle - self._idle) / (total - self._total), 3)
            self._looked_at, self._idle, self._total = now, idle, total
        measured = msgspec.convert(server_metering(), ServerMeteringEvent)
        return measured if self._cpu_load is None else msgspec.structs.replace(measured, cpu_load=self._cpu_load)


def _ticks() -> tuple[int, int]:
    """Idle (with waiting for disks) and all processor time since boot; zeros where the system does not tell."""
    try:
        words = _STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0, 0
    times = [int(word) for word in words]
    return times[3] + times[4], sum(times)
