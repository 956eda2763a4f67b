"""Positions shown in workflows are those of the engine (workflow spec 3.2)."""

from __future__ import annotations

from typing import Any

from stellwerk.language.inventory import Target, with_positions, workflow_to_engine
from stellwerk.language.positions import check_position
from stellwerk.language.workflow import read_workflow

JOB = {"TYPE": "Execute.Named", "jobName": "j"}


def _walk(instructions: list[Any]) -> list[tuple[tuple[int | str, ...], str]]:
    found = []
    for instruction in instructions:
        if "position" in instruction:
            found.append((check_position(instruction["position"]), instruction["TYPE"]))
        holders = [instruction, *instruction.get("branches", []), *instruction.get("cases", [])]
        for holder in holders:
            for block in holder.values():
                if isinstance(block, dict) and "instructions" in block:
                    found += _walk(block["instructions"])
    return found


def test_each_shown_position_is_where_the_engine_has_the_same_instruction() -> None:
    block = {"instructions": [JOB]}
    instructions = [
        {"TYPE": "Segment", "block": {"instructions": [JOB, JOB]}},
        {"TYPE": "If", "predicate": "true", "then": block, "else": block},
        {"TYPE": "CaseWhen", "cases": [{"predicate": "true", "then": block}] * 2, "else": block},
        {"TYPE": "Try", "try": {"instructions": [JOB, JOB]}, "catch": block},
        {"TYPE": "Fork", "branches": [{"id": "a", "workflow": block}, {"id": "b", "workflow": block}]},
    ]
    content = {
        "instructions": instructions,
        "jobs": {"j": {"agentName": "A", "executable": {"TYPE": "ShellScriptExecutable", "script": ""}}},
    }
    workflow = read_workflow(workflow_to_engine(content, Target(path="/W", version_id="1")).value)
    shown = _walk(with_positions(instructions))
    same_names = {"ExecuteNamed": "Execute.Named"}
    engine = {
        position: same_names.get(type(instruction).__name__, type(instruction).__name__)
        for position, instruction in workflow.instructions()
    }
    assert {position: "If" if type_ == "CaseWhen" else type_ for position, type_ in shown} == engine


def test_a_shown_end_is_not_shown_twice() -> None:
    once = with_positions([JOB])
    assert [item["TYPE"] for item in with_positions(once)] == ["Execute.Named", "ImplicitEnd"]
    assert once[1]["positionString"] == "1"
