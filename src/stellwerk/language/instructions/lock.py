"""Lock: hold one or several locks while a block is executed (workflow spec 2.10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stellwerk.language.instructions.base import Block, Checking, Instruction, Nested
from stellwerk.language.names import check_name
from stellwerk.values.problems import Problem, ProblemError


class LockDemand(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How much of a lock is wanted; without `count` all of it, exclusively."""

    lock_path: str
    count: int | None = None


class Lock(Instruction, frozen=True, kw_only=True, tag="Lock"):
    demands: tuple[LockDemand, ...]
    locked_workflow: Block

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "lockPath" not in value:
            return value
        if value.get("demands") is not None:
            raise ProblemError("Lock has either demands or the old lockPath, not both")
        return {**value, "demands": [{"lockPath": value["lockPath"], "count": value.get("count")}]}

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("lock", self.locked_workflow, "lockedWorkflow")

    def check(self, context: Checking) -> None:
        if not self.demands:
            context.problem("Lock needs at least one demand", "demands")
        paths = [demand.lock_path for demand in self.demands]
        for index, demand in enumerate(self.demands):
            if problem := check_name("Lock", demand.lock_path):
                context.problem(problem, f"demands[{index}].lockPath")
            if demand.lock_path in paths[:index]:
                context.problem(
                    Problem.of("DuplicateKey", type="LockPath", key=f"Lock:{demand.lock_path}"), f"demands[{index}]"
                )
            if demand.count is not None and demand.count < 1:
                context.problem(f"LockDemand.count must not be below 1: {demand.count}", f"demands[{index}].count")
