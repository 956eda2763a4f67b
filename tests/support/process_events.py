"""Waiting for events of a `ProcessInstallation`'s Controller, and for what its nodes say of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from tests.conformance.processes import ProcessInstallation

from stellwerk.values.json import decode

TIMEOUT_SECONDS = 60.0


def events(installation: ProcessInstallation, key: str) -> list[dict[str, Any]]:
    """Of one order, Agent or Subagent."""
    found = [decode(line) for line in installation.controller.journal.read_after(0)]
    return [event for event in found if event.get("Key") == key]


def types(installation: ProcessInstallation, key: str) -> list[str]:
    """Types of events; of a Director's cluster event that type."""
    return [event.get("event", event)["TYPE"] for event in events(installation, key)]


async def until(installation: ProcessInstallation, key: str, type_: str, count: int = 1) -> None:
    """So many events of this type have come."""
    journal = installation.controller.journal
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while types(installation, key).count(type_) < count:
                lines = journal.read_after(0)
                await journal.wait_after(decode(lines[-1])["eventId"] if lines else 0, TIMEOUT_SECONDS)
    except TimeoutError:
        raise AssertionError(f"never came: {count} x {type_} of {key}\n{events(installation, key)}") from None


async def health(installation: ProcessInstallation, name: str) -> dict[str, Any]:
    """What `/health` says; empty while nobody answers."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{installation.uri(name)}/health") as answer:
            said = await answer.json()
            return said if isinstance(said, dict) else {}
    except aiohttp.ClientError:
        return {}


async def until_cluster(
    installation: ProcessInstallation, names: list[str], is_wanted: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    """The `cluster` parts of the nodes' health, once they are as wanted."""
    states: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                states = [(await health(installation, name)).get("cluster", {}) for name in names]
                if is_wanted(states):
                    return states
                await asyncio.sleep(0.05)
    except TimeoutError:
        logs = "\n".join(f"--- {name}\n{installation.log(name)[-3000:]}" for name in names)
        raise AssertionError(f"the nodes are not as wanted: {states}\n{logs}") from None
