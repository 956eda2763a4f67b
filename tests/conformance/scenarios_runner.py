"""Runs one scenario of `data/scenarios*.jsonl` on real nodes in this process (CONFORMANCE.md, section 2).

Each scenario has a Controller and Agents of its own, in a folder of its own, with real job processes.
"""

from __future__ import annotations

import asyncio
import copy
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from tests.conformance.processes import ProcessInstallation
from tests.conformance.scenarios_compare import (
    differences,
    is_event_type,
    message_matches,
    normalized,
    order_difference,
)

from stellwerk.controller.commands import ControllerCommand
from stellwerk.journal import JournalFailedError
from stellwerk.sdk.in_process import InProcessInstallation
from stellwerk.values.json import decode, encode
from stellwerk.values.problems import ProblemError

Json = Any

_COMMANDS = {str(command.__struct_config__.tag) for command in get_args(ControllerCommand)} | {"Batch"}
#: Events and states that come by themselves after the last step.
_SETTLE_SECONDS = 5.0
#: The installation is at rest when it writes nothing for that long.
_QUIET_SECONDS = 0.05
#: `timeout` of the steps is for a machine of our own; ours is shared.
_TIMEOUT_FACTOR = 3.0


class NotSupportedError(Exception):
    """The scenario needs what this release refuses by name."""


class DifferenceError(Exception):
    """The scenario cannot go on."""


Installation = InProcessInstallation | ProcessInstallation


async def run_processes(case: Json) -> str | None:
    """The same with Controller and Agents as processes of their own, over HTTP."""
    return await run(case, ProcessInstallation)


async def run(case: Json, installation_type: type[Installation] = InProcessInstallation) -> str | None:
    """None if all is as expected, else the differences. Raises `NotSupportedError`."""
    for step in [*case.get("setup", []), *case["steps"]]:
        kind = step.get("command", {}).get("TYPE")
        if kind is not None and kind not in _COMMANDS:
            raise NotSupportedError(f"command {kind}")
    with tempfile.TemporaryDirectory(prefix="stellwerk-scenario-") as folder:
        files = Path(folder) / "files"
        files.mkdir()
        async with installation_type(Path(folder), case["agents"], output_delay_seconds=0.01) as installation:
            scenario = _Scenario(case, installation, files)
            try:
                return await scenario.run()
            except DifferenceError as error:
                return f"{error}\n{scenario.history()}"
            except ProblemError as error:
                return f"{error}\n{scenario.history()}"
            except JournalFailedError as error:
                return f"A node has ended: {error}\n{scenario.history()}"


