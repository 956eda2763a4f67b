"""`stellwerk check FILE...`: all problems of workflow files, with their place, before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stellwerk.cli.output import CommandError
from stellwerk.language.inventory import Target, workflow_to_engine
from stellwerk.language.reader import ReadError, parse_json
from stellwerk.language.workflow import read_workflow
from stellwerk.values.problems import ProblemError

SUFFIX = ".workflow.json"


class Finding(msgspec.Struct, frozen=True):
    """One problem: file, JSON path, text."""

    file: str
    path: str
    message: str
    remedy: str | None = None


def workflow_files(paths: list[Path]) -> list[Path]:
    """The files named, and in folders all `*.workflow.json`. Raises `CommandError` for what does not exist."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.rglob(f"*{SUFFIX}"))
        elif path.is_file():
            files.append(path)
        else:
            raise CommandError(f"{path} does not exist", "name a workflow file or a folder that holds *.workflow.json")
    if not files:
        raise CommandError("there are no workflow files here", f"workflow files are named *{SUFFIX}")
    return files


def workflow_name(file: Path) -> str:
    return file.name.removesuffix(SUFFIX).removesuffix(".json")


def read_inventory_workflow(file: Path) -> Any:
    """The inventory form of a file as plain values. Raises `ProblemError`."""
    return parse_json(file.read_bytes())


def check_file(file: Path) -> list[Finding]:
    """Everything that is wrong with one workflow file."""
    try:
        content = read_inventory_workflow(file)
    except ProblemError as error:
        return [Finding(str(file), "$", str(error.problem))]
    conversion = workflow_to_engine(content, Target(path=f"/{workflow_name(file)}", version_id="check"))
    findings = [Finding(str(file), item.path, str(item.problem), item.remedy) for item in conversion.problems]
    try:
        read_workflow(conversion.value)
    except ReadError as error:
        for item in error.problems:
            path = conversion.inventory_path(item.path)
            findings.append(Finding(str(file), path, str(item.problem), item.remedy))
    except ProblemError as error:
        findings.append(Finding(str(file), "$", str(error.problem)))
    return findings
