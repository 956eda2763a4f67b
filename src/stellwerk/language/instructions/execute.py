"""Execute.Named and Execute.Anonymous: run a job at an Agent (workflow spec 2.2)."""

from __future__ import annotations

from collections.abc import Iterator

from stellwerk.language.expressions import Expression
from stellwerk.language.instructions.base import Checking, Instruction
from stellwerk.language.jobs import WorkflowJob


class ExecuteNamed(Instruction, frozen=True, kw_only=True, tag="Execute.Named"):
    job_name: str
    default_arguments: dict[str, Expression] = {}

    def check(self, context: Checking) -> None:
        if not any(self.job_name in jobs for jobs in context.jobs):
            known = sorted({name for jobs in context.jobs for name in jobs})
            context.problem(
                f"Unknown job name '{self.job_name}'", "jobName", f"known: {', '.join(known)}" if known else None
            )

    def expressions(self) -> Iterator[Expression]:
        return iter(self.default_arguments.values())


class ExecuteAnonymous(Instruction, frozen=True, kw_only=True, tag="Execute.Anonymous"):
    job: WorkflowJob
    default_arguments: dict[str, Expression] = {}

    def expressions(self) -> Iterator[Expression]:
        return iter(self.default_arguments.values())
