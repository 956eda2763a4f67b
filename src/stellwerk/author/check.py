"""`stellwerk check`: all that is wrong or likely to be wrong in files, with its place, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from stellwerk.author import advice, rules
from stellwerk.author.files import AuthorFile
from stellwerk.author.json_places import Place
from stellwerk.author.rules import Rule


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One finding. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    severity: str
    rule: str
    message: str
    remedy: str | None = None


def check(files: Iterable[Path]) -> list[Finding]:
    """Findings by file and place. Raises `OSError`."""
    read = [AuthorFile(file) for file in files]
    findings = [finding for file in read for finding in _problems(file)]
    advised = [*advice.of_each(read), *advice.of_all(read)]
    findings += [_advised(item.file, item.path, item.rule, item.message) for item in advised]
    order = {str(file.file): index for index, file in enumerate(read)}
    return sorted(findings, key=lambda item: (order[item.file], item.line, item.column, item.rule, item.message))


def _problems(file: AuthorFile) -> Iterator[Finding]:
    for problem in file.problems:
        yield _finding(file, problem.path, problem.place, rules.INVALID, str(problem.problem), problem.remedy or None)


def _advised(file: AuthorFile, engine_path: str, rule: Rule, message: str) -> Finding:
    path = file.author_path(engine_path)
    return _finding(file, path, file.places.place(path), rule, message, rule.remedy)


def _finding(file: AuthorFile, path: str, place: Place, rule: Rule, message: str, remedy: str | None) -> Finding:
    return Finding(str(file.file), place.line, place.column, path, rule.severity, rule.id, message, remedy)


# --- forms of output ---


def as_text(finding: Finding) -> str:
    """`file:line:column: severity[rule] path: message`, as editors understand it."""
    text = (
        f"{finding.file}:{finding.line}:{finding.column}: {finding.severity}[{finding.rule}] "
        f"{finding.path}: {finding.message}"
    )
    return text + (f"\n    remedy: {finding.remedy}" if finding.remedy else "")


def as_github(finding: Finding) -> str:
    """A workflow command by which GitHub shows the finding at its line."""
    remedy = f" Remedy: {finding.remedy}" if finding.remedy else ""
    return (
        f"::{finding.severity} file={_property(finding.file)},line={finding.line},col={finding.column},"
        f"title={_property(finding.rule)}::{_data(f'{finding.path}: {finding.message}.{remedy}')}"
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
