"""A pair of nodes, real processes: Controllers or Directors. Who is active, and whether both have the same journal.

What must hold after whatever happens (cluster spec 6): I1, two nodes are never active in the same reign; I7, both
journals have the same bytes; I8, the pair is coupled again.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from component_processes import ComponentProcesses, wait_until

DEADLINE_SECONDS = 120.0

#: Events that begin a reign.
_TAKE_OVERS = ("ClusterFailedOver", "ClusterSwitchedOver")


class NodePair:
    """Two components of `processes`, by their names."""

    def __init__(self, processes: ComponentProcesses, *names: str) -> None:
        self._processes = processes
        self.names = names

    def cluster(self, name: str) -> dict[str, Any]:
        """What the node says of its cluster; nothing if it says nothing."""
        body = self._processes.health(name).body
        cluster = body.get("cluster", {}) if isinstance(body, dict) else {}
        assert isinstance(cluster, dict)
        return cluster

    def state(self, name: str) -> str | None:
        state: str | None = self.cluster(name).get("state")
        return state

    def phase(self, name: str) -> str | None:
        phase: str | None = self.cluster(name).get("phase")
        return phase

    def other(self, name: str) -> str:
        return self.names[1 - self.names.index(name)]

    # --- waiting ---

    def active_of_coupled(self) -> str:
        """Waits until both nodes know that they are coupled, and gives the active one (I8)."""

        def active() -> str | None:
            states = {name: self.cluster(name) for name in self.names}
            found = [name for name in self.names if states[name].get("phase") == "active"]
            is_coupled = all(state.get("state") == "Coupled" for state in states.values())
            is_passive = sum(state.get("phase") == "passive" for state in states.values())
            return found[0] if is_coupled and len(found) == 1 and is_passive == 1 else None

        return wait_until(active, lambda: f"a coupled pair: {self}", DEADLINE_SECONDS)

    def takes_over(self, name: str, since: float) -> float:
        """Waits until the node commits, and gives the seconds since then (`time.monotonic`)."""

        def is_active() -> bool:
            answer = self._processes.health(name)
            return answer.status == 200 and bool(answer.body["cluster"]["phase"] == "active")

        wait_until(is_active, lambda: f"{name} takes over: {self}", DEADLINE_SECONDS)
        return time.monotonic() - since

    def until_state(self, name: str, state: str) -> None:
        wait_until(lambda: self.state(name) == state, lambda: f"{name} {state}: {self}", DEADLINE_SECONDS)

    def is_silent_for(self, name: str, seconds: float) -> None:
        """Waits until the node has not heard the other one for so long."""
        wait_until(
            lambda: self.cluster(name).get("silenceSeconds", 0.0) > seconds,
            lambda: f"{name} hears nothing for {seconds} s: {self}",
            DEADLINE_SECONDS,
        )

    def __str__(self) -> str:
        return str({name: self.cluster(name) for name in self.names})

    # --- journals ---

    def files(self, name: str) -> list[Path]:
        return sorted((self._processes.folder(name) / "state").glob("*.journal"))

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of the journal files that the node keeps. For nodes that write nothing at present.

        Ids grow within a file (I6); the next file begins with what was written during its snapshot, with the same ids.
        """
        events: dict[int, dict[str, Any]] = {}
        for file in self.files(name):
            last = 0
            for line in file.read_bytes().split(b"\n"):
                if line.startswith(b'{"eventId"'):
                    event = json.loads(line)
                    assert event["eventId"] > last, f"event ids of {file} do not grow: {event}"
                    last = event["eventId"]
                    assert events.setdefault(last, event) == event, f"one id for two events in {file}"
        return list(events.values())

    def copies_are_equal(self, *, is_stopped: bool = False) -> None:
        """The journal files that both have begin with the same bytes (I7). They grow meanwhile, unless `is_stopped`.

        The room behind the end is allocated beforehand and reads as zeros. Nothing makes a read one moment: of a block
        that is being written a later page may be seen before an earlier one; so the comparison ends at the first zero.
        """
        one, other = ({file.name: file for file in self.files(name)} for name in self.names)
        common = set(one) & set(other)
        assert common, f"no common journal file: {sorted(one)}, {sorted(other)}"
        for name in common:
            try:
                left, right = (files[name].read_bytes().rstrip(b"\0") for files in (one, other))
            except FileNotFoundError:
                assert not is_stopped and name != max(common)
                continue  # released meanwhile
            if is_stopped:
                assert b"\0" not in left + right
            else:
                left, right = left.partition(b"\0")[0], right.partition(b"\0")[0]
            length = min(len(left), len(right))
            assert left[:length] == right[:length], f"{name} differs within the first {length} bytes"
            assert length > 0

    def reigns_have_one_active_node(self) -> None:
        """Both journals know the same take-overs in the same order (I1)."""
        both = [self.events(name) for name in self.names]
        begin = max(events[0]["eventId"] for events in both)  # what is older may have been released at one of them
        left, right = (
            [event for event in events if event["TYPE"] in _TAKE_OVERS and event["eventId"] >= begin] for events in both
        )
        assert left == right


class Load(threading.Thread):
    """Adds one order after the other until it is told to stop.

    `add` adds the order of this number and gives the ids of what has been acknowledged; it repeats until answered.
    """

    def __init__(self, add: Callable[[int], list[str]]) -> None:
        super().__init__(daemon=True)
        self._add = add
        #: What has been acknowledged.
        self.orders: list[str] = []
        self.error: BaseException | None = None
        self._wanted = True

    def run(self) -> None:
        try:
            for number in itertools.count():
                if not self._wanted:
                    return
                self.orders += self._add(number)
        except BaseException as error:
            self.error = error

    def until_more(self, count: int = 1) -> None:
        """Waits until so many more orders have been acknowledged."""
        needed = len(self.orders) + count
        wait_until(
            lambda: self.error is not None or len(self.orders) >= needed, f"{count} more orders", DEADLINE_SECONDS
        )
        assert self.error is None, self.error

    def stop(self) -> None:
        self._wanted = False
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive(), "an order is never acknowledged"
        assert self.error is None, self.error

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._wanted = False


def distribution(seconds: list[float]) -> str:
    """For people."""
    ordered = sorted(seconds)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return f"median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s, max {ordered[-1]:.2f} s"
