"""What jobs take over from their templates (cockpit-services 1.12). Pure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stellwerk.cockpit.inventory.job_templates import (
    Options,
    Outcome,
    State,
    has_required_arguments,
    propagated,
    state_of,
    template_hash,
)

SHELL = {"TYPE": "ShellScriptExecutable", "script": "echo $X", "env": {"X": "$x"}}
INTERNAL = {"TYPE": "InternalExecutable", "className": "acme.jobs:load", "arguments": {"old": '"1"'}}
TEMPLATE: dict[str, Any] = {
    "executable": SHELL,
    "timeout": 60,
    "title": "Loads",
    "criticality": "CRITICAL",
    "admissionTimeScheme": {"periods": []},
    "notification": {"types": ["ERROR"]},
    "arguments": {
        "x": {"type": "String", "required": True, "default": "one"},
        "n": {"type": "Number", "default": 5},
        "flag": {"type": "Boolean", "required": True, "default": True},
    },
}
WORKFLOW: dict[str, Any] = {
    "instructions": [
        {"TYPE": "Execute.Named", "jobName": "load", "label": "a", "defaultArguments": {"x": '"mine"', "y": '"z"'}},
        {"TYPE": "If", "then": {"instructions": [{"TYPE": "Execute.Named", "jobName": "load", "label": "b"}]}},
        {"TYPE": "Execute.Named", "jobName": "other", "label": "c"},
    ],
    "jobs": {
        "load": {
            "agentName": "A",
            "executable": {"TYPE": "ShellScriptExecutable", "script": "old"},
            "graceTimeout": 3,
            "jobTemplate": {"name": "T", "hash": "0"},
        },
        "other": {"agentName": "A", "executable": SHELL},
    },
}


def run(workflow: Any = WORKFLOW, template: Any = TEMPLATE, **options: bool) -> tuple[dict[str, Any], Any]:
    before = copy.deepcopy(workflow)
    result, report = propagated(workflow, {"T": template}, Options(**options))
    assert workflow == before, "it is a value"
    return result, report["load"]


def nodes(workflow: Any) -> tuple[Any, Any]:
    first, condition, _ = workflow["instructions"]
    return first.get("defaultArguments"), condition["then"]["instructions"][0].get("defaultArguments")


def test_a_job_takes_over_what_its_template_says_and_keeps_what_is_its_own() -> None:
    result, report = run()
    assert result["jobs"]["load"] == {
        "agentName": "A",
        "executable": SHELL,
        "timeout": 60,
        "title": "Loads",
        "criticality": "CRITICAL",
        "jobTemplate": {"name": "T", "hash": template_hash(TEMPLATE)},
    }
    assert result["jobs"]["other"] == WORKFLOW["jobs"]["other"]
    # Required arguments come to each instruction; values that are there stay.
    assert nodes(result) == ({"x": '"mine"', "y": '"z"', "flag": "true"}, {"x": "'one'", "flag": "true"})
    assert report.outcome is Outcome.CHANGED
    assert set(report.changes) == {"criticality", "graceTimeout", "timeout", "title", "executable"}
    assert report.added == {"x": "'one'", "flag": "true"} and report.deleted == {}
    again, second = run(result)
    assert again == result and second.outcome is Outcome.UPTODATE


@pytest.mark.parametrize(
    "option, first, second",
    [
        ("overwrite_values", {"x": "'one'", "y": '"z"', "flag": "true"}, {"x": "'one'", "flag": "true"}),
        (
            "propagate_optional_arguments",
            {"x": '"mine"', "y": '"z"', "n": "5", "flag": "true"},
            {"x": "'one'", "n": "5", "flag": "true"},
        ),
        ("delete_unknown_node_properties", {"x": '"mine"', "flag": "true"}, {"x": "'one'", "flag": "true"}),
    ],
)
def test_people_may_ask_for_more(option: str, first: Any, second: Any) -> None:
    result, report = run(**{option: True})
    assert nodes(result) == (first, second)
    if option == "delete_unknown_node_properties":
        assert report.deleted == {"y": '"z"'}


def test_notification_and_admission_times_are_taken_over_only_when_asked_for() -> None:
    plain, _ = run()
    assert not {"notification", "admissionTimeScheme"} & plain["jobs"]["load"].keys()
    for option, member in (
        ("overwrite_notification", "notification"),
        ("overwrite_admission_time", "admissionTimeScheme"),
    ):
        # Also when the job is up to date otherwise.
        result, report = run(plain, **{option: True})
        assert result["jobs"]["load"][member] == TEMPLATE[member] and report.changes == [member]


def test_arguments_move_with_the_kind_of_the_job() -> None:
    template = {**TEMPLATE, "executable": INTERNAL}
    result, report = run(template=template)
    assert report.outcome is Outcome.CONFLICT and nodes(result) == (None, None)
    assert result["jobs"]["load"]["executable"] == {
        "TYPE": "InternalExecutable",
        "className": "acme.jobs:load",
        "arguments": {"x": '"mine"', "y": '"z"', "flag": "true"},
    }
    back, report = run(result)
    assert report.outcome is Outcome.CONFLICT and "arguments" not in back["jobs"]["load"]["executable"]
    assert nodes(back) == (({"x": '"mine"', "y": '"z"', "flag": "true"},) * 2)


def test_a_template_that_is_not_released_is_no_template() -> None:
    result, report = propagated(WORKFLOW, {}, Options())
    assert "jobTemplate" not in result["jobs"]["load"] and report["load"].outcome is Outcome.TEMPLATE_REFERENCE_DELETED
    assert propagated(WORKFLOW, {"T": TEMPLATE}, Options(), lambda job, template: False) == (WORKFLOW, {})
    assert propagated({"jobs": "x"}, {}, Options()) == ({"jobs": "x"}, {})


def test_the_hash_tells_what_a_template_says() -> None:
    hash_ = template_hash(TEMPLATE)
    assert template_hash(dict(reversed(TEMPLATE.items()))) == hash_
    assert template_hash({**TEMPLATE, "hash": "x", "version": "1", "description": None}) == hash_
    assert template_hash({**TEMPLATE, "timeout": 61}) != hash_
    hashes = {"T": hash_}
    assert state_of("T", hash_, hashes) is State.IN_SYNC and state_of("T", "0", hashes) is State.NOT_IN_SYNC
    assert state_of("U", hash_, hashes) is State.DELETED and state_of(None, None, hashes) is State.UNKNOWN
    assert has_required_arguments(TEMPLATE) and not has_required_arguments({})
