"""What people write as workflows: accepted forms, and every problem with its place (workflow spec 1)."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from stellwerk.engine.instructions import EXECUTIONS
from stellwerk.language.instructions import AnyInstruction, If, Instruction, Try
from stellwerk.language.reader import ReadError, parse_json
from stellwerk.language.workflow import read_workflow
from stellwerk.values.problems import ProblemError

JOB = {"agentPath": "A", "executable": {"TYPE": "ShellScriptExecutable", "script": "true"}}


def workflow(*instructions: dict[str, Any], **members: Any) -> str:
    return json.dumps({"TYPE": "Workflow", "path": "W", "versionId": "1", "instructions": instructions, **members})


def block(*instructions: dict[str, Any]) -> dict[str, Any]:
    return {"instructions": list(instructions)}


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ReadError) as caught:
        read_workflow(text)
    return [(item.path, str(item.problem)) for item in caught.value.problems]


def test_each_instruction_has_its_module_in_both_layers() -> None:
    known = set(get_args(AnyInstruction))
    assert set(Instruction.REGISTRY.values()) == known
    assert set(EXECUTIONS) == known


def test_all_problems_are_reported_with_their_json_path() -> None:
    found = problems(
        workflow(
            {"TYPE": "Execute.Named", "jobName": "j", "label": "L"},
            {"TYPE": "Execute.Named", "jobName": "nope", "label": "L"},
            {"TYPE": "Retry"},
            {"TYPE": "If", "predicate": "1 +", "then": block()},
            {"TYPE": "Fork", "branches": [{"id": "a", "workflow": block({"TYPE": "Nope"})}]},
            jobs={"j": {**JOB, "timeout": "soon"}},
        )
    )
    paths = [path for path, _ in found]
    assert "$.instructions[3].ifThens[0].predicate" in paths
    assert "$.instructions[4].branches[0].workflow.instructions[0].TYPE" in paths
    assert "$.jobs.j.timeout" in paths


def test_checks_of_a_well_formed_workflow() -> None:
    found = dict(
        problems(
            workflow(
                {"TYPE": "Execute.Named", "jobName": "j", "label": "L"},
                {"TYPE": "Execute.Named", "jobName": "nope", "label": "L"},
                {"TYPE": "Retry"},
                {"TYPE": "Try", "try": block(), "catch": block({"TYPE": "Fail"}), "maxTries": 0},
                {
                    "TYPE": "Fork",
                    "branches": [{"id": "a", "workflow": block()}, {"id": "a", "workflow": block({"TYPE": "Retry"})}],
                },
                jobs={"j": JOB},
            )
        )
    )
    assert found["$.instructions[0].label"] == "Label 'L' is duplicated at positions 0, 1"
    assert found["$.instructions[1].jobName"] == "Unknown job name 'nope'"
    assert "only allowed in a catch block" in found["$.instructions[2]"]
    assert found["$.instructions[3].maxTries"] == "maxTries argument must be a positive number"
    assert "missing retry" in found["$.instructions[3]"]
    assert found["$.instructions[4].branches"].startswith("DuplicatedBranchIdsInFork")
    assert "only allowed" in found["$.instructions[4].branches[1].workflow.instructions[0]"]


def test_retry_is_found_through_if_and_nested_try_only() -> None:
    inner = {
        "TYPE": "If",
        "predicate": "true",
        "then": block({"TYPE": "Try", "try": block({"TYPE": "Retry"}), "catch": block()}),
    }
    read_workflow(workflow({"TYPE": "Try", "try": block(), "catch": block(inner), "maxTries": 2}))
    fork = {"TYPE": "Fork", "branches": [{"id": "a", "workflow": block({"TYPE": "Retry"})}]}
    assert len(problems(workflow({"TYPE": "Try", "try": block(), "catch": block(fork), "maxTries": 2}))) == 2


def test_old_forms_and_defaults() -> None:
    read = read_workflow(
        workflow(
            {"TYPE": "If", "predicate": "true", "then": block(), "else": block()},
            {"TYPE": "Try", "try": block(), "catch": block({"TYPE": "Retry"}), "retryDelays": [1, 2.5]},
            jobs={"j": {**JOB, "parallelism": 7, "subagentSelectionId": "BUNDLE", "unknownMember": 1}},
        )
    )
    condition, try_ = read.instruction((0,)), read.instruction((1,))
    assert isinstance(condition, If) and len(condition.if_thens) == 1
    assert isinstance(try_, Try) and try_.retry_delays_ms == (1000, 2500) and try_.retry_delay_ms(9) == 2500
    job = read.definition.jobs["j"]
    assert job.process_limit == 7
    assert job.subagent_bundle_id_expr is not None and job.subagent_bundle_id_expr.constant == "BUNDLE"


@pytest.mark.parametrize(
    ("executable", "code"),
    [
        ({"TYPE": "PathExecutable", "path": "../x.sh"}, "InvalidName"),
        ({"TYPE": "PathExecutable", "path": "a/.hidden"}, "InvalidName"),
        ({"TYPE": "PathExecutable", "path": " a"}, "InvalidName"),
        ({"TYPE": "PathExecutable", "path": ""}, "EmptyString"),
        ({"TYPE": "ShellScriptExecutable"}, "'script' is missing"),
        ({"TYPE": "Nope"}, "unknown TYPE"),
        ({"TYPE": "ShellScriptExecutable", "script": "x", "returnCodeMeaning": {"success": "5..1"}}, "range"),
    ],
)
def test_bad_executables(executable: dict[str, Any], code: str) -> None:
    assert code in str(problems(workflow(jobs={"j": {"agentPath": "A", "executable": executable}})))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1,"a":2}', "twice"),
        ("[" * 300 + "]" * 300, "nested deeper"),
        ('{"a":1', "line 1, column"),
        ('{"a":1}x', "line 1, column"),
        ('{"a":NaN}', "NaN"),
        (b'{"a":"\xff"}', "UTF-8"),
        ("", "line 1"),
        ("[" + "1" * 5000 + "]", "wrong"),
    ],
)
def test_bad_json_is_refused_with_its_place(text: str | bytes, expected: str) -> None:
    with pytest.raises(ProblemError, match=expected):
        parse_json(text)


def test_deep_brackets_inside_strings_are_no_nesting() -> None:
    assert parse_json('["' + "[" * 500 + '"]') == ["[" * 500]


def test_parameters_are_checked_as_specified() -> None:
    read = read_workflow(
        workflow(
            orderPreparation={
                "parameters": {
                    "req": {"type": "String"},
                    "num": {"type": "Number", "default": "7"},
                    "list": {
                        "type": {"TYPE": "List", "elementType": {"TYPE": "Object", "a": "String"}},
                        "default": "[]",
                    },
                    "fin": {"final": "'x'"},
                }
            }
        )
    )
    preparation = read.definition.order_preparation
    assert preparation.problems({"req": "x"}) == []
    codes = [problem.code for problem in preparation.problems({"x": 1, "num": "7", "fin": 1})]
    assert codes == ["UndeclaredOrderArgument", "MissingOrderArgument", "WrongValueType", "FinalOrderArgument"]
    nested = preparation.problems({"req": "x", "list": [{"a": "ok"}, {"b": 1}, {"a": 1}]})
    assert [(p.code, p.arguments.get("path", p.arguments.get("name"))) for p in nested] == [
        ("MissingObjectFields", "list[1]"),
        ("UndeclaredObjectFields", "list[1]"),
        ("WrongValueType", "list[2].a"),
    ]
    assert [p.code for p in preparation.problems({"req": None})] == ["WrongValueType"]


def test_a_cycle_needs_schemes_and_a_calendar() -> None:
    found = str(problems(workflow({"TYPE": "Cycle", "schedule": {}, "cycleWorkflow": block()})))
    assert "$.instructions[0].schedule" in found
    found = str(problems(workflow({"TYPE": "Cycle", "schedule": {"schemes": []}, "cycleWorkflow": block()})))
    assert "requires calendarPath" in found
