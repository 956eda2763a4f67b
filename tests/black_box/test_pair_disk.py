"""A pair of Controllers, real processes, each with its journal on a small disk of its own that is filled: F22, F23."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from component_processes import Answer, wait_until
from controller_pair import CONTROLLERS, ControllerPair

_DISK_BYTES = 24 << 20
_LOW_SPACE_BYTES = 4 << 20
_SETTINGS = f"[journal]\nlow_space_bytes = {_LOW_SPACE_BYTES}\nreserve_bytes = {1 << 20}\n"


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Skips the test where this user may not mount."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "stellwerk-test", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Filler:
    """A file of somebody else that takes all the room on a disk."""

    def __init__(self, controllers: ControllerPair, name: str) -> None:
        self._file = controllers.folder(name) / "state" / "filler"

    def fill(self) -> None:
        with self._file.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(bytes(1 << 12))

    def free(self) -> None:
        self._file.unlink()


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[ControllerPair]:
    with contextlib.ExitStack() as stack:
        for name in CONTROLLERS:
            stack.enter_context(_small_disk(tmp_path / name / "state"))
        yield stack.enter_context(ControllerPair(tmp_path, settings=_SETTINGS))


def _refused_order(controllers: ControllerPair, name: str) -> tuple[Answer, list[str]]:
    """Adds orders until one is refused: the answer, and the ids of those that were acknowledged until then."""
    added: list[str] = []

    def add() -> Answer | None:
        order_id = f"until-refused-{len(added)}"
        answer = controllers.command(name, {"TYPE": "AddOrder", "order": {"id": order_id, "workflowPath": "W"}})
        if answer.status != 200:
            return answer
        added.append(order_id)
        return None

    return wait_until(add, "an order is refused"), added


def _write_until_it_fails(controllers: ControllerPair, name: str, filler: Filler, orders: list[str]) -> Answer:
    """Commands that are no new work, and so are not refused, until there is no room for their events."""

    def write() -> Answer | None:
        filler.fill()  # also what the node has had in reserve
        for command in ("SuspendOrders", "ResumeOrders"):
            answer = controllers.command(name, {"TYPE": command, "orderIds": orders}, seconds=10)
            if answer.status != 200:
                return answer
        return None

    return wait_until(write, "a command finds no room")


def _says_that_it_waits_for_room(controllers: ControllerPair, name: str) -> None:
    def status() -> str | None:
        body = controllers.health(name).body
        return str(body.get("status")) if isinstance(body, dict) else None

    wait_until(lambda: status() == "waiting for room on the disk", lambda: f"{name} says: {status()}")
    assert "No room on the disk for the journal" in controllers.log(name)


def test_an_active_node_without_room_refuses_new_orders_until_there_is_some(controllers: ControllerPair) -> None:
    """F22, as long as nothing has to be written that finds no room: the node stays active."""
    pair = controllers.pair
    active = controllers.begin()
    filler = Filler(controllers, active)
    filler.fill()
    refused, orders = _refused_order(controllers, active)
    assert refused.body["code"] == "DiskSpaceIsLow"
    assert str(controllers.folder(active)) in refused.body["message"]
    filler.free()
    orders += controllers.add_some_orders("after")
    assert pair.active_of_coupled() == active
    controllers.nothing_is_lost(orders)


def test_an_active_node_that_cannot_write_hands_over_and_follows_when_there_is_room(
    controllers: ControllerPair,
) -> None:
    """F22: what found no room has not been acknowledged, and the other node goes on."""
    pair = controllers.pair
    former = controllers.begin()
    orders = controllers.add_some_orders("before", 100)
    filler = Filler(controllers, former)
    failed = _write_until_it_fails(controllers, former, filler, orders)
    assert failed.body["code"] == "DiskSpaceIsLow"
    _says_that_it_waits_for_room(controllers, former)
    pair.takes_over(pair.other(former), 0)
    orders += controllers.add_some_orders("alone")
    filler.free()
    assert pair.active_of_coupled() == pair.other(former)
    orders += controllers.add_some_orders("after")
    controllers.nothing_is_lost(orders)


@pytest.mark.long_only
def test_a_passive_node_that_cannot_write_is_lost_until_there_is_room(controllers: ControllerPair) -> None:
    """F23."""
    pair = controllers.pair
    active = controllers.begin()
    passive = pair.other(active)
    orders = controllers.add_some_orders("before", 100)
    filler = Filler(controllers, passive)

    def write() -> bool:
        filler.fill()
        for command in ("SuspendOrders", "ResumeOrders"):
            assert controllers.command(active, {"TYPE": command, "orderIds": orders}).status == 200
        return pair.state(active) == "PassiveLost"

    wait_until(write, lambda: f"the passive node is lost: {pair}")
    _says_that_it_waits_for_room(controllers, passive)
    orders += controllers.add_some_orders("alone")
    assert pair.phase(active) == "active"
    filler.free()
    assert pair.active_of_coupled() == active
    orders += controllers.add_some_orders("after")
    controllers.nothing_is_lost(orders)
