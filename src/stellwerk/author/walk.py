"""A workflow's instructions with all that an author's tools want to know of their surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from stellwerk.language.instructions import Block, Instruction
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.positions import Position
from stellwerk.language.workflow import Workflow


class Visited(msgspec.Struct, frozen=True):
    """An instruction, its place, and the instructions whose blocks it stands in, outermost first."""

    instruction: Instruction
    position: Position
    #: JSON path in the engine's form.
    path: str
    ancestors: tuple[tuple[Instruction, str], ...]
    #: Jobs in reach, the innermost block first.
    jobs: tuple[Mapping[str, WorkflowJob], ...]
    #: Is it the last one of its block that is written?
    following: int


def outer_block(workflow: Workflow) -> Block:
    definition = workflow.definition
    return Block(instructions=definition.instructions, jobs=definition.jobs)


def visit(workflow: Workflow) -> Iterator[Visited]:
    """All instructions, in the order of the text."""
    yield from _visit(outer_block(workflow), (), "$", (), ())


def _visit(
    block: Block,
    branch: Position,
    path: str,
    ancestors: tuple[tuple[Instruction, str], ...],
    jobs: tuple[Mapping[str, WorkflowJob], ...],
) -> Iterator[Visited]:
    in_reach = (block.jobs, *jobs)
    for index, instruction in enumerate(block.instructions):
        position = (*branch, index)
        own_path = f"{path}.instructions[{index}]"
        following = len(block.instructions) - index - 1
        yield Visited(instruction, position, own_path, ancestors, in_reach, following)
        for nested in instruction.nested(False):
            yield from _visit(
                nested.block,
                (*position, nested.branch_id),
                f"{own_path}.{nested.json_path}",
                (*ancestors, (instruction, nested.branch_id)),
                in_reach,
            )


def blocks(workflow: Workflow) -> Iterator[tuple[Block, str]]:
    """All blocks with their JSON paths."""
    yield outer_block(workflow), "$"
    for visited in visit(workflow):
        for nested in visited.instruction.nested(False):
            yield nested.block, f"{visited.path}.{nested.json_path}"
