"""`stellwerk check`: each rule, the place of each finding, and the forms of output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stellwerk.author.check import Finding, as_github, as_text, check
from stellwerk.author.files import find_files
from stellwerk.author.json_places import JsonPlaces, Place
from stellwerk.author.rules import RULES
from stellwerk.cli.main import app

Json = dict[str, Any]


def job(script: str = "true", **members: Any) -> Json:
    return {"agentName": "a", "executable": {"TYPE": "ShellScriptExecutable", "script": script}, **members}


def run(name: str) -> Json:
    return {"TYPE": "Execute.Named", "jobName": name}


def block(*instructions: Json) -> Json:
    return {"instructions": list(instructions)}


def lock(*names: str, body: Json | None = None) -> Json:
    return {
        "TYPE": "Lock",
        "demands": [{"lockName": name} for name in names],
        "lockedWorkflow": body or block(run("j")),
    }


def workflow(*instructions: Json, jobs: Json | None = None, **members: Any) -> Json:
    return {"instructions": list(instructions), "jobs": jobs or {"j": job()}, **members}


def findings(folder: Path, files: dict[str, Any]) -> list[Finding]:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return check(find_files([folder]))


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "invalid": ({"w.workflow.json": workflow(run("missing"), run("j"))}, "$.instructions[0].jobName"),
    "unknown-time-zone": ({"w.workflow.json": workflow(run("j"), timeZone="Europe/Atlantis")}, "$.timeZone"),
    "lock-count": (
        {
            "w.workflow.json": workflow(
                {"TYPE": "Lock", "demands": [{"lockName": "L", "count": 3}], "lockedWorkflow": block(run("j"))}
            ),
            "L.lock.json": {"limit": 2},
        },
        "$.instructions[0].demands[0]",
    ),
    "same-name": ({"a/w.workflow.json": workflow(run("j")), "b/w.workflow.json": workflow(run("j"))}, "$"),
    "nested-lock": (
        {"w.workflow.json": workflow(lock("L", body=block(lock("L"))))},
        "$.instructions[0].lockedWorkflow.instructions[0].demands[0]",
    ),
    "nested-sticky-subagent": (
        {
            "w.workflow.json": workflow(
                {
                    "TYPE": "StickySubagent",
                    "agentName": "a",
                    "subworkflow": block(
                        {"TYPE": "StickySubagent", "agentName": "a", "subworkflow": block(run("j"))},
                    ),
                }
            )
        },
        "$.instructions[0].subworkflow.instructions[0]",
    ),
    "unreachable": ({"w.workflow.json": workflow({"TYPE": "Fail"}, run("j"))}, "$.instructions[1]"),
    "unset-variable": (
        {
            "w.workflow.json": workflow(
                {"TYPE": "If", "predicate": "$nobody == 1 && $given && $returned", "then": block(run("j"))},
                jobs={"j": job("echo returned=1 >>$JS7_RETURN_VALUES")},
                orderPreparation={"parameters": {"given": {"type": "Boolean", "default": "true"}}},
            )
        },
        "$.instructions[0]",
    ),
    "lock-order": (
        {
            "v.workflow.json": workflow(lock("L", body=block(lock("M")))),
            "w.workflow.json": workflow(lock("M", body=block(lock("L")))),
        },
        "$.instructions[0].lockedWorkflow.instructions[0]",
    ),
    "endless-retry": (
        {"w.workflow.json": workflow({"TYPE": "Try", "try": block(run("j")), "catch": block({"TYPE": "Retry"})})},
        "$.instructions[0]",
    ),
    "repeated-not-restartable": (
        {
            "w.workflow.json": workflow(
                {"TYPE": "Try", "try": block(run("j")), "catch": block({"TYPE": "Retry"}), "maxTries": 2},
                jobs={"j": job(isNotRestartable=True)},
            )
        },
        "$.instructions[0].try.instructions[0]",
    ),
    "swallowed-error": (
        {"w.workflow.json": workflow({"TYPE": "Try", "try": block(run("j")), "catch": block()})},
        "$.instructions[0].catch",
    ),
    "unused-job": ({"w.workflow.json": workflow(jobs={"j": job()})}, "$.jobs.j"),
    "never-posted": (
        {
            "w.workflow.json": workflow({"TYPE": "ExpectNotices", "noticeBoardNames": "'B'"}, run("j")),
            "B.noticeboard.json": {"boardType": "GLOBAL", "postOrderToNoticeId": "'x'", "endOfLife": "1"},
        },
        "$.instructions[0]",
    ),
    "never-admitted": (
        {"w.workflow.json": workflow(run("j"), jobs={"j": job(admissionTimeScheme={"periods": []})})},
        "$.jobs.j.admissionTimeScheme",
    ),
    "zero-limit": ({"w.workflow.json": workflow(run("j"), jobs={"j": job(parallelism=0)})}, "$.jobs.j.parallelism"),
    "missing-object": ({"w.workflow.json": workflow(lock("L")), "M.lock.json": {"limit": 1}}, "$"),
    "crlf-script": (
        {"w.workflow.json": workflow(run("j"), jobs={"j": job("#!/bin/sh\r\ntrue")})},
        "$.jobs.j.executable.script",
    ),
    "expected-run-time": (
        {"w.workflow.json": workflow(run("j"), jobs={"j": job(warnIfLonger="120%", warnIfShorter="an hour")})},
        "$.jobs.j.warnIfShorter",
    ),
    "self-adding": (
        {"w.workflow.json": workflow({"TYPE": "AddOrder", "workflowName": "w"}, run("j"))},
        "$.instructions[0]",
    ),
}


def test_each_rule_has_a_case() -> None:
    assert set(CASES) == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", CASES)
def test_the_rule_finds_it_at_its_place(tmp_path: Path, rule: str) -> None:
    files, path = CASES[rule]
    found = [finding for finding in findings(tmp_path, files) if finding.rule == rule]
    assert path in {finding.path for finding in found}, found
    finding = next(finding for finding in found if finding.path == path)
    assert finding.remedy
    line = Path(finding.file).read_text().splitlines()[finding.line - 1]
    last = path.rpartition(".")[2].partition("[")[0]
    assert path == "$" or f'"{last}"' in line or line.strip().startswith("{"), line


def test_a_good_workflow_has_no_findings(tmp_path: Path) -> None:
    files = {
        "w.workflow.json": workflow(
            {"TYPE": "PostNotices", "noticeBoardNames": ["B"]},
            {"TYPE": "ExpectNotices", "noticeBoardNames": "'B'"},
            lock("L", body=block(lock("M"))),
            {
                "TYPE": "Try",
                "try": block(run("j")),
                "catch": block({"TYPE": "Retry"}),
                "maxTries": 3,
                "retryDelays": [1],
            },
        ),
        "B.noticeboard.json": {"boardType": "PLANNABLE"},
        "L.lock.json": {},
        "M.lock.json": {"limit": 5},
    }
    assert findings(tmp_path, files) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "object is expected"),
        ('{"instructions": 1}', "array of instructions"),
        ('{"instructions": [{"TYPE": "Nonsense"}]}', "unknown TYPE 'Nonsense'"),
        ('{"instructions": [], "instructions": []}', "instructions"),
        ("[" * 100_000, ""),
    ],
)
def test_what_is_no_workflow_is_told(tmp_path: Path, text: str, expected: str) -> None:
    found = findings(tmp_path, {"w.workflow.json": text})
    assert [finding.severity for finding in found] == ["error"]
    assert expected in found[0].message


@pytest.mark.parametrize("name", ["import", "-x", "a b", "a..b"])
def test_a_name_that_the_inventory_refuses(tmp_path: Path, name: str) -> None:
    [found] = findings(tmp_path, {f"{name}.workflow.json": workflow(run("j"))})
    assert found.severity == "error"
    assert name in found.message
    assert found.remedy == "rename the file"


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    bad = workflow(run("x"), {"TYPE": "Fork", "branches": [{"id": "a|b", "workflow": block({"TYPE": "Retry"})}]})
    found = findings(tmp_path, {"w.workflow.json": bad})
    paths = {finding.path for finding in found if finding.severity == "error"}
    assert paths >= {"$.instructions[0].jobName", "$.instructions[1].branches[0].id"}
    assert any("branches[0].workflow.instructions[0]" in path for path in paths)


def test_other_objects_are_checked_too(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        {
            "L.lock.json": {"limit": -1},
            "B.noticeboard.json": {"boardType": "GLOBAL", "postOrderToNoticeId": "$("},
            "R.jobresource.json": {"arguments": {"x": "'ok'"}, "env": {"X": "${"}},
            "F.fileordersource.json": {"workflowName": "w", "agentName": "a", "directoryExpr": "'/in'", "pattern": "("},
        },
    )
    assert {Path(finding.file).name for finding in found} == {
        "L.lock.json",
        "B.noticeboard.json",
        "F.fileordersource.json",
    } | ({"R.jobresource.json"} if any("R.job" in finding.file for finding in found) else set())


def test_places_are_lines_and_columns() -> None:
    places = JsonPlaces('{\n  "a": [1,\n    {"b.c": "x\\"y"}],\n  "d": null\n}')
    assert places.place("$.a") == Place(2, 3)
    assert places.place("$.a[1]") == Place(3, 5)
    assert places.place("$.a[1].b.c") == Place(3, 6)
    assert places.place("$.d") == Place(4, 3)
    assert places.place("$.a[1].missing") == Place(3, 5)
    assert places.place("$.nothing") == Place(1, 1)


def test_forms_of_output() -> None:
    finding = Finding("a,b.json", 3, 7, "$.x", "error", "invalid", "50% wrong\nhere", "mend: it")
    assert as_text(finding) == "a,b.json:3:7: error[invalid] $.x: 50% wrong\nhere\n    remedy: mend: it"
    assert as_github(finding) == (
        "::error file=a%2Cb.json,line=3,col=7,title=invalid::$.x: 50%25 wrong%0Ahere. Remedy: mend: it"
    )


def test_the_command_and_its_exit_codes(tmp_path: Path) -> None:
    runner = CliRunner()
    (tmp_path / "w.workflow.json").write_text(json.dumps(workflow({"TYPE": "Fail"}, run("j"))))
    assert runner.invoke(app, ["check", str(tmp_path)]).exit_code == 0
    strict = runner.invoke(app, ["check", "--strict", str(tmp_path)])
    assert strict.exit_code == 1
    assert "1 file checked: 0 errors, 1 warning" in strict.output
    told = json.loads(runner.invoke(app, ["check", "--json", str(tmp_path)]).output)
    assert (told["errors"], told["warnings"], told["findings"][0]["rule"]) == (0, 1, "unreachable")
    assert runner.invoke(app, ["check", "--format", "github", str(tmp_path)]).output.startswith("::warning file=")
    (tmp_path / "v.workflow.json").write_text("{}")
    assert runner.invoke(app, ["check", str(tmp_path)]).exit_code == 1
