"""Items that must be signed: workflows and job resources (workflow spec 8.3)."""

from __future__ import annotations

import msgspec

from stellwerk.language.expressions import Expression
from stellwerk.language.items.base import ItemKey, job_resource_key
from stellwerk.language.names import check_name
from stellwerk.language.reader import INVALID, Reader, parse_json
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.problems import ProblemError


class JobResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Variables and environment for jobs. Read from its signed text, never encoded."""

    path: str
    variables: dict[str, Expression] = {}
    env: dict[str, Expression] = {}

    @property
    def key(self) -> ItemKey:
        return job_resource_key(self.path)


def read_signed_item(text: str) -> Workflow | JobResource:
    """The item in a signed text. Raises `ProblemError` with every problem found."""
    value = parse_json(text)
    kind = value.get("TYPE") if isinstance(value, dict) else None
    if kind == "Workflow":
        return read_workflow(value)
    if kind == "JobResource":
        reader = Reader()
        item = reader.read(JobResource, value, "$")
        if item is not INVALID and (problem := check_name("JobResource", item.path)):
            reader.problem("$.path", problem)
        return reader.result(item)  # type: ignore[no-any-return]
    raise ProblemError(f"A signed item must be a Workflow or a JobResource, not {kind!r}")
