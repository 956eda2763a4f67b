"""Jobs and executables (workflow spec 9.1, services spec 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stellwerk.language.expressions import is_expression
from stellwerk.language.inventory.conversion import Converter, compact, first_of
from stellwerk.language.inventory.include_scripts import expand_includes
from stellwerk.language.inventory.quoting import expressions_of, quoted, with_engine_names
from stellwerk.language.jobs import ReturnCodes
from stellwerk.values.problems import ProblemError

JAVASCRIPT_JOB = "com.sos.js7.scriptengine.jobs.JavaScriptJob"
PYTHON_JOB = "com.sos.js7.scriptengine.jobs.PythonJob"
_CLASS_OF_INTERNAL_TYPE = {
    "JavaScript_Graal": JAVASCRIPT_JOB,
    "JavaScript_Node": JAVASCRIPT_JOB,
    "Python_Graal": PYTHON_JOB,
}
_INTERNAL_TYPE_OF_CLASS = {JAVASCRIPT_JOB: "JavaScript_Graal", PYTHON_JOB: "Python_Graal"}
_SCRIPT_TYPES = ("ScriptExecutable", "ExecutableScript")

#: Members of an engine job that say nothing when they have this value.
_JOB_DEFAULTS: dict[str, Any] = {
    "processLimit": 1,
    "sigkillDelay": 15,
    "defaultArguments": {},
    "jobResourcePaths": [],
    "failOnErrWritten": False,
    "killAtEndOfAdmissionPeriod": False,
    "skipIfNoAdmissionStartForOrderDay": False,
    "isNotRestartable": False,
}


def job_to_engine(converter: Converter, job: Any, path: str, *, inherited: Mapping[str, str] | None = None) -> Any:
    """`inherited` brings `agentName` and perhaps `subagentClusterIdExpr` of an enclosing ForkList or StickySubagent."""
    if not isinstance(job, dict):
        return job
    agent = first_of(job, "agentName", "agentId", "agentPath")
    cluster = subagent_expression(job)
    if inherited is not None:
        if agent is None:
            agent = inherited["agentName"]
            cluster = inherited.get("subagentClusterIdExpr", cluster)
        elif agent == inherited["agentName"] and cluster is None:
            cluster = inherited.get("subagentClusterIdExpr")
    return converter.place(
        compact(
            {
                "agentPath": converter.agent_id(agent, f"{path}.agentName"),
                "executable": executable_to_engine(converter, job, f"{path}.executable"),
                "defaultArguments": expressions_of(job.get("defaultArguments")),
                "subagentBundleIdExpr": cluster,
                "jobResourcePaths": first_of(job, "jobResourceNames", "jobResourcePaths"),
                "processLimit": first_of(job, "parallelism", "taskLimit", "processLimit"),
                "timeout": job.get("timeout"),
                "sigkillDelay": first_of(job, "graceTimeout", "sigkillDelay"),
                "failOnErrWritten": job.get("failOnErrWritten"),
                "admissionTimeScheme": job.get("admissionTimeScheme"),
                "skipIfNoAdmissionStartForOrderDay": first_of(
                    job, "skipIfNoAdmissionForOrderDay", "skipIfNoAdmissionStartForOrderDay"
                ),
                "killAtEndOfAdmissionPeriod": job.get("killAtEndOfAdmissionPeriod"),
                "isNotRestartable": job.get("isNotRestartable"),
            },
            _JOB_DEFAULTS,
        ),
        path,
    )


def subagent_expression(value: Mapping[str, Any]) -> Any:
    """The Subagent (cluster) of a job, ForkList or StickySubagent as an expression."""
    expression = first_of(value, "subagentClusterIdExpr", "subagentSelectionIdExpr", "subagentBundleIdExpr")
    if expression is not None:
        return with_engine_names(expression) if isinstance(expression, str) else expression
    plain = first_of(value, "subagentClusterId", "subagentSelectionId", "subagentBundleId")
    if not isinstance(plain, str):
        return plain
    return plain if plain and is_expression(plain) else quoted(plain)


def executable_to_engine(converter: Converter, job: Mapping[str, Any], path: str) -> Any:
    executable = job.get("executable")
    if not isinstance(executable, dict):
        return executable
    result = dict(executable)
    if result.get("TYPE") in _SCRIPT_TYPES:
        result["TYPE"] = "ShellScriptExecutable"
    for name in ("env", "arguments", "jobArguments"):
        if result.get(name) is not None:
            result[name] = expressions_of(result[name])
    meaning = executable.get("returnCodeMeaning")
    if meaning is None:
        meaning = job.get("returnCodeMeaning")
    result["returnCodeMeaning"] = _meaning_to_engine(converter, meaning, f"{path}.returnCodeMeaning")
    login = result.get("login")
    if isinstance(login, dict) and not login.get("credentialKey"):
        result["login"] = None
    if isinstance(result.get("script"), str):
        result["script"] = expand_includes(converter, result["script"], f"{path}.script")
    if result.get("TYPE") == "InternalExecutable":
        internal_type = result.pop("internalType", None)
        result["className"] = _CLASS_OF_INTERNAL_TYPE.get(internal_type, result.get("className"))
        result["returnCodeMeaning"] = None  # there is only a warning, which the engine does not know
    defaults = {"env": {}, "arguments": {}, "jobArguments": {}, "v1Compatible": False}
    return converter.place(compact(result, defaults), path)


def _meaning_to_engine(converter: Converter, meaning: Any, path: str) -> Any:
    """`returnCodeMeaning` without the `warning` that the engine does not know: codes of warnings are no failures."""
    if not isinstance(meaning, dict):
        return meaning
    success, failure, warning = meaning.get("success"), meaning.get("failure"), meaning.get("warning")
    if failure == "none":
        return {"failure": ""}
    if _is_nothing(warning):
        warning = None
    if warning is not None:
        try:
            warning_codes = ReturnCodes.parse(warning)
            if failure is not None:
                return {"failure": str(_without(ReturnCodes.parse(failure), warning_codes))}
            wanted = ReturnCodes.parse("0" if _is_nothing(success) else success)
            return {"success": f"{wanted},{warning_codes}"}
        except ProblemError as error:
            converter.problem(path, error.problem)
            return None
    if failure is not None:
        return {"failure": failure}
    return None if _is_nothing(success) or success in ("0", [0], 0) else {"success": success}


def _is_nothing(codes: Any) -> bool:
    return codes is None or (isinstance(codes, str | list) and not codes)


def _without(codes: ReturnCodes, others: ReturnCodes) -> ReturnCodes:
    ranges = list(codes.ranges)
    for other_low, other_high in others.ranges:
        remaining = []
        for low, high in ranges:
            if low < other_low:
                remaining.append((low, min(high, other_low - 1)))
            if high > other_high:
                remaining.append((max(low, other_high + 1), high))
        ranges = remaining
    return ReturnCodes(tuple(ranges))


def job_from_engine(job: Any) -> Any:
    """An engine job in the inventory's names."""
    if not isinstance(job, dict):
        return job
    return compact(
        {
            "agentName": job.get("agentPath"),
            "subagentClusterIdExpr": job.get("subagentBundleIdExpr"),
            "withSubagentClusterIdExpr": True if job.get("subagentBundleIdExpr") is not None else None,
            "executable": executable_from_engine(job.get("executable")),
            "admissionTimeScheme": job.get("admissionTimeScheme"),
            "skipIfNoAdmissionForOrderDay": job.get("skipIfNoAdmissionStartForOrderDay"),
            "killAtEndOfAdmissionPeriod": job.get("killAtEndOfAdmissionPeriod"),
            "parallelism": job.get("processLimit"),
            "timeout": job.get("timeout"),
            "graceTimeout": job.get("sigkillDelay"),
            "failOnErrWritten": job.get("failOnErrWritten"),
            "defaultArguments": job.get("defaultArguments"),
            "jobResourceNames": job.get("jobResourcePaths"),
            "isNotRestartable": job.get("isNotRestartable"),
        },
        {
            "parallelism": 1,
            "failOnErrWritten": False,
            "killAtEndOfAdmissionPeriod": False,
            "skipIfNoAdmissionForOrderDay": False,
            "isNotRestartable": False,
            "defaultArguments": {},
            "jobResourceNames": [],
        },
    )


def executable_from_engine(executable: Any) -> Any:
    if not isinstance(executable, dict):
        return executable
    result = dict(executable)
    meaning = result.get("returnCodeMeaning")
    if isinstance(meaning, dict) and meaning.get("failure") in ("", []):
        result["returnCodeMeaning"] = {"failure": "none"}
    if result.get("TYPE") == "InternalExecutable":
        result["internalType"] = _INTERNAL_TYPE_OF_CLASS.get(str(result.get("className")), "Java")
    return result
