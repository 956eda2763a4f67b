"""The `system` and `java` parts of overviews and `ServerMeteringEvent` lines (journal spec 1.3, 3.2).

We are no JVM, but typed clients need the structure: it is filled with the figures of this process and this machine.
Linux; what a system does not tell is left out or 0.
"""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import Any

from stellwerk.values.json import encode

_PROC = Path("/proc")


def system_overview() -> dict[str, Any]:
    """The member `system` of an overview."""
    overview: dict[str, Any] = {"hostname": socket.gethostname()}
    if (distribution := _distribution()) is not None:
        overview["distribution"] = distribution
    if (cpu := _cpu_model()) is not None:
        overview["cpuModel"] = cpu
    overview["mxBeans"] = {
        "operatingSystem": {"availableProcessors": processors(), "systemCpuLoad": cpu_load()},
    }
    return overview


def java_overview() -> dict[str, Any]:
    """The member `java`: structure of a JVM, figures of this process; memory in bytes."""
    total, free = _memory()
    used = _resident_bytes()
    return {
        "version": platform.python_version(),
        "availableProcessors": processors(),
        # The process may use what is free; it holds `total`, of which the interpreter can give nothing back
        "memory": {"maximum": min(total, used + free) if total else used, "total": used, "free": 0},
        "systemProperties": {"os.name": platform.system()},
    }


def server_metering() -> dict[str, Any]:
    """The members of a `ServerMeteringEvent`; sizes in bytes."""
    total, free = _memory()
    return {
        "cpuLoad": cpu_load(),
        "committedVirtualMemorySize": _virtual_bytes(),
        "freeMemorySize": free,
        "totalMemorySize": total,
    }


def server_metering_line(now_ms: int) -> bytes:
    """A `ServerMeteringEvent` as a line without line feed; not journaled, hence event id -1 (1.3)."""
    return encode({"eventId": -1, "timestamp": now_ms, "TYPE": "ServerMeteringEvent", **server_metering()})


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_load() -> float:
    """The machine's load of the last minute per processor, at most 1: a plain stand-in for the CPU's utilisation."""
    return round(min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 3)


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _cpu_model() -> str | None:
    for line in _lines(_PROC / "cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return None


def _memory() -> tuple[int, int]:
    """Total and available memory of the machine in bytes."""
    kibibytes = {"MemTotal": 0, "MemAvailable": 0}
    for line in _lines(_PROC / "meminfo"):
        name, _, value = line.partition(":")
        if name in kibibytes:
            kibibytes[name] = int(value.split()[0])
    return kibibytes["MemTotal"] * 1024, kibibytes["MemAvailable"] * 1024


def _virtual_bytes() -> int:
    return _statm()[0] * os.sysconf("SC_PAGE_SIZE")


def _resident_bytes() -> int:
    return _statm()[1] * os.sysconf("SC_PAGE_SIZE")


def _statm() -> tuple[int, int]:
    for line in _lines(_PROC / "self" / "statm"):
        virtual, resident, *_ = line.split()
        return int(virtual), int(resident)
    return 0, 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []  # not Linux, or /proc is hidden
