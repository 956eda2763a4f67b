"""What the machine itself says: the raw rate of processes, memory and CPU time of process trees."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def yardstick(count: int = 400) -> float:
    """Processes per second of `xargs -P2 -n1 sh -c true`: what all ratios refer to."""
    begin = time.perf_counter()
    # With `-n1` each line becomes an argument of its own `sh -c true`.
    subprocess.run(
        ["xargs", "-P2", "-n1", "sh", "-c", "true"], input=b"x\n" * count, check=True, stdout=subprocess.DEVNULL
    )
    return count / (time.perf_counter() - begin)


def tree(pid: int) -> list[int]:
    """A process and all its descendants, also those in sessions of their own."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # has ended
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time used by these processes and by their children that have been waited for."""
    return sum(own_cpu_seconds(pid) + children_cpu_seconds(pid) for pid in pids)


def own_cpu_seconds(pid: int) -> float:
    return sum(_times(pid)[:2]) / _TICKS


def children_cpu_seconds(pid: int) -> float:
    """Of the children that have been waited for."""
    return sum(_times(pid)[2:]) / _TICKS


def _times(pid: int) -> list[int]:
    return [int(field) for field in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]


def pss_bytes(pid: int) -> int:
    """Memory of a process, shared pages counted in proportion."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Pss in smaps_rollup")
