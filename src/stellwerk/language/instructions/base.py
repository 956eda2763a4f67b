"""What every instruction has in common: label, nested blocks, checks (workflow spec 2.0).

One instruction is one module here (its JSON, its blocks, its checks) and one of the same name in
`stellwerk.engine.instructions` (what an order does there).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from stellwerk.language.expressions import Expression
from stellwerk.language.jobs import WorkflowJob
from stellwerk.language.positions import Position, is_fork, position_text
from stellwerk.language.reader import INVALID, Reader, ReadProblem
from stellwerk.values.problems import Problem


class Nested(msgspec.Struct, frozen=True):
    """A block of an instruction: its static branch id, its place in the JSON, and whether Retry may stand in it."""

    branch_id: str
    block: Block
    json_path: str
    is_in_catch: bool = False


class Instruction(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    """An instruction as it stands in a workflow."""

    #: Filled by the package's `__init__`: TYPE → class.
    REGISTRY: ClassVar[dict[str, type[Instruction]]] = {}

    label: str | None = None

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("TYPE"), str):
            return reader.problem(path, "an instruction is an object with a TYPE")
        tag = value["TYPE"]
        instruction_class = cls.REGISTRY.get(tag)
        if instruction_class is None:
            known = ", ".join(sorted(cls.REGISTRY))
            return reader.problem(f"{path}.TYPE", f"unknown TYPE {tag!r} of an instruction", f"known: {known}")
        return reader.read_struct(instruction_class, value, path)

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        """The blocks; `is_in_catch` says whether this instruction itself stands in a catch block."""
        return iter(())

    def check(self, context: Checking) -> None:
        """Record what is wrong with the instruction itself; its blocks are checked by the walk."""

    def expressions(self) -> Iterator[Expression]:
        """Expressions of the instruction itself, for reference checks."""
        return iter(())


class Block(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A nested workflow: instructions, jobs of its own, and for forks the `result` expressions."""

    instructions: tuple[Instruction, ...]
    jobs: dict[str, WorkflowJob] = {}
    result: dict[str, Expression] | None = None

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if isinstance(value, dict) and not isinstance(value.get("instructions"), list):
            reader.problem(f"{path}.instructions", "an array of instructions is expected")
            return INVALID
        return reader.read_struct(cls, value, path)


class Checking:
    """Where the walk over a workflow stands, and what it has found so far."""

    def __init__(self, problems: list[ReadProblem], has_calendar: bool = False) -> None:
        self.problems = problems
        self.labels: dict[str, list[Position]] = {}
        self.label_paths: dict[str, str] = {}
        self.position: Position = ()
        self.path = "$"
        self.is_in_catch = False
        #: Fork and ForkList reset it: a child order cannot leave its parent's cycle.
        self.is_in_cycle = False
        self.has_calendar = has_calendar
        self.jobs: tuple[Mapping[str, WorkflowJob], ...] = ()

    def problem(self, problem: Problem | str, member: str = "", remedy: str | None = None) -> None:
        value = Problem(message=problem) if isinstance(problem, str) else problem
        path = f"{self.path}.{member}" if member else self.path
        self.problems.append(ReadProblem(path=path, problem=value, remedy=remedy))

    def walk(self, block: Block, branch: Position, path: str, is_in_catch: bool = False) -> None:
        outer_jobs = self.jobs
        self.jobs = (block.jobs, *outer_jobs)
        for index, instruction in enumerate(block.instructions):
            position = (*branch, index)
            self.position, self.path, self.is_in_catch = position, f"{path}.instructions[{index}]", is_in_catch
            if instruction.label is not None:
                self.labels.setdefault(instruction.label, []).append(position)
                self.label_paths.setdefault(instruction.label, self.path)
            instruction.check(self)
            here, is_in_cycle = self.path, self.is_in_cycle
            for nested in instruction.nested(is_in_catch):
                branch_id = nested.branch_id
                self.is_in_cycle = branch_id == "cycle" or (is_in_cycle and not is_fork(branch_id))
                self.walk(nested.block, (*position, branch_id), f"{here}.{nested.json_path}", nested.is_in_catch)
            self.is_in_cycle = is_in_cycle
        self.jobs = outer_jobs

    def check_labels(self) -> None:
        for label, positions in self.labels.items():
            if len(positions) > 1:
                self.path = self.label_paths[label]
                texts = ", ".join(position_text(position) for position in positions)
                self.problem(f"Label '{label}' is duplicated at positions {texts}", "label")
