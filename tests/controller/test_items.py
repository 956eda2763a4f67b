"""`POST item`: all or nothing, with every problem (orders spec 6.2, 7.3; workflow spec 1.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from node_world import NodeWorld, shell, workflow

from stellwerk.values.problems import ProblemError


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NodeWorld]:
    """A Controller alone: its Agents are known and never reached."""
    async with NodeWorld(tmp_path, ()) as world:
        yield world


def item_events(world: NodeWorld) -> list[str]:
    """Types of the item events with what they are about."""
    result = []
    for event in world.events():
        about = event.get("key") or event.get("path") or event.get("versionId")
        if event["TYPE"].startswith(("Item", "Version", "Unsigned", "Signed")):
            result.append(event["TYPE"] if about is None else f"{event['TYPE']} {about}")
    return result


async def refusal(world: NodeWorld, *operations: dict[str, Any]) -> str:
    """The problem of an update, which must not have written anything."""
    before = world.running_controller.journal.appended_event_id
    with pytest.raises(ProblemError) as caught:
        await world.items(*operations)
    assert world.running_controller.journal.appended_event_id == before
    return str(caught.value)


async def test_agent_and_subagent_are_added_together_and_attachable_at_once(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    assert item_events(world) == [
        "UnsignedSimpleItemAdded",
        "UnsignedSimpleItemAdded",
        "ItemAttachable Agent:A",
        "ItemAttachable Subagent:A-1",
    ]
    [added, *_] = [event for event in world.events() if event["TYPE"] == "UnsignedSimpleItemAdded"]
    assert added["item"] == {"TYPE": "AgentRef", "path": "A", "directors": ["A-1"], "itemRevision": 0}


async def test_changed_items_get_the_next_revision(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    await world.items(*world.agent_items("A", processLimit=3))
    state = world.running_controller.state
    assert state.agents["A"].agent_ref.item_revision == 1
    assert state.agents["A"].agent_ref.process_limit == 3


async def test_versions_workflows_and_their_removal(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    await world.deploy(workflow("W", shell("true")), workflow("V", shell("true")))
    await world.deploy(workflow("W", shell("false")))
    await world.items({"TYPE": "AddVersion", "versionId": "x"}, {"TYPE": "RemoveVersioned", "path": "Workflow:V"})
    assert item_events(world)[4:] == [
        "VersionAdded v1",
        "VersionedItemAdded",
        "VersionedItemAdded",
        "VersionAdded v2",
        "VersionedItemChanged",
        "ItemDeleted Workflow:W~v1",
        "VersionAdded x",
        "VersionedItemRemoved Workflow:V",
        "ItemDeleted Workflow:V~v1",
    ]
    assert list(world.running_controller.state.versions) == ["v2", "x"]


async def test_an_unchanged_repetition_writes_nothing(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    operations = (
        {"TYPE": "AddVersion", "versionId": "v1"},
        world.signed({"TYPE": "Workflow", "versionId": "v1", **workflow("W", shell("true"))}),
    )
    await world.items(*operations)
    before = world.running_controller.journal.appended_event_id
    await world.items(*operations)
    assert world.running_controller.journal.appended_event_id == before


async def test_job_resources_are_signed_items_with_revisions(world: NodeWorld) -> None:
    item = {"TYPE": "JobResource", "path": "env", "env": {"A": "'1'"}}
    await world.items(world.signed(item))
    await world.items(world.signed({**item, "variables": {"b": "2"}}))
    events = [event for event in world.events() if event["TYPE"].startswith("Signed")]
    assert [(event["TYPE"], event["itemRevision"]) for event in events] == [
        ("SignedItemAdded", 0),
        ("SignedItemChanged", 1),
    ]
    await world.items({"TYPE": "DeleteSimple", "path": "JobResource:env"})
    assert item_events(world)[-1] == "ItemDeleted JobResource:env"


async def test_everything_that_is_missing_is_named(world: NodeWorld) -> None:
    problem = await refusal(
        world,
        {"TYPE": "AddVersion", "versionId": "v1"},
        world.signed(
            {
                "TYPE": "Workflow",
                "versionId": "v1",
                "jobResourcePaths": ["R"],
                **workflow("W", shell("true", "NOWHERE")),
            }
        ),
    )
    assert "MissingReferencedItem" in problem
    assert "Agent:NOWHERE" in problem
    assert "JobResource:R" in problem


async def test_what_is_in_use_is_not_deleted(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    await world.deploy(workflow("W", shell("true")))
    problem = await refusal(
        world, {"TYPE": "DeleteSimple", "path": "Agent:A"}, {"TYPE": "DeleteSimple", "path": "Subagent:A-1"}
    )
    assert "ItemIsStillReferenced" in problem
    assert "Workflow:W~v1" in problem


async def test_an_agent_that_was_never_reached_is_deleted_at_once(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    await world.items({"TYPE": "DeleteSimple", "path": "Agent:A"}, {"TYPE": "DeleteSimple", "path": "Subagent:A-1"})
    state = world.running_controller.state
    assert not state.agents
    assert not state.subagents
    assert not state.attachments
    assert not world.running_controller.drivers


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"TYPE": "RemoveVersioned", "path": "Workflow:W"}], "AddVersionId operation is missing"),
        ([{"TYPE": "AddVersion", "versionId": "a"}, {"TYPE": "AddVersion", "versionId": "b"}], "Duplicate AddVersion"),
        ([{"TYPE": "DeleteSimple", "path": "JobResource:x"}], "UnknownItemKey"),
        ([{"TYPE": "DeleteSimple", "path": "AgentRef:x"}], "UnknownItemPath"),
        ([{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "Lock", "path": "L", "limit": -1}}], "must not be negative"),
        ([{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "Locked", "path": "L"}}], "Unknown item TYPE"),
        (
            [
                {
                    "TYPE": "AddOrChangeSimple",
                    "item": {"TYPE": "Calendar", "path": "C", "orderIdPattern": "x", "periodDatePattern": "yyyy-MM-dd"},
                }
            ],
            "must have exactly 1 group",
        ),
        (
            [
                {
                    "TYPE": "AddOrChangeSimple",
                    "item": {
                        "TYPE": "GlobalBoard",
                        "path": "B",
                        "postOrderToNoticeKey": "$",
                        "expectOrderToNoticeKey": "1",
                    },
                }
            ],
            "$.postOrderToNoticeKey",
        ),
        (
            [
                {
                    "TYPE": "AddOrChangeSimple",
                    "item": {
                        "TYPE": "FileWatch",
                        "path": "F",
                        "workflowPath": "W",
                        "agentPath": "A",
                        "directoryExpr": "'/in'",
                    },
                }
            ],
            "MissingReferencedItem",
        ),
        ([{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "JobResource", "path": "L"}}], "must be signed"),
        ([{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "AgentRef", "path": "_", "directors": ["x"]}}], "InvalidName"),
        (
            [{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "AgentRef", "path": "A", "directors": ["x"]}}],
            "MissingReferencedItem",
        ),
        (
            [{"TYPE": "AddOrChangeSimple", "item": {"TYPE": "SubagentItem", "id": "S", "agentPath": "A", "uri": "x"}}],
            "http://HOST:PORT",
        ),
        ([{"TYPE": "Nonsense"}], "JSON DecodingFailure in line 1"),
    ],
)
async def test_wrong_operations_are_refused(world: NodeWorld, operations: list[dict[str, Any]], code: str) -> None:
    assert code in await refusal(world, *operations)


async def test_a_foreign_or_forged_signature_is_refused(world: NodeWorld) -> None:
    operation = world.signed({"TYPE": "JobResource", "path": "R"})
    signed = operation["signedString"]
    forged = {**operation, "signedString": {**signed, "string": signed["string"] + " "}}
    assert "TamperedWithSignedMessage" in await refusal(world, forged)
    unknown = {**operation, "signedString": {**signed, "signature": {"TYPE": "PGP", "signatureString": "x"}}}
    assert "UnknownSignatureType" in await refusal(world, unknown)


async def test_a_workflow_must_carry_the_version_of_the_request(world: NodeWorld) -> None:
    text = world.signed({"TYPE": "Workflow", "versionId": "other", **workflow("W")})
    assert "ItemVersionDoesNotMatch" in await refusal(world, {"TYPE": "AddVersion", "versionId": "v1"}, text)


async def test_the_order_of_a_removed_workflow_is_refused_with_its_own_code(world: NodeWorld) -> None:
    await world.items(*world.agent_items("A"))
    await world.deploy(workflow("W", shell("true")))
    await world.add_order("O", "W")
    await world.items({"TYPE": "AddVersion", "versionId": "x"}, {"TYPE": "RemoveVersioned", "path": "Workflow:W"})
    with pytest.raises(ProblemError) as caught:
        await world.add_order("P", "W")
    assert caught.value.problem.code == "VersionedItemRemoved"


async def test_breakpoints_and_skipped_labels(world: NodeWorld) -> None:
    prompt = {"TYPE": "Prompt", "question": "'?'"}
    await world.deploy(workflow("W", {**prompt, "label": "L"}, prompt))
    await world.command({"TYPE": "ControlWorkflowPath", "workflowPath": "W", "skip": {"L": True}})
    await world.command(
        {"TYPE": "ControlWorkflow", "workflowId": {"path": "W", "versionId": "v1"}, "addBreakpoints": [[1]]}
    )
    await world.add_order("O", "W")
    await world.until_event("O", "OrderSuspended")
    state = world.running_controller.state
    assert state.orders["O"].position == (1,)
    await world.command(
        {"TYPE": "ControlWorkflow", "workflowId": {"path": "W", "versionId": "v1"}, "removeBreakpoints": [[1]]}
    )
    [control] = state.controls.values()
    assert control.breakpoints == ()
    assert control.item_revision == 1
    with pytest.raises(ProblemError, match="Unknown position"):
        await world.command(
            {"TYPE": "ControlWorkflow", "workflowId": {"path": "W", "versionId": "v1"}, "addBreakpoints": [[9]]}
        )


async def test_a_suspended_path_holds_its_orders(world: NodeWorld) -> None:
    await world.deploy(workflow("W", {"TYPE": "Prompt", "question": "'?'"}))
    await world.command({"TYPE": "ControlWorkflowPath", "workflowPath": "W", "suspend": True})
    await world.add_order("O", "W")
    assert world.of("O") == ["OrderAdded"]
    await world.command({"TYPE": "ControlWorkflowPath", "workflowPath": "W", "suspend": False})
    assert world.of("O") == ["OrderAdded", "OrderStarted", "OrderPrompted"]
