"""Jobs: what runs, where, under which limits (workflow spec 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from stellwerk.language.expressions import Expression, parse_expression, quote_string
from stellwerk.language.names import check_name, is_name
from stellwerk.language.reader import INVALID, DurationMs, Reader
from stellwerk.language.schedules import AdmissionTimeScheme
from stellwerk.values.problems import Problem, ProblemError


class ReturnCodes(msgspec.Struct, frozen=True):
    """A set of return codes as inclusive ranges: `"0,3..5,10"` or `[0,3,[5,9]]`."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(low) if low == high else f"{low}..{high}" for low, high in self.ranges)

    @classmethod
    def parse(cls, value: Any) -> ReturnCodes:
        """Raises `ProblemError`."""
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(((value, value),))
        if isinstance(value, str):
            parts: list[Any] = [part.strip().split("..") for part in value.split(",") if part.strip()]
        elif isinstance(value, list):
            parts = [part if isinstance(part, list) else [part] for part in value]
        else:
            raise ProblemError('Return codes are expected, like "0,3..5" or [0,[3,5]]')
        ranges = []
        for part in parts:
            try:
                low, high = int(part[0]), int(part[-1])
            except (ValueError, TypeError, IndexError) as error:
                raise ProblemError(f"Not a range of return codes: {part!r}") from error
            if len(part) > 2 or low > high:
                raise ProblemError(f"Not a range of return codes: {part!r}")
            ranges.append((low, high))
        return cls(tuple(ranges))


class ReturnCodeMeaning(msgspec.Struct, frozen=True):
    """Which return codes mean success; `failure` wins if both are given."""

    success: ReturnCodes | None = None
    failure: ReturnCodes | None = None

    def is_success(self, code: int) -> bool:
        if self.failure is not None:
            return code not in self.failure
        return code in (self.success if self.success is not None else _ZERO)

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if not isinstance(value, dict):
            return reader.problem(path, 'an object like {"success":"0,3..5"} is expected')
        codes: dict[str, ReturnCodes] = {}
        for name in ("success", "failure"):
            if value.get(name) is not None:
                try:
                    codes[name] = ReturnCodes.parse(value[name])
                except ProblemError as error:
                    return reader.problem(f"{path}.{name}", error.problem)
        return cls(**codes)


_ZERO = ReturnCodes(((0, 0),))
DEFAULT_RETURN_CODE_MEANING = ReturnCodeMeaning()


class Login(msgspec.Struct, frozen=True, rename="camel"):
    """Windows only; kept, without effect on Unix."""

    credential_key: str
    with_user_profile: bool = False


class ShellScriptExecutable(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("ScriptExecutable", "ExecutableScript")
    script: str
    env: dict[str, Expression] = {}
    login: Login | None = None
    return_code_meaning: ReturnCodeMeaning = DEFAULT_RETURN_CODE_MEANING
    v1_compatible: bool = msgspec.field(default=False, name="v1Compatible")


def check_relative_executable(path: str) -> Problem | None:
    """Rules for relative paths below the Agent's executables directory (workflow spec 4.2)."""
    if path.startswith("/") or (len(path) > 2 and path[1] == ":" and path[2] in "\\/"):
        return None
    if not path:
        return Problem.of("EmptyString", type="RelativePathExecutable")
    is_bad = "\\" in path or path.startswith(".") or "/." in path or path != path.strip() or "\0" in path
    return Problem.of("InvalidName", type="RelativePathExecutable", name=path) if is_bad else None


class PathExecutable(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("ExecutablePath",)
    path: str
    env: dict[str, Expression] = {}
    login: Login | None = None
    return_code_meaning: ReturnCodeMeaning = DEFAULT_RETURN_CODE_MEANING
    v1_compatible: bool = msgspec.field(default=False, name="v1Compatible")

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        path = value.get("path")
        problem = check_relative_executable(path) if isinstance(path, str) else None
        if problem is not None:
            raise ProblemError(problem)
        return value


class CommandLineExecutable(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    command: str
    env: dict[str, Expression] = {}
    login: Login | None = None
    return_code_meaning: ReturnCodeMeaning = DEFAULT_RETURN_CODE_MEANING


class InternalExecutable(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="TYPE"):
    class_name: str
    script: str = ""
    job_arguments: dict[str, Expression] = {}
    arguments: dict[str, Expression] = {}
    env: dict[str, Expression] = {}


Executable = ShellScriptExecutable | PathExecutable | CommandLineExecutable | InternalExecutable


class WorkflowJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A job (workflow spec 4.1)."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "parallelism": "processLimit",
        "skipIfNoAdmissionForOrderDay": "skipIfNoAdmissionStartForOrderDay",
    }

    agent_path: str
    executable: Executable
    default_arguments: dict[str, Expression] = {}
    subagent_bundle_id_expr: Expression | None = None
    job_resource_paths: tuple[str, ...] = ()
    process_limit: int = 1
    timeout_ms: DurationMs | None = msgspec.field(default=None, name="timeout")
    sigkill_delay_ms: DurationMs | None = msgspec.field(default=None, name="sigkillDelay")
    kill_at_end_of_admission_period: bool = False
    fail_on_err_written: bool = False
    admission_time_scheme: AdmissionTimeScheme | None = None
    skip_if_no_admission_start_for_order_day: bool = False
    is_not_restartable: bool = False

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("subagentBundleId", "subagentSelectionId"):
            if isinstance(value.get(name), str):
                return {**value, "subagentBundleIdExpr": quote_string(value[name])}
        if value.get("subagentSelectionIdExpr") is not None:
            return {**value, "subagentBundleIdExpr": value["subagentSelectionIdExpr"]}
        return value

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        job = reader.read_struct(cls, value, path)
        if job is INVALID:
            return job
        problem = check_name("AgentRef", job.agent_path)
        if problem is not None:
            reader.problem(f"{path}.agentPath", problem)
        if len(set(job.job_resource_paths)) != len(job.job_resource_paths):
            duplicate = next(item for item in job.job_resource_paths if job.job_resource_paths.count(item) > 1)
            reader.problem(f"{path}.jobResourcePaths", Problem.of("DuplicateKey", type="JobResource", key=duplicate))
        expression = job.subagent_bundle_id_expr
        if expression is not None and expression.is_constant:
            constant = expression.constant
            if not isinstance(constant, str) or (constant and not is_name(constant)):
                reader.problem(
                    f"{path}.subagentBundleIdExpr", Problem.of("InvalidName", type="SubagentBundle", name=str(constant))
                )
        return job


#: What the Cockpit's engineers use to quote texts that are no expressions.
__all__ = [
    "DEFAULT_RETURN_CODE_MEANING",
    "CommandLineExecutable",
    "Executable",
    "InternalExecutable",
    "Login",
    "PathExecutable",
    "ReturnCodeMeaning",
    "ReturnCodes",
    "ShellScriptExecutable",
    "WorkflowJob",
    "parse_expression",
]
