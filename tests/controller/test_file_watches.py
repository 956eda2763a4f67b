"""File watches on real nodes: real directories, inotify (workflow spec 8.5; orders spec 6.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from node_world import NodeWorld, shell, workflow

from stellwerk.values.problems import ProblemError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that is watched."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def removing() -> dict[str, Any]:
    """A workflow that takes the file away."""
    instruction = shell("")
    instruction["job"]["executable"] = {
        "TYPE": "ShellScriptExecutable",
        "script": 'rm "$FILE"',
        "env": {"FILE": "$file"},
    }
    return workflow("W", instruction)


def watch(folder: Path, **members: Any) -> dict[str, Any]:
    item = {
        "TYPE": "FileWatch",
        "path": "files",
        "workflowPath": "W",
        "agentPath": "A",
        "directoryExpr": f"'{folder}'",
        "orderExpr": "{orderId: $0}",
        **members,
    }
    return {"TYPE": "AddOrChangeSimple", "item": item}


async def prepare(world: NodeWorld, folder: Path, *, removes: bool, **members: Any) -> None:
    await world.register()
    await world.deploy(removing() if removes else workflow("W", shell("true")))
    await world.items(watch(folder, **members))
    await world.until_event_of_item("OrderWatch:files", "ItemAttached")


async def test_each_file_becomes_an_order_that_goes_with_its_file(tmp_path: Path, folder: Path) -> None:
    (folder / "early").write_text("x")
    async with NodeWorld(tmp_path) as world:
        await prepare(world, folder, removes=True)
        (folder / "late").write_text("x")
        (folder / ".hidden").write_text("x")
        for name in ("early", "late"):
            await world.until_event(name, "OrderDeleted")
            assert world.of(name)[0] == "OrderAdded"
            assert "OrderExternalVanished" in world.of(name)
        assert names(folder) == [".hidden"]
        assert not world.running_controller.state.orders


async def test_a_file_that_stays_keeps_its_ended_order_also_across_restarts(tmp_path: Path, folder: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await prepare(world, folder, removes=False)
        (folder / "f").write_text("x")
        await world.until_event("f", "OrderFinished")
        with pytest.raises(ProblemError) as caught:
            await world.command({"TYPE": "DeleteOrdersWhenTerminated", "orderIds": ["f"]})
        assert caught.value.problem.code == "CannotDeleteWatchingOrder"
        await world.stop_agent("A", orderly=False)
        await world.stop_controller(orderly=False)
        (folder / "g").write_text("x")
        await world.start_agent("A")
        await world.start_controller()
        await world.until_event("g", "OrderFinished")
        assert world.of("f").count("OrderAdded") == 1
        (folder / "f").unlink()
        await world.until_event("f", "OrderDeleted")


async def test_files_that_come_and_go_while_nobody_looks(tmp_path: Path, folder: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await prepare(world, folder, removes=False)
        (folder / "f").write_text("x")
        await world.until_event("f", "OrderFinished")
        await world.stop_agent("A", orderly=False)
        (folder / "f").unlink()
        (folder / "h").write_text("x")
        await world.start_agent("A")
        await world.until_event("f", "OrderDeleted")
        await world.until_event("h", "OrderFinished")


async def test_a_file_that_comes_again_waits_for_the_end_of_its_order(tmp_path: Path, folder: Path) -> None:
    go = tmp_path / "go"
    async with NodeWorld(tmp_path) as world:
        await world.register()
        await world.deploy(workflow("W", shell(f"while [ ! -e {go} ]; do sleep 0.05; done")))
        await world.items(watch(folder))
        (folder / "f").write_text("1")
        await world.until_event("f", "OrderProcessingStarted")
        (folder / "f").unlink()
        await world.until_event("f", "OrderExternalVanished")
        (folder / "f").write_text("2")
        await world.until_event_of_item("files", "ExternalOrderAppeared", 2)
        go.touch()
        await world.until_event("f", "OrderFinished", 2)
        assert world.of("f").count("OrderAdded") == 2
        assert world.of("f").count("OrderDeleted") == 1


async def test_a_folder_that_is_not_there_yet_and_one_that_vanishes(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    async with NodeWorld(tmp_path) as world:
        await prepare(world, folder, removes=True)
        folder.mkdir()
        (folder / "f").write_text("x")
        await world.until_event("f", "OrderDeleted")
        folder.rmdir()
        folder.mkdir()
        (folder / "g").write_text("x")
        await world.until_event("g", "OrderDeleted")


async def test_a_changed_folder_and_pattern(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    async with NodeWorld(tmp_path) as world:
        await prepare(world, old, removes=False)
        (old / "a.txt").write_text("x")
        await world.until_event("a.txt", "OrderFinished")
        (new / "b.txt").write_text("x")
        (new / "b.csv").write_text("x")
        await world.items(watch(new, pattern=r".*\.csv", delay=0.1))
        await world.until_event("b.csv", "OrderFinished")
        await world.until_event("a.txt", "OrderDeleted")
        assert not world.of("b.txt")


async def test_an_order_that_may_not_be_is_said_once(tmp_path: Path, folder: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await world.register()
        needs = {"parameters": {"file": {"type": "String"}, "customer": {"type": "String"}}}
        await world.deploy(workflow("W", shell("true"), orderPreparation=needs))
        await world.items(watch(folder))
        (folder / "f").write_text("x")
        await world.until_event_of_item("files", "ExternalOrderRejected")
        [rejected] = [event for event in world.events() if event["TYPE"] == "ExternalOrderRejected"]
        assert rejected["problem"]["code"] == "MissingOrderArgument"
        assert not world.of("f")


async def test_a_deleted_watch_leaves_the_agent_and_its_orders_go_on(tmp_path: Path, folder: Path) -> None:
    async with NodeWorld(tmp_path) as world:
        await prepare(world, folder, removes=False)
        (folder / "f").write_text("x")
        await world.until_event("f", "OrderFinished")
        await world.items({"TYPE": "DeleteSimple", "path": "OrderWatch:files"})
        await world.until_event_of_item("OrderWatch:files", "ItemDeleted")
        (folder / "g").write_text("x")
        await world.add_order("O", "W")
        await world.until_done("O")
        assert not world.of("g")
        assert not world.agents["A"].state.order_watches.items
