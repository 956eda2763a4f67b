"""A workflow: its JSON, its checks, and the look-ups that the engine needs (workflow spec 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.language.expressions import Expression, Scope, soft_string
from stellwerk.language.instructions import (
    IMPLICIT_END,
    Block,
    Checking,
    ConsumeNotices,
    End,
    ExecuteAnonymous,
    ExecuteNamed,
    ExpectNotices,
    ImplicitEnd,
    Instruction,
    Lock,
    PostNotices,
    StickySubagent,
)
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.names import check_name
from stellwerk.language.parameters import NO_PREPARATION, OrderPreparation
from stellwerk.language.positions import (
    BranchPath,
    Position,
    PositionOrLabel,
    WorkflowId,
    normalize,
    position_text,
)
from stellwerk.language.reader import INVALID, Reader, parse_json
from stellwerk.values.problems import ProblemError


class WorkflowDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE", tag="Workflow"):
    """The members of a workflow item."""

    path: str = ""
    version_id: str = ""
    order_preparation: OrderPreparation = NO_PREPARATION
    time_zone: str = "UTC"
    job_resource_paths: tuple[str, ...] = ()
    calendar_path: str | None = None
    instructions: tuple[Instruction, ...]
    jobs: dict[str, WorkflowJob] = {}
    source: str | None = None

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if isinstance(value, dict) and value.get("TYPE", "Workflow") != "Workflow":
            return reader.problem(f"{path}.TYPE", f"a Workflow is expected, not {value['TYPE']!r}")
        if isinstance(value, dict) and not isinstance(value.get("instructions"), list):
            return reader.problem(f"{path}.instructions", "an array of instructions is expected")
        return reader.read_struct(cls, value, path)


class JobKey(msgspec.Struct, frozen=True):
    """Which job: the block that defines it and its name, or the position of an anonymous one (workflow spec 4.1)."""

    workflow_id: WorkflowId
    place: BranchPath
    name: str | None = None


class Workflow:
    """An immutable, checked workflow with its look-ups."""

    __slots__ = ("_found_jobs", "_instructions", "_jobs", "_labels", "definition", "id")

    def __init__(self, definition: WorkflowDefinition) -> None:
        self.definition = definition
        self.id = WorkflowId(definition.path, definition.version_id)
        self._instructions: dict[Position, Instruction] = {}
        self._labels: dict[str, Position] = {}
        self._jobs: dict[BranchPath, dict[str, WorkflowJob]] = {}
        #: What `job` has found, for positions as they are written in the workflow (no more than these).
        self._found_jobs: dict[Position, tuple[JobKey, WorkflowJob]] = {}
        self._index(Block(instructions=definition.instructions, jobs=definition.jobs), ())

    def _index(self, block: Block, branch: BranchPath) -> None:
        if block.jobs:
            self._jobs[branch] = block.jobs
        index = -1
        for index, instruction in enumerate(block.instructions):
            position = (*branch, index)
            self._instructions[position] = instruction
            if instruction.label is not None:
                self._labels[instruction.label] = position
            for nested in instruction.nested(False):
                self._index(nested.block, (*position, nested.branch_id))
        if index < 0 or not isinstance(block.instructions[index], End | ImplicitEnd):
            self._instructions[(*branch, index + 1)] = IMPLICIT_END

    def instruction(self, position: Position) -> Instruction:
        """The instruction at a (dynamic) position. Raises `ProblemError` when there is none."""
        found = self._instructions.get(position)
        if found is None:
            found = self._instructions.get(normalize(position))
            if found is None:
                raise ProblemError(f"Unknown position {position_text(position)} in Workflow:{self.id}")
        return found

    def has_position(self, position: Position) -> bool:
        return normalize(position) in self._instructions

    def has_block(self, path: BranchPath) -> bool:
        return not path or normalize((*path, 0)) in self._instructions

    def position_of_label(self, label: str) -> Position:
        position = self._labels.get(label)
        if position is None:
            raise ProblemError.of("UnknownKey", type="Label", key=label)
        return position

    def resolve(self, position_or_label: PositionOrLabel) -> Position:
        """A position; labels are looked up. Raises `ProblemError` for unknown ones."""
        if isinstance(position_or_label, str):
            return self.position_of_label(position_or_label)
        self.instruction(position_or_label)
        return position_or_label

    def job(self, position: Position) -> tuple[JobKey, WorkflowJob]:
        """The job of the Execute instruction at the position. Raises `ProblemError` when there is none."""
        found = self._found_jobs.get(position)
        if found is None:
            found = self._find_job(position)
            if position in self._instructions:
                self._found_jobs[position] = found
        return found

    def _find_job(self, position: Position) -> tuple[JobKey, WorkflowJob]:
        instruction = self.instruction(position)
        normalized = normalize(position)
        if isinstance(instruction, ExecuteAnonymous):
            return JobKey(self.id, normalized), instruction.job
        if isinstance(instruction, ExecuteNamed):
            for end in range(len(normalized) - 1, -1, -2):
                jobs = self._jobs.get(normalized[:end])
                if jobs is not None and instruction.job_name in jobs:
                    return JobKey(self.id, normalized[:end], instruction.job_name), jobs[instruction.job_name]
        raise ProblemError(f"No job at position {position_text(position)} in Workflow:{self.id}")

    def job_of(self, key: JobKey) -> WorkflowJob:
        if key.name is not None:
            return self._jobs[key.place][key.name]
        return self.job(key.place)[1]

    def instructions_of_block(self, branch: BranchPath) -> Iterator[tuple[Position, Instruction]]:
        """The instructions that stand directly in a block."""
        index = 0
        while (instruction := self._instructions.get((*normalize(branch), index))) is not None:
            yield (*branch, index), instruction
            index += 1

    def instructions(self) -> Iterator[tuple[Position, Instruction]]:
        return iter(self._instructions.items())

    def agent_paths(self) -> frozenset[str]:
        """Agents that the jobs and forks refer to."""
        paths = {job.agent_path for jobs in self._jobs.values() for job in jobs.values()}
        for instruction in self._instructions.values():
            if isinstance(instruction, ExecuteAnonymous):
                paths.add(instruction.job.agent_path)
            agent_path = getattr(instruction, "agent_path", None)
            if agent_path is not None:
                paths.add(agent_path)
        return frozenset(paths)

    def all_jobs(self) -> Iterator[WorkflowJob]:
        for jobs in self._jobs.values():
            yield from jobs.values()
        for instruction in self._instructions.values():
            if isinstance(instruction, ExecuteAnonymous):
                yield instruction.job

    def lock_paths(self) -> frozenset[str]:
        locks = (item for item in self._instructions.values() if isinstance(item, Lock))
        return frozenset(demand.lock_path for lock in locks for demand in lock.demands)

    def board_paths(self) -> frozenset[str]:
        paths: set[str] = set()
        for instruction in self._instructions.values():
            if isinstance(instruction, PostNotices):
                paths.update(instruction.board_paths)
            elif isinstance(instruction, ExpectNotices | ConsumeNotices):
                paths.update(instruction.boards.board_paths())
        return frozenset(paths)

    def subagent_bundle_ids(self) -> frozenset[str]:
        """Those that are named by constants: of bundles, or of Subagents."""
        expressions = [job.subagent_bundle_id_expr for job in self.all_jobs()]
        for instruction in self._instructions.values():
            if isinstance(instruction, StickySubagent):
                expressions.append(instruction.subagent_bundle_id_expr)
        ids = {
            soft_string(expression.evaluate(Scope())) or ""
            for expression in expressions
            if expression is not None and expression.is_pure
        }
        return frozenset(ids - {""})

    def job_resource_paths(self) -> frozenset[str]:
        """Job resources that the workflow, its jobs and their expressions refer to by name."""
        paths = set(self.definition.job_resource_paths)
        expressions: list[Expression] = []
        for job in self.all_jobs():
            paths.update(job.job_resource_paths)
            expressions += [*job.default_arguments.values(), *job.executable.env.values()]
        for parameter in self.definition.order_preparation.parameters.values():
            if parameter.expression is not None:
                expressions.append(parameter.expression)
        for instruction in self._instructions.values():
            expressions += instruction.expressions()
        for expression in expressions:
            paths |= expression.job_resource_paths()
        return frozenset(paths)


def read_workflow(data: Any) -> Workflow:
    """A workflow from its engine JSON (bytes, text or plain values). Raises `ReadError` with every problem found."""
    value = parse_json(data) if isinstance(data, bytes | str) else data
    reader = Reader()
    definition = reader.read(WorkflowDefinition, value, "$")
    if definition is not INVALID:
        if definition.path and (problem := check_name("Workflow", definition.path)):
            reader.problem("$.path", problem)
        checking = Checking(reader.problems, has_calendar=definition.calendar_path is not None)
        checking.walk(Block(instructions=definition.instructions, jobs=definition.jobs), (), "$")
        checking.check_labels()
    reader.result(definition)
    return Workflow(definition)
