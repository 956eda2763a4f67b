"""What a Subagent is told to run, and how this becomes a program with its environment (workflow spec 4.2 to 4.4).

Values of orders reach a job only through its environment and as whole words of a command line; a script's text is
constant (reliability 5.5). All checks are done here, before a process exists; what fails is a `LaunchError` that says
what is wrong, where, and what to do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.agent.subagent.files import FilesScope, ProcessFiles
from stellwerk.agent.subagent.scripts import ScriptFiles
from stellwerk.agent.subagent.worker_pool import CallRequest
from stellwerk.effects.processes import ProcessStart
from stellwerk.language.command_line import parse_command_line
from stellwerk.language.expressions import EMPTY_SCOPE, Expression, Scope, soft_string
from stellwerk.language.jobs import (
    CommandLineExecutable,
    Executable,
    InternalExecutable,
    PathExecutable,
    ShellScriptExecutable,
    WorkflowJob,
    check_relative_executable,
)
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import Problem, ProblemError

#: Linux' limit for one `NAME=VALUE` or one argument (MAX_ARG_STRLEN, without the closing NUL).
MAXIMUM_TEXT_BYTES = 131_071


class LaunchError(Exception):
    """The process cannot be started; the text becomes the message of the outcome `Failed`."""


class LaunchEvaluationError(LaunchError):
    """An expression of the job's environment cannot be evaluated: the outcome is `Disrupted`."""


class JobLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of an order to run a job."""

    order_id: str
    #: The event id of `OrderProcessingStarted` as text.
    attempt: str
    job: WorkflowJob
    #: Names, expressions and the scopes to evaluate them in; a later entry wins, a missing value removes the variable.
    environment: Sequence[tuple[str, Expression, Scope]] = ()
    #: Where the variables of a command line are found.
    scope: Scope = EMPTY_SCOPE
    #: Default arguments and order variables for `v1Compatible` executables.
    v1_arguments: Mapping[str, JsonValue] = {}
    #: The order's arguments and the job's defaults, for internal jobs.
    variables: Mapping[str, JsonValue] = {}
    #: The job is timed out at this instant, milliseconds since 1970 (spec 4.6).
    end_of_admission_period_ms: int | None = None


class LaunchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an Agent's configuration says about starting jobs."""

    #: The Subagent's own environment, which each process inherits.
    environment: Mapping[str, str]
    executables_directory: Path
    working_directory: str | None = None
    #: `js7.job.execution.encoding`: of scripts, output and return values.
    encoding: str = "utf-8"
    #: `js7.job.execution.signed-script-injection-allowed`.
    script_injection_allowed: bool = False


def process_start(
    launch: JobLaunch, settings: LaunchSettings, scripts: ScriptFiles, files: ProcessFiles
) -> ProcessStart:
    """Evaluate everything and write the files that are needed. Raises `LaunchError`."""
    executable = launch.job.executable
    arguments = _arguments(executable, launch, settings, scripts, files)
    environment = _environment(executable, launch, settings, files)
    for argument in arguments:
        _check("An argument of the program", argument)
    return ProcessStart(arguments, environment, launch.attempt, settings.working_directory)


def _arguments(
    executable: Executable, launch: JobLaunch, settings: LaunchSettings, scripts: ScriptFiles, files: ProcessFiles
) -> Sequence[str]:
    match executable:
        case ShellScriptExecutable():
            if not settings.script_injection_allowed:
                raise LaunchError(str(Problem.of("SignedInjectionNotAllowed")))
            try:
                return scripts.arguments(executable.script)
            except UnicodeEncodeError as error:
                raise LaunchError(
                    f"The script cannot be written in the encoding {settings.encoding}: {error}"
                ) from error
            except OSError as error:
                raise LaunchError(f"The script file cannot be written: {_os_error(error)}") from error
        case PathExecutable():
            problem = check_relative_executable(executable.path)
            if problem is not None:
                raise LaunchError(str(problem))
            return (_checked_executable(settings.executables_directory / executable.path),)
        case CommandLineExecutable():
            try:
                # A text is parsed once per start: a few microseconds beside the start of a process.
                words = parse_command_line(executable.command).evaluate(FilesScope(launch.scope, files))
            except ProblemError as error:
                raise LaunchError(f"The command line `{executable.command}` cannot be evaluated: {error}") from error
            except OSError as error:
                raise LaunchError(f"A file for the command line cannot be written: {_os_error(error)}") from error
            if not words[0]:
                raise LaunchError(f"The command line `{executable.command}` gives an empty name for the program file")
            return words
        case InternalExecutable():
            raise AssertionError("an internal job is called, not started as a process")


