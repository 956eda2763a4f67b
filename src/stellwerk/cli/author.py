"""`stellwerk check`, `explain`, `schema`, `test`: help for authors of workflows, without any installation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stellwerk.author.case_files import SUFFIX as CASE_SUFFIX
from stellwerk.author.case_run import Result, run_file
from stellwerk.author.check import Finding, as_github, as_text, check
from stellwerk.author.explain import mermaid, steps
from stellwerk.author.files import KINDS, AuthorFile, find_files
from stellwerk.cli.output import CommandError, print_json
from stellwerk.language.inventory.schema import workflow_schema
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError

#: Exit codes: nothing wrong; findings or failed tests; the command was used wrongly.
OK, FOUND, WRONG = 0, 1, 2


def inventory_files(paths: Iterable[Path]) -> list[Path]:
    """Raises `CommandError` for what does not exist, and when there is nothing."""
    try:
        files = find_files(paths)
    except FileNotFoundError as error:
        raise CommandError(
            f"{error} does not exist", "name inventory files, or folders that hold them", WRONG
        ) from error
    if not files:
        raise CommandError("there are no inventory files here", f"their names end with {', '.join(KINDS)}", WRONG)
    return files


def check_files(paths: list[Path], form: str, is_strict: bool) -> int:
    """Print all findings; the exit code says whether there are errors (strict: or warnings)."""
    files = inventory_files(paths)
    findings = check(files)
    counts = Counter(finding.severity for finding in findings)
    errors, warnings = counts["error"], counts["warning"]
    if form == "json":
        print_json({"files": len(files), "errors": errors, "warnings": warnings, "findings": findings})
    else:
        for finding in findings:
            print(as_github(finding) if form == "github" else as_text(finding))
        if form == "text":
            print(f"{_count(len(files), 'file')} checked: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return FOUND if errors or (is_strict and warnings) else OK


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def errors_of(files: Iterable[Path]) -> list[Finding]:
    """What stands against a deployment."""
    return [finding for finding in check(files) if finding.severity == "error"]


def valid_workflow(file: Path) -> tuple[AuthorFile, Workflow]:
    """The file and the workflow in it. Raises `CommandError` with everything that is wrong."""
    if not file.is_file():
        raise CommandError(f"{file} does not exist", "name a workflow file (*.workflow.json)", WRONG)
    read = AuthorFile(file)
    if read.workflow is None or read.problems:
        text = "\n".join(
            f"{file}:{item.place.line}:{item.place.column}: {item.path}: {item.problem}" for item in read.problems
        )
        raise CommandError(f"{file} is not a valid workflow:\n{text}", "correct the file", WRONG)
    return read, read.workflow


def explain(file: Path, is_diagram: bool) -> None:
    _, workflow = valid_workflow(file)
    if is_diagram:
        print(mermaid(workflow))
    else:
        for line in steps(workflow):
            print(line)


def print_schema() -> None:
    print(json.dumps(workflow_schema(), indent=2))


def run_tests(paths: list[Path], as_json: bool) -> int:
    """Run the tests of all files; a failed one shows what differs and what happened."""
    try:
        files = find_files(paths, (CASE_SUFFIX,))
    except FileNotFoundError as error:
        raise CommandError(f"{error} does not exist", "name test files, or folders that hold them", WRONG) from error
    if not files:
        raise CommandError("there are no tests here", f"test files are named *{CASE_SUFFIX}", WRONG)
    results: list[Result] = []
    for file in files:
        try:
            for result in run_file(file):
                results.append(result)
                if not as_json:
                    _print(result)
        except ProblemError as error:
            raise CommandError(str(error.problem), "see docs/how-to/test-workflows.md", WRONG) from error
    failed = sum(not result.is_passed for result in results)
    if as_json:
        values: list[Any] = [
            {
                "file": result.file,
                "name": result.name,
                "passed": result.is_passed,
                "differences": result.differences,
                "history": result.history,
            }
            for result in results
        ]
        print_json({"passed": len(results) - failed, "failed": failed, "tests": values})
    else:
        print(f"{len(results) - failed} passed, {failed} failed")
    return FOUND if failed else OK


def _print(result: Result) -> None:
    print(f"{'ok    ' if result.is_passed else 'FAILED'} {result.file}: {result.name}")
    for difference in result.differences:
        print(f"    {difference}")
    if result.history:
        print("    what happened:")
        for line in result.history:
            print(f"      {line}")
