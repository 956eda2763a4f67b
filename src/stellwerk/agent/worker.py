"""A warm worker process: runs Python callables for InternalExecutable jobs, one after the other (workflow spec 4.2).

Started by the Agent as `python -m stellwerk.agent.worker SOCKET`. Standard library only, so that it starts quickly.

Each request is one JSON line, each answer, too:

    {"function":"package.module:name","arguments":{…},"variables":{…},"environment":{…},"marker":"…"}
    {"values":{…}}  or  {"error":"text"}

The callable gets `arguments` as keyword arguments; parameters that are not among them are looked up in `variables`, the
order's. It returns None or a mapping of names to JSON values: the order's new variables. What it writes to standard
output and error belongs to the job; behind it the worker writes the marker. SIGTERM raises `SystemExit` in the
callable, so that it can clean up.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class JobError(Exception):
    """The callable cannot be run as wanted; the text becomes the order's message."""


def main(arguments: list[str]) -> int:
    socket_path, python_directory, allows_all = arguments[0], arguments[1], arguments[2] == "all"
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if python_directory:
        sys.path.insert(0, python_directory)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(socket_path)
    stream = connection.makefile("rwb")
    for line in stream:
        request = json.loads(line)
        answer = _answer(request, None if allows_all else python_directory)
        for channel in (sys.stdout, sys.stderr):
            channel.flush()
        for descriptor in (1, 2):
            _write_all(descriptor, request["marker"].encode("ascii"))
        stream.write(json.dumps(answer).encode("utf-8") + b"\n")
        stream.flush()
    return 0


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _answer(request: Mapping[str, Any], python_directory: str | None) -> dict[str, Any]:
    before = dict(os.environ)
    os.environ.update(request["environment"])
    for name in before.keys() - request["environment"].keys():
        del os.environ[name]
    try:
        function = load(request["function"], python_directory)
        result = function(**bind(function, request["arguments"], request["variables"]))
        return {"values": check_result(result)}
    except JobError as error:
        return {"error": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def load(name: str, python_directory: str | None) -> Callable[..., Any]:
    """The callable `package.module:name`; from the Agent's own directory only, unless that is None."""
    module_name, _, attribute = name.partition(":")
    top = module_name.partition(".")[0]
    if python_directory is not None:
        try:
            found = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            found = None
        places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
        inside = Path(python_directory).resolve()
        if not any(place and inside in Path(place).resolve().parents for place in places):
            raise JobError(
                f"Python module {top!r} is not in the Agent's directory {python_directory}: put it there, or allow"
                " signed_script_injection, which allows installed packages, too"
            )
    try:
        value: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise JobError(f"The Python function {name} cannot be found at this Agent: {error}") from error
    if not callable(value):
        raise JobError(f"{name} is not callable")
    return value  # type: ignore[no-any-return]


def bind(function: Callable[..., Any], arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the call."""
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    names = [
        parameter.name
        for parameter in parameters
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ]
    unknown = sorted(arguments.keys() - set(names))
    if unknown and not takes_any:
        raise JobError(f"The function has no parameter {', '.join(unknown)}; it has: {', '.join(names) or 'none'}")
    given = {name: variables[name] for name in names if name in variables} | dict(arguments)
    missing = [
        parameter.name
        for parameter in parameters
        if parameter.name in names and parameter.name not in given and parameter.default is inspect.Parameter.empty
    ]
    if missing:
        raise JobError(f"The function needs {', '.join(missing)}: give it as an argument of the job or of the order")
    return given


def check_result(result: Any) -> dict[str, Any]:
    """The values as JSON knows them."""
    if result is None:
        return {}
    if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
        raise JobError(f"The function must return None or a dict with names, not {type(result).__name__}")
    try:
        return dict(json.loads(json.dumps(dict(result), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise JobError(f"The function returns a value that is no JSON: {error}") from error


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
