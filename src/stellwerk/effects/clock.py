"""Wall clock, time zone, environment and randomness. Durations are measured with the event loop's own clock."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z; may step back."""
        ...

    def zone(self) -> str:
        """IANA name of the process' own time zone."""
        ...


class Random(Protocol):
    def token_bytes(self, count: int) -> bytes: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def zone(self) -> str:
        named = os.environ.get("TZ", "").lstrip(":")
        if named and "/" in named:
            return named
        link = Path("/etc/localtime")
        if link.is_symlink():
            target = str(link.resolve())
            if "/zoneinfo/" in target:
                name = target.split("/zoneinfo/", 1)[1]
                return "UTC" if name in ("Etc/UTC", "UCT", "Zulu") else name
        return "UTC"


class SystemRandom:
    """The operating system's randomness."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


def system_environment() -> Mapping[str, str]:
    """The process environment for `env(...)` expressions, taken once at start."""
    return dict(os.environ)