class _Scenario:
    def __init__(self, case: Json, installation: Installation, files: Path) -> None:
        self._case = case
        self._installation = installation
        self._files = files
        self._today = datetime.now(UTC).strftime("%Y-%m-%d")
        self._start = installation.controller.journal.torn_event_id
        #: All events since the start, normalized, and the EventId of the last.
        self._events: list[Json] = []
        self._last = self._start
        self._steps: dict[str, Callable[[Json, Json], Awaitable[None]]] = {
            "await": self._await,
            "command": self._command,
            "addOrder": self._add_later,
            "assertState": self._assert_state,
            "assertNoEvent": self._assert_no_event,
            "deploy": self._deploy,
            "touch": self._touch,
            "remove": self._remove,
            "mkdir": self._make_directory,
            "write": self._write,
            "sleep": self._sleep,
        }

    async def run(self) -> str | None:
        case = self._case
        for step in case.get("setup", []):
            await self._step(step)
        await self._installation.deploy(self._filled(case["items"], self._next_version))
        for order in case["orders"]:
            if not order.get("addLater"):
                await self._add_order(order)
        for step in case["steps"]:
            await self._step(step)
        return await self._compare()

    def history(self) -> str:
        self._read()
        lines = [
            f"    {event.get('Key')} {encode({n: v for n, v in event.items() if n != 'Key'}).decode()[:300]}"
            for event in self._events
            if str(event["TYPE"]).startswith("Order")
        ]
        return "\n".join(["  history:", *lines])

    # --- placeholders ---

    @property
    def _next_version(self) -> str:
        return f"v{len(self._installation.versions) + 1}"

    def _filled(self, value: Json, version: str | None = None) -> Json:
        """A copy with the placeholders replaced, in the keys of objects, too."""
        versions = self._installation.versions
        latest = version or (versions[-1] if versions else "")

        def of_version(match: re.Match[str]) -> str:
            return versions[int(match[1]) - 1] if match[1] else latest

        def fill(value: Json) -> Json:
            if isinstance(value, dict):
                return {fill(name): fill(member) for name, member in value.items()}
            if isinstance(value, list):
                return [fill(element) for element in value]
            if not isinstance(value, str) or "${" not in value:
                return value
            value = value.replace("${TMP}", str(self._files)).replace("${TODAY}", self._today)
            value = re.sub(r"\$\{WAITFILE:([^}]*)\}", lambda match: str(self._files / f"wait-{match[1]}"), value)
            return re.sub(r"\$\{VERSION(?::([0-9]+))?\}", of_version, value)

        return fill(copy.deepcopy(value))

    # --- events ---

    def _read(self) -> None:
        journal = self._installation.controller.journal
        while lines := journal.read_after(self._last):
            events = [decode(line) for line in lines]
            self._last = events[-1]["eventId"]
            self._events += normalized(events)

    def _of(self, order_id: str) -> list[Json]:
        self._read()
        return [event for event in self._events if event.get("Key") == order_id]

    def _state(self, order_id: str) -> Json:
        order = self._installation.controller.state.orders.get(order_id)
        return None if order is None else decode(encode(order))

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for events until the condition holds; False when the time is over."""
        journal = self._installation.controller.journal
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            self._read()
            if condition():
                return True
            if loop.time() >= end or not await journal.wait_after(self._last, end - loop.time()):
                self._read()
                return condition()

    # --- steps ---

    async def _step(self, step: Json) -> None:
        kind = next(name for name in step if name != "expectError")
        await self._steps[kind](self._filled(step[kind]), self._filled(step.get("expectError")))

    async def _await(self, wanted: Json, error: Json) -> None:
        order_id = wanted["order"]
        if "event" in wanted:
            what, count = wanted["event"], wanted.get("count", 1)

            def condition() -> bool:
                return bool(sum(is_event_type(event["TYPE"], what) for event in self._of(order_id)) >= count)
        else:
            what = wanted["state"]

            def condition() -> bool:
                return self._has_state(order_id, what)

        if not await self._until(condition, wanted.get("timeout", 20) * _TIMEOUT_FACTOR):
            raise DifferenceError(f"{order_id} never had {what}; it is {self._state(order_id)}")

    def _has_state(self, order_id: str, state: str) -> bool:
        order = self._state(order_id)
        return bool(state == ("Deleted" if order is None else order["state"]["TYPE"]))

    async def _command(self, command: Json, error: Json) -> None:
        await self._expecting(error, f"{command}", lambda: self._installation.command(command))

    async def _expecting(self, error: Json, what: str, action: Callable[[], Awaitable[Any]]) -> None:
        try:
            await action()
        except ProblemError as problem:
            if error is None:
                raise
            expected = problem.problem.message, problem.problem.code
            if not message_matches(error.get("message", ""), str(problem)):
                raise DifferenceError(f"{what}: refused with {expected}, expected {error}") from problem
            if error.get("code") not in (None, problem.problem.code):
                raise DifferenceError(f"{what}: refused with {expected}, expected {error}") from problem
        else:
            if error is not None:
                raise DifferenceError(f"{what}: accepted, expected {error}")

    async def _add_later(self, order_id: str, error: Json) -> None:
        await self._add_order(next(order for order in self._case["orders"] if order["id"] == order_id))

    async def _add_order(self, order: Json) -> None:
        order = self._filled(order)
        error = order.pop("expectError", None)
        order.pop("addLater", None)
        if "scheduledFor" in order:
            order["scheduledFor"] = round((datetime.now(UTC).timestamp() + order["scheduledFor"]) * 1000)
        command = {"TYPE": "AddOrder", "order": order}
        await self._expecting(error, f"AddOrder {order['id']}", lambda: self._installation.command(command))

    async def _assert_state(self, wanted: Json, error: Json) -> None:
        order = self._state(wanted["order"])
        if "state" in wanted and not self._has_state(wanted["order"], wanted["state"]):
            raise DifferenceError(f"{wanted['order']} is {order}, expected {wanted['state']}")
        if "position" in wanted:
            position = None if order is None else normalized(order["workflowPosition"].get("position"))
            if position != normalized(wanted["position"]):
                raise DifferenceError(f"{wanted['order']} is at {position}, expected {wanted['position']}")

    async def _assert_no_event(self, wanted: Json, error: Json) -> None:
        def condition() -> bool:
            return any(is_event_type(event["TYPE"], wanted["event"]) for event in self._of(wanted["order"]))

        if await self._until(condition, wanted["within"]):
            raise DifferenceError(f"{wanted['order']} has {wanted['event']}, which must not come")

    async def _deploy(self, items: Json, error: Json) -> None:
        await self._installation.deploy(items)

    async def _touch(self, path: str, error: Json) -> None:
        _write_text(path, "")

    async def _remove(self, path: str, error: Json) -> None:
        os.unlink(path)

    async def _make_directory(self, path: str, error: Json) -> None:
        os.makedirs(path)

    async def _write(self, file: Json, error: Json) -> None:
        _write_text(file["path"], file["content"])

    async def _sleep(self, seconds: float, error: Json) -> None:
        await asyncio.sleep(seconds)

    # --- result ---

    async def _compare(self) -> str | None:
        """The differences, when everything has come that comes by itself."""

        def found() -> list[str]:
            expected = self._filled(self._case["expect"])
            by_order = [
                difference
                for order_id, wanted in expected.items()
                for difference in differences(order_id, wanted, self._of(order_id), self._state(order_id))
            ]
            return by_order + order_difference(self._filled(self._case.get("eventOrder", [])), self._events)

        await self._until(lambda: not found(), _SETTLE_SECONDS)
        # What follows must not make it wrong again.
        while await self._installation.controller.journal.wait_after(self._last, _QUIET_SECONDS):
            self._read()
        return "\n".join(found()) or None


def _write_text(path: str, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)
