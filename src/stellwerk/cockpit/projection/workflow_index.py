"""Jobs and labels by position, from a workflow's JSON in the Controller's spelling.

A reader of its own, more tolerant than `stellwerk.language`: history must not stop at an instruction of a newer
Controller; what is unknown has no jobs here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.cockpit.projection.model import normalized, position_text


class Step(msgspec.Struct, frozen=True):
    """What stands at a position of a workflow."""

    instruction: str
    label: str | None = None
    job: str | None = None
    agent: str | None = None


class WorkflowIndex:
    """All positions of one workflow version; small, whatever the size of its scripts."""

    __slots__ = ("_steps",)

    def __init__(self, json: bytes | str) -> None:
        self._steps: dict[str, Step] = {}
        workflow = msgspec.json.decode(json)
        if isinstance(workflow, dict):
            self._add(workflow, [], {})

    def step(self, position: list[int | str]) -> Step | None:
        return self._steps.get(position_text(normalized(position)))

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Position texts and what stands there."""
        return iter(self._steps.items())

    def _add(self, block: Any, branch: list[int | str], jobs: dict[str, Any]) -> None:
        instructions = block.get("instructions") if isinstance(block, dict) else block
        if isinstance(block, dict) and isinstance(block.get("jobs"), dict):
            jobs = {**jobs, **block["jobs"]}
        for number, instruction in enumerate(instructions if isinstance(instructions, list) else ()):
            if not isinstance(instruction, dict):
                continue
            position = [*branch, number]
            self._steps[position_text(position)] = _step(instruction, position, jobs)
            for branch_id, nested in _branches(instruction):
                self._add(nested, [*position, branch_id], jobs)


def _step(instruction: dict[str, Any], position: list[int | str], jobs: dict[str, Any]) -> Step:
    kind = str(instruction.get("TYPE", ""))
    label = instruction.get("label")
    name, definition = instruction.get("jobName"), instruction.get("job")
    if isinstance(name, str):
        definition = jobs.get(name)
    elif isinstance(definition, dict):
        name = label or f"<anonymous>@{position_text(position)}"
    agent = definition.get("agentPath") if isinstance(definition, dict) else None
    return Step(instruction=kind, label=label, job=name, agent=agent)


def _branches(instruction: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Branch ids (workflow spec 3.2) and blocks."""
    kind = instruction.get("TYPE")
    for index, if_then in enumerate(instruction.get("ifThens") or ()):
        if isinstance(if_then, dict):
            yield ("then" if index == 0 else f"then+{index + 1}"), if_then.get("then")
    for branch in instruction.get("branches") or ():
        if isinstance(branch, dict):
            yield f"fork+{branch.get('id')}", branch.get("workflow")
    names = {
        "then": "then",
        "else": "else",
        "try": "try",
        "catch": "catch",
        "lockedWorkflow": "lock",
        "cycleWorkflow": "cycle",
    }
    for member, branch_id in names.items():
        if member in instruction:
            yield branch_id, instruction[member]
    by_kind = {
        "ForkList": ("workflow", "fork"),
        "Options": ("block", "options"),
        "AdmissionTime": ("block", "admissionTime"),
        "StickySubagent": ("subworkflow", "stickySubagent"),
        "ConsumeNotices": ("subworkflow", "consumeNotices"),
    }
    if kind in by_kind:
        member, branch_id = by_kind[str(kind)]
        yield branch_id, instruction.get(member)
