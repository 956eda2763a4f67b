"""`stellwerk chaos`: kill or stop parts of an installation of `up`, one after the other, and watch it recover.

For installations to play with: `stellwerk up --cluster --supervise`. What is killed must be started again by `up`. In
each round an order is on its way through all Agents when the fault happens; it has to end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stellwerk.cli.installation import Installation, running_process
from stellwerk.cli.orders import execute
from stellwerk.cli.output import CommandError
from stellwerk.cli.rest import Cockpit, Target

T = TypeVar("T")

RECOVERY_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 1.0
KILL, STOP = "kill", "stop"
COUPLED = "Coupled"
#: The workflow whose orders are watched.
WORKFLOW = "/chaos"
_JOB_SECONDS = 0.5


@dataclass(frozen=True)
class Part:
    """One component of the installation."""

    name: str
    folder: Path
    url: str

    @property
    def pid(self) -> int | None:
        """Of its running process."""
        process = running_process(self.folder)
        return None if process is None else process[0]

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether it is well, and what it says of itself."""
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=_ANSWER_SECONDS) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            return False, {"status": f"HTTP {error.code}"}
        except (OSError, ValueError) as error:
            return False, {"status": str(error)}
        state = said.get("cluster", {}).get("state", COUPLED)
        return state == COUPLED, said | ({} if state == COUPLED else {"status": state})


def parts_of(data: Path) -> list[Part]:
    """All components of the installation. Raises `CommandError`."""
    installation = Installation.read(data)
    if installation is None:
        raise CommandError(f"there is no installation in the folder {data}", "name its folder with --data")
    cockpits = installation.cockpits(has_database=(data / "cockpit-2").exists())
    ports = {**installation.controllers, **cockpits, **installation.witnesses}
    parts = [Part(name, data / name, installation.url(port)) for name, port in ports.items()]
    machines = installation.machines
    return parts + [Part(item.name, data / "agents" / item.name, installation.url(item.port)) for item in machines]


class Orders:
    """Orders that go through each Agent, one after the other, twice."""

    def __init__(self, data: Path) -> None:
        """Deploys their workflow. Raises `CommandError`."""
        self._data = data
        installation = Installation.read(data)
        assert installation is not None
        jobs: dict[str, Any] = {}
        for name in installation.agents:
            job = {
                "agentName": name,
                "executable": {"TYPE": "ShellScriptExecutable", "script": f"sleep {_JOB_SECONDS}"},
            }
            if len(installation.machines_of(name)) > 1:
                job["subagentClusterId"] = f"{name}-all"
            jobs[name] = job
        steps = [{"TYPE": "Execute.Named", "jobName": name, "label": name} for name in jobs]
        again = [{**step, "label": f"{step['label']}-again"} for step in steps]
        workflow = {"version": "1.7.0", "timeZone": "Etc/UTC", "instructions": steps + again, "jobs": jobs}

        async def deploy(cockpit: Cockpit) -> None:
            draft = {"path": WORKFLOW, "objectType": "WORKFLOW"}
            await cockpit.post("inventory/store", {**draft, "configuration": workflow})
            await cockpit.post(
                "inventory/deployment/deploy",
                {
                    "controllerIds": [cockpit.target.controller_id],
                    "store": {"draftConfigurations": [{"configuration": draft}]},
                },
            )

        self._execute(deploy)

    def _execute(self, action: Callable[[Cockpit], Awaitable[T]]) -> T:
        return execute(Target.find(None, None, self._data), action)

    def add(self) -> str:
        async def add(cockpit: Cockpit) -> str:
            order = {"workflowPath": WORKFLOW, "orderName": "chaos"}
            request = {"controllerId": cockpit.target.controller_id, "orders": [order]}
            return str((await cockpit.post("orders/add", request))["orderIds"][0])

        return self._execute(add)

    def wait_for(self, order_id: str) -> None:
        """Until it has ended well. Raises `CommandError` when it has failed, or does not end."""
        _until(lambda: self._has_ended(order_id), f"the end of the order {order_id}")

    def _has_ended(self, order_id: str) -> bool:
        async def state(cockpit: Cockpit) -> str | None:
            request = {"controllerId": cockpit.target.controller_id, "limit": 100}
            rows = (await cockpit.post("orders/history", request))["history"]
            return next((str(row["state"]["_text"]) for row in rows if row["orderId"] == order_id), None)

        found = self._execute(state)
        if found == "FAILED":
            raise CommandError(f"the order {order_id} has failed", f"stellwerk log {order_id}")
        return found == "SUCCESSFUL"


def chaos(
    data: Path, *, rounds: int, only: list[str], seed: int | None, stop_seconds: float, say: Callable[[str], None]
) -> None:
    """Do it, round by round; each begins when all are well and pairs are coupled.

    Raises `CommandError` when a part does not come back.
    """
    parts = parts_of(data)
    if unknown := set(only) - {part.name for part in parts}:
        raise CommandError(
            f"there is no component {', '.join(sorted(unknown))}", f"there are {', '.join(part.name for part in parts)}"
        )
    victims = [part for part in parts if not only or part.name in only]
    chance = random.Random(seed)
    _until_well(parts, "before the first fault")
    orders = Orders(data)
    for number in range(1, rounds + 1):
        victim = chance.choice(victims)
        fault = chance.choice([KILL, KILL, STOP])
        pid = victim.pid
        if pid is None:
            raise CommandError(f"{victim.name} does not run", "start the installation with up --supervise")
        roles = _roles(parts)
        order_id = orders.add()
        began = time.monotonic()
        if fault == KILL:
            _kill(victim, pid)
        else:
            _stand_still(pid, stop_seconds)
        say(f"{number}/{rounds}: {fault} {victim.name}{roles.get(victim.name, '')}")
        _until_well(parts, f"after {fault} of {victim.name}")
        changes = [f"{name}{role}" for name, role in _roles(parts).items() if roles.get(name) != role]
        say(f"    all is well after {time.monotonic() - began:.1f} s{'; now ' if changes else ''}{', '.join(changes)}")
        orders.wait_for(order_id)
        say(f"    its order has ended after {time.monotonic() - began:.1f} s")


def _kill(part: Part, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    _until(lambda: part.pid != pid, f"the end of {part.name}")


def _stand_still(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)  # that is the fault
    finally:
        os.kill(pid, signal.SIGCONT)


def _roles(parts: list[Part]) -> dict[str, str]:
    """Who is active, where there are several: name → ` (role)`."""
    roles = {}
    for part in parts:
        is_well, said = part.health()
        role = said.get("cluster", {}).get("phase") or said.get("role")
        if is_well and isinstance(role, str):
            roles[part.name] = f" ({role})"
    return roles


def _until_well(parts: list[Part], when: str) -> None:
    _until(
        lambda: all(part.health()[0] for part in parts),
        lambda: (
            f"{when}: not well are "
            + ", ".join(f"{part.name} ({part.health()[1].get('status')})" for part in parts if not part.health()[0])
        ),
    )


def _until(is_so: Callable[[], bool], what: str | Callable[[], str]) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            raise CommandError(f"not within {RECOVERY_SECONDS:g} s: {text}", "look at its log; up needs --supervise")
        time.sleep(_LOOK_SECONDS)
