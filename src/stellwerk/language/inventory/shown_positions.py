"""Positions of instructions for people who look at a deployed workflow in inventory spelling (cockpit-services 1.2).

The positions are those of the Controller: Segments do not count, as they vanish on deployment. Each block gets the
instruction `ImplicitEnd` that the engine appends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stellwerk.language.positions import position_text

#: Member with one block → branch id, by instruction.
_BLOCKS: dict[str, dict[str, str]] = {
    "If": {"then": "then", "else": "else"},
    "Try": {"try": "try", "catch": "catch"},
    "ForkList": {"workflow": "fork"},
    "Lock": {"lockedWorkflow": "lock"},
    "ConsumeNotices": {"subworkflow": "consumeNotices"},
    "Cycle": {"cycleWorkflow": "cycle"},
    "StickySubagent": {"subworkflow": "stickySubagent"},
    "Options": {"block": "options"},
    "AdmissionTime": {"block": "admissionTime"},
    "CaseWhen": {"else": "else"},
}

Prefix = tuple[int | str, ...]


def with_positions(instructions: list[Any], prefix: Prefix = ()) -> list[Any]:
    """A copy of a list of instructions with `position` and `positionString` at each, and its end."""
    numbers = iter(range(1_000_000_000))
    result = list(_positioned(instructions, prefix, numbers))
    last = instructions[-1] if instructions else None
    if not (isinstance(last, dict) and last.get("TYPE") == "ImplicitEnd"):
        result.append(_at({"TYPE": "ImplicitEnd"}, (*prefix, next(numbers))))
    return result


def _positioned(instructions: list[Any], prefix: Prefix, numbers: Iterator[int]) -> Iterator[Any]:
    for instruction in instructions:
        if not isinstance(instruction, dict):
            yield instruction
        elif instruction.get("TYPE") == "Segment" and isinstance(instruction.get("block"), dict):
            block = instruction["block"]
            inner = list(_positioned(block.get("instructions") or [], prefix, numbers))
            yield {**instruction, "block": {**block, "instructions": inner}}
        else:
            yield _with_blocks(instruction, (*prefix, next(numbers)))


def _with_blocks(instruction: dict[str, Any], position: Prefix) -> dict[str, Any]:
    result = _at(instruction, position)
    for member, branch in _BLOCKS.get(str(instruction.get("TYPE")), {}).items():
        result |= _block(instruction, member, (*position, branch))
    if instruction.get("TYPE") == "Fork" and isinstance(instruction.get("branches"), list):
        result["branches"] = [
            {**branch, **_block(branch, "workflow", (*position, f"fork+{branch.get('id')}"))}
            if isinstance(branch, dict)
            else branch
            for branch in instruction["branches"]
        ]
    if instruction.get("TYPE") == "CaseWhen" and isinstance(instruction.get("cases"), list):
        result["cases"] = [
            {**case, **_block(case, "then", (*position, "then" if index == 0 else f"then+{index + 1}"))}
            if isinstance(case, dict)
            else case
            for index, case in enumerate(instruction["cases"])
        ]
    return result


def _block(holder: dict[str, Any], member: str, prefix: Prefix) -> dict[str, Any]:
    block = holder.get(member)
    if not isinstance(block, dict) or not isinstance(block.get("instructions"), list):
        return {}
    return {member: {**block, "instructions": with_positions(block["instructions"], prefix)}}


def _at(instruction: dict[str, Any], position: Prefix) -> dict[str, Any]:
    return {**instruction, "position": list(position), "positionString": position_text(position)}
