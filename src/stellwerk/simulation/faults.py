"""What goes wrong in a simulated run: kinds of faults, each at random moments to random machines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stellwerk.simulation.disk import Keep
from stellwerk.simulation.machine import Machine, NodeMachine

if TYPE_CHECKING:
    from stellwerk.simulation.installation import SimulatedInstallation

#: Bytes of a disk that is not full.
_ROOM = 1 << 40


class Faults:
    """`happen` as a task."""

    def __init__(self, installation: SimulatedInstallation) -> None:
        self._installation = installation
        self._loop = installation.loop
        self._chance = random.Random(installation.random.getrandbits(64))
        self._kinds: Mapping[str, Callable[[], str | None]] = {
            "kill": self._kill,
            "kill of a pair": self._kill_both,
            "power failure": self._power_failure,
            "power failure of a pair": self._power_failure_of_both,
            "cut": self._cut,
            "isolation": self._isolation,
            "long isolation of an active node": self._isolation_of_active,
            "reset": self._reset,
            "pause": self._pause,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "clock jump": self._clock_jump,
            "switch-over": self._switch_over,
            "failing switch-over": self._failing_switch_over,
            "reset of an Agent": self._reset_agent,
            "reset of a Subagent": self._reset_subagent,
        }

    async def happen(self) -> None:
        plan = self._installation.plan
        kinds = list(plan.kinds or self._kinds)
        moments = sorted(self._chance.uniform(0.5, plan.seconds) for _ in range(plan.faults))
        for number, moment in enumerate(moments):
            await asyncio.sleep(max(0.0, moment - self._loop.now_seconds))
            # By itself, so that leaving out one changes no other.
            self._chance = random.Random(f"{plan.seed} fault {number}")
            kind = self._chance.choice(kinds)
            who = None if number in plan.without else self._kinds[kind]()
            if who is not None:
                self._installation.faults[kind] += 1
                self._installation.note(who, f"{kind} (fault {number})")
        # What has an end comes to it.
        await asyncio.sleep(max(0.0, plan.seconds - self._loop.now_seconds))

    def _machine(self) -> Machine:
        return self._installation.machines[self._chance.choice(list(self._installation.machines))]

    def _downtime(self) -> float:
        return self._chance.choice([0.2, 0.5, 2.0, 10.0]) * self._chance.uniform(0.5, 1.5)

    def _pair(self) -> list[Machine]:
        """Both nodes of a pair, or the one Controller."""
        names = self._chance.choice(self._installation.pairs or [self._installation.controllers])
        return [self._installation.machines[name] for name in names]

    # --- processes and machines ---

    def _kill(self) -> str | None:
        machine = self._machine()
        if machine.life is None:
            return None
        machine.kill()
        machine.restart_later(self._downtime())
        return machine.name

    def _kill_both(self) -> str | None:
        pair = self._pair()
        for machine in pair:
            if machine.life is not None:
                machine.kill()
                machine.restart_later(self._downtime())
        return " and ".join(machine.name for machine in pair)

    def _power_failure(self) -> str | None:
        machine = self._machine()
        if machine.life is None:
            return None
        machine.fail(self._chance.choice(list(Keep)))
        machine.restart_later(self._downtime())
        return machine.name

    def _power_failure_of_both(self) -> str | None:
        pair = self._pair()
        for machine in pair:
            machine.fail(self._chance.choice(list(Keep)))
            machine.restart_later(self._downtime())
        return " and ".join(machine.name for machine in pair)

    def _pause(self) -> str | None:
        machine = self._machine()
        if machine.life is None:
            return None
        machine.pause(self._downtime())
        return machine.name

    # --- network ---

    def _two(self) -> tuple[str, str]:
        return self._chance.choice(self._installation.network.talking() or [("controller", "A")])

    def _cut(self) -> str | None:
        one, other = self._two()
        self._installation.network.cut(one, other)
        self._loop.later(self._downtime(), self._installation.network.heal, one, other)
        return f"{one} and {other}"

    def _isolation(self) -> str | None:
        """One machine from all others, or from all but one."""
        name = self._machine().name
        others = [other for other in (*self._installation.machines, "cockpit") if other != name]
        if self._chance.random() < 0.5:
            others.remove(self._chance.choice(others))
        self._isolate(name, others, self._downtime())
        return name

    def _isolation_of_active(self) -> str | None:
        """Longer than the other node of its pair waits for it, and for its jobs."""
        active = self._installation.records[self._chance.choice(list(self._installation.records))].active
        if active is None:
            return None
        others = [other for other in (*self._installation.machines, "cockpit") if other != active[0]]
        self._isolate(active[0], others, self._chance.uniform(12.0, 25.0))
        return active[0]

    def _isolate(self, name: str, others: list[str], seconds: float) -> None:
        for other in others:
            self._installation.network.cut(name, other)
            self._loop.later(seconds, self._installation.network.heal, name, other)

    def _reset(self) -> str | None:
        one, other = self._two()
        self._installation.network.reset(one, other)
        return f"{one} and {other}"

    # --- disks and clocks ---

    def _slow_disk(self) -> str | None:
        machine = self._machine()
        disk = machine.disk
        former, slow = disk.sync_gate, self._chance.uniform(0.05, 1.0)

        async def sync_gate() -> None:
            await asyncio.sleep(slow)

        disk.sync_gate = sync_gate

        def heal() -> None:
            disk.sync_gate = former

        if former is None or former.__qualname__ == sync_gate.__qualname__:
            disk.sync_gate = former
            return None  # it is slow already
        self._loop.later(self._downtime(), heal)
        return machine.name

    def _full_disk(self) -> str | None:
        machine = self._machine()
        if not isinstance(machine, NodeMachine) or machine.life is None:
            return None
        disk = machine.disk
        disk.capacity = sum(disk.size(name) for name in disk.names()) + self._chance.randint(0, 4000)

        def heal() -> None:
            disk.capacity = _ROOM

        self._loop.later(self._downtime(), heal)
        return machine.name

    def _clock_jump(self) -> str | None:
        machine = self._machine()
        machine.clock.offset_ms += self._chance.choice([-3_600_000, -600_000, -5_000, 5_000, 600_000, 3_600_000])
        return machine.name

    # --- people ---

    def _switch_over(self) -> str | None:
        return "client" if self._switched_pair() is not None else None

    def _switched_pair(self) -> tuple[str, ...] | None:
        """The pair whose switch-over begins."""
        pairs = self._installation.pairs
        if not pairs:
            return None
        pair = self._chance.choice(pairs)
        agent = None if pair == self._installation.controllers else "A"
        command: dict[str, Any] = {"TYPE": "ClusterSwitchOver"}
        self._ask(command if agent is None else {**command, "agentPath": agent})
        return pair

    def _failing_switch_over(self) -> str | None:
        """One of the two nodes is lost in the very moment, for longer than the other one waits for it."""
        pair = self._switched_pair()
        if pair is None:
            return None
        machine = self._installation.machines[self._chance.choice(pair)]
        seconds = self._chance.uniform(8.0, 20.0)
        losses: list[Callable[[], None]] = [
            lambda: self._lose(machine, seconds),
            lambda: machine.pause(seconds) if machine.life is not None else None,
            lambda: self._isolate(
                machine.name,
                [other for other in (*self._installation.machines, "cockpit") if other != machine.name],
                seconds,
            ),
        ]
        self._loop.later(self._chance.uniform(0.0, 0.08), self._chance.choice(losses))
        return machine.name

    def _lose(self, machine: Machine, seconds: float) -> None:
        if machine.life is not None:
            machine.kill()
            machine.restart_later(seconds)

    def _reset_agent(self) -> str | None:
        """Also of one that cannot be reached: then it waits for that."""
        force = self._chance.random() < 0.3
        self._ask({"TYPE": "ResetAgent", "agentPath": self._chance.choice(["A", "B"]), "force": force})
        return "client"

    def _reset_subagent(self) -> str | None:
        self._ask({"TYPE": "ResetSubagent", "subagentId": "A-2", "force": self._chance.random() < 0.3})
        return "client"

    def _ask(self, command: dict[str, Any]) -> None:
        asyncio.get_running_loop().create_task(self._installation.ask_once(command))
