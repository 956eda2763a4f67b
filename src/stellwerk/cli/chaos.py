"""`stellwerk chaos`: kill or stop parts of an installation of `up`, one after the other, and watch it recover.

For installations to play with: `stellwerk up --cluster --supervise`. What is killed must be started again by `up`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stellwerk.cli.installation import Installation, running_process
from stellwerk.cli.output import CommandError

RECOVERY_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 1.0
KILL, STOP = "kill", "stop"
COUPLED = "Coupled"


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
    return parts + [
        Part(name, data / "agents" / name, installation.url(port)) for name, port in installation.agents.items()
    ]


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
    for number in range(1, rounds + 1):
        victim = chance.choice(victims)
        fault = chance.choice([KILL, KILL, STOP])
        pid = victim.pid
        if pid is None:
            raise CommandError(f"{victim.name} does not run", "start the installation with up --supervise")
        roles = _roles(parts)
        began = time.monotonic()
        if fault == KILL:
            _kill(victim, pid)
        else:
            _stand_still(pid, stop_seconds)
        say(f"{number}/{rounds}: {fault} {victim.name}{roles.get(victim.name, '')}")
        _until_well(parts, f"after {fault} of {victim.name}")
        changes = [f"{name}{role}" for name, role in _roles(parts).items() if roles.get(name) != role]
        say(f"    all is well after {time.monotonic() - began:.1f} s{'; now ' if changes else ''}{', '.join(changes)}")


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