def call_request(
    launch: JobLaunch, executable: InternalExecutable, settings: LaunchSettings, files: ProcessFiles
) -> CallRequest:
    """For a worker: everything is evaluated here. Raises `LaunchError`."""
    if ":" not in executable.class_name:
        raise LaunchError(
            f"The internal job class {executable.class_name} needs a Java machine, which this Agent does not have; "
            "name a Python function instead (package.module:function), or use a shell script"
        )
    scope = FilesScope(launch.scope, files)
    arguments: dict[str, Any] = {}
    for name, expression in {**executable.job_arguments, **executable.arguments}.items():
        try:
            arguments[name] = plain_json(expression.evaluate(scope))
        except ProblemError as error:
            raise LaunchEvaluationError(f"Argument {name} = {expression} cannot be evaluated: {error}") from error
    return CallRequest(
        function=executable.class_name,
        arguments=arguments,
        variables={name: plain_json(value) for name, value in launch.variables.items()},
        environment=_environment(executable, launch, settings, files),
    )


def plain_json(value: JsonValue) -> Any:
    """As Python's own JSON knows it: a decimal becomes a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [plain_json(element) for element in value]
    if isinstance(value, dict):
        return {name: plain_json(member) for name, member in value.items()}
    return value


def _checked_executable(path: Path) -> str:
    if not path.exists():
        raise LaunchError(f"The executable file {path} does not exist at this Agent; put it there")
    if not path.is_file():
        raise LaunchError(f"The executable {path} is not a file")
    if not os.access(path, os.X_OK):
        raise LaunchError(f"The file {path} is not executable; use `chmod +x`")
    return str(path)


def _environment(
    executable: Executable, launch: JobLaunch, settings: LaunchSettings, files: ProcessFiles
) -> dict[str, str]:
    environment = dict(settings.environment)
    return_values_name = "JS7_RETURN_VALUES"
    if isinstance(executable, ShellScriptExecutable | PathExecutable) and executable.v1_compatible:
        return_values_name = "SCHEDULER_RETURN_VALUES"
        for name, value in launch.v1_arguments.items():
            name = "SCHEDULER_PARAM_" + name.upper()
            _set(environment, name, value, f"Order variable for {name}")
    for name, expression, scope in launch.environment:
        where = f"Environment variable {name} = {expression}"
        try:
            value = expression.evaluate(FilesScope(scope, files))
        except ProblemError as error:
            raise LaunchEvaluationError(f"{where} cannot be evaluated: {error}") from error
        except OSError as error:
            raise LaunchError(f"{where}: a file cannot be written: {_os_error(error)}") from error
        _set(environment, name, value, where)
    environment[return_values_name] = files.return_values_path
    return environment


def _set(environment: dict[str, str], name: str, value: JsonValue, where: str) -> None:
    try:
        text = soft_string(value)
    except ProblemError as error:
        raise LaunchError(f"{where}: {error}; only texts, numbers and booleans fit an environment variable") from error
    if text is None:
        environment.pop(name, None)
        return
    if not name or "=" in name:
        raise LaunchError(f"{where}: the name of an environment variable must not be empty nor contain =")
    _check(where, f"{name}={text}")
    environment[name] = text


def _check(where: str, text: str) -> None:
    if "\0" in text:
        raise LaunchError(f"{where} contains a NUL character, which no operating system passes to a process")
    try:
        size = len(os.fsencode(text))
    except UnicodeEncodeError as error:
        raise LaunchError(f"{where} cannot be encoded: {error}") from error
    if size > MAXIMUM_TEXT_BYTES:
        raise LaunchError(
            f"{where} has {size} bytes, the operating system passes at most {MAXIMUM_TEXT_BYTES}; "
            "use toFile(...), which passes the name of a file"
        )


def _os_error(error: OSError) -> str:
    return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or error)


def start_error_message(error: OSError) -> str:
    hint = "; arguments and environment are too large together" if error.errno == errno.E2BIG else ""
    return f"The process cannot be started: {_os_error(error)}{hint}"
