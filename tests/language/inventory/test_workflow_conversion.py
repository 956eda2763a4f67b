"""Inventory spelling ↔ engine spelling of workflows (workflow spec 9.1 to 9.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.language.inventory import Target, workflow_from_engine, workflow_to_engine
from stellwerk.language.reader import ReadError
from stellwerk.language.workflow import read_workflow
from stellwerk.values.json import encode

TARGET = Target(path="/nightly/LOAD", version_id="v1")
SCRIPT: dict[str, Any] = {"TYPE": "ShellScriptExecutable", "script": "echo hello"}
PATH_PARAMETER = {"type": "String", "final": "'/nightly/LOAD'"}


def _engine(content: dict[str, Any], **target: Any) -> dict[str, Any]:
    conversion = workflow_to_engine(
        {"instructions": [], **content}, Target(path=TARGET.path, version_id="v1", **target)
    )
    assert conversion.problems == ()
    value: dict[str, Any] = conversion.value
    return value


def _instruction(instruction: dict[str, Any], **target: Any) -> Any:
    return _engine({"instructions": [instruction]}, **target)["instructions"][0]


def _job(job: dict[str, Any], **target: Any) -> Any:
    return _engine({"jobs": {"j": {"agentName": "A", "executable": SCRIPT, **job}}}, **target)["jobs"]["j"]


def test_a_workflow_gets_name_version_and_path_parameter_and_loses_what_only_the_cockpit_knows() -> None:
    assert _engine(
        {
            "version": "1.7.2",
            "versionId": "old",
            "timeZone": "Europe/Berlin",
            "title": "Load",
            "documentationName": "doc",
            "dayOffset": "06:00:00",
            "jobResourceNames": ["ENV"],
        }
    ) == {
        "TYPE": "Workflow",
        "path": "LOAD",
        "versionId": "v1",
        "timeZone": "Europe/Berlin",
        "jobResourcePaths": ["ENV"],
        "orderPreparation": {"parameters": {"js7Workflow.path": PATH_PARAMETER}},
        "instructions": [],
    }


@pytest.mark.parametrize(
    "offset, calendar", [(None, "dailyPlan"), ("06:00:00", "dayOffset-LOAD"), ("nonsense", "dailyPlan")]
)
def test_a_cycle_at_any_depth_brings_a_calendar(offset: str | None, calendar: str) -> None:
    cycle = {"TYPE": "Cycle", "schedule": {"schemes": []}, "cycleWorkflow": {"instructions": []}}
    fork = {"TYPE": "Fork", "branches": [{"id": "b", "workflow": {"instructions": [cycle]}}]}
    content: dict[str, Any] = {"instructions": [fork]} | ({} if offset is None else {"dayOffset": offset})
    assert _engine(content)["calendarPath"] == calendar


@pytest.mark.parametrize(
    "inventory, engine",
    [
        ({"parallelism": 3}, {"processLimit": 3}),
        ({"taskLimit": 3}, {"processLimit": 3}),
        ({"parallelism": 1}, {}),
        ({"graceTimeout": 5, "timeout": 60}, {"sigkillDelay": 5, "timeout": 60}),
        ({"graceTimeout": 15}, {}),
        ({"jobResourceNames": ["R"]}, {"jobResourcePaths": ["R"]}),
        ({"skipIfNoAdmissionForOrderDay": True}, {"skipIfNoAdmissionStartForOrderDay": True}),
        ({"subagentClusterId": "CLUSTER"}, {"subagentBundleIdExpr": "'CLUSTER'"}),
        ({"subagentClusterId": "$cluster"}, {"subagentBundleIdExpr": "$cluster"}),
        ({"subagentClusterId": "C", "subagentClusterIdExpr": "$x"}, {"subagentBundleIdExpr": "$x"}),
        (
            {"defaultArguments": {"a": "abc", "n": 1, "e": ""}},
            {"defaultArguments": {"a": "'abc'", "n": "1", "e": '""'}},
        ),
        (
            {"title": "t", "criticality": "MAJOR", "warnIfLonger": "10%", "notification": {}, "warnOnErrWritten": True},
            {},
        ),
        ({"failOnErrWritten": False, "isNotRestartable": True}, {"isNotRestartable": True}),
    ],
)
def test_members_of_jobs(inventory: dict[str, Any], engine: dict[str, Any]) -> None:
    assert _job(inventory) == {"agentPath": "A", "executable": SCRIPT, **engine}


@pytest.mark.parametrize(
    "meaning, engine",
    [
        ({"success": "0"}, None),
        ({"success": [0]}, None),
        ({"success": "0,3..5"}, {"success": "0,3..5"}),
        ({"success": "0,3", "warning": "7"}, {"success": "0,3,7"}),
        ({"warning": [1, 2]}, {"success": "0,1,2"}),
        ({"failure": "none"}, {"failure": ""}),
        ({"failure": "1..9"}, {"failure": "1..9"}),
        ({"failure": "1..9", "warning": "3,5..6"}, {"failure": "1..2,4,7..9"}),
    ],
)
def test_return_codes_of_warnings_are_no_failures(meaning: dict[str, Any], engine: dict[str, Any] | None) -> None:
    executable = _job({"executable": {**SCRIPT, "returnCodeMeaning": meaning}})["executable"]
    assert executable.get("returnCodeMeaning") == engine
    legacy = _job({"returnCodeMeaning": meaning})["executable"]
    assert legacy == executable


def test_executables_in_old_and_internal_forms() -> None:
    old = {
        "TYPE": "ScriptExecutable",
        "script": "x",
        "env": {"A": "text", "B": "$x"},
        "login": {},
        "v1Compatible": False,
    }
    assert _job({"executable": old})["executable"] == {
        "TYPE": "ShellScriptExecutable",
        "script": "x",
        "env": {"A": "'text'", "B": "$x"},
    }
    internal = {"TYPE": "InternalExecutable", "internalType": "Python_Graal", "script": "x", "arguments": {"a": "b c"}}
    assert _job({"executable": internal})["executable"] == {
        "TYPE": "InternalExecutable",
        "className": "com.sos.js7.scriptengine.jobs.PythonJob",
        "script": "x",
        "arguments": {"a": "'b c'"},
    }


def test_old_names_of_the_epoch_are_replaced_in_expressions_and_not_in_scripts() -> None:
    job = _job({"executable": {"TYPE": "ShellScriptExecutable", "script": "$epochMilli", "env": {"T": "$epochMilli"}}})
    assert job["executable"]["env"] == {"T": "$js7EpochMilli"}
    assert job["executable"]["script"] == "$epochMilli"


@pytest.mark.parametrize(
    "text, expression",
    [
        ("abc", "'abc'"),
        ("", '""'),
        ("1", "1"),
        ("true", "true"),
        ("$x ++ 'a'", "$x ++ 'a'"),
        ("2024-01-31", "'2024-01-31'"),
        ("it's", '"it\'s"'),
        ("now(format='yyyy')", "now(format='yyyy')"),
    ],
)
def test_defaults_are_strings_unless_they_are_marked_as_expressions(text: str, expression: str) -> None:
    parameters = {"p": {"type": "String", "default": text}}
    engine = _engine({"orderPreparation": {"parameters": parameters}})["orderPreparation"]
    if text == "it's":  # either way of quoting is right
        assert engine["parameters"]["p"]["default"] in (expression, "''it's''")
    else:
        assert engine["parameters"]["p"] == {"type": "String", "default": expression}


def test_list_and_map_parameters_become_typed_objects() -> None:
    fields = {"name": {"type": "String", "default": "x"}, "size": {"type": "Number"}}
    engine = _engine(
        {
            "orderRequirements": {
                "parameters": {
                    "l": {"type": "List", "listParameters": fields},
                    "m": {"type": "Map", "listParameters": fields},
                    "n": {"type": "Number", "default": 7, "facet": "x", "message": "y", "list": ["z"]},
                },
                "allowUndeclared": True,
            }
        }
    )["orderPreparation"]
    object_type = {"TYPE": "Object", "name": "String", "size": "Number"}
    assert engine == {
        "parameters": {
            "l": {"type": {"TYPE": "List", "elementType": object_type}},
            "m": {"type": object_type},
            "n": {"type": "Number", "default": "7"},
            "js7Workflow.path": PATH_PARAMETER,
        },
        "allowUndeclared": True,
    }


BLOCK: dict[str, Any] = {"instructions": [{"TYPE": "Execute.Named", "jobName": "j"}]}


@pytest.mark.parametrize(
    "inventory, engine",
    [
        (
            {"TYPE": "CaseWhen", "cases": [{"predicate": "$a", "then": BLOCK}], "else": BLOCK},
            {"TYPE": "If", "ifThens": [{"predicate": "$a", "then": BLOCK}], "else": BLOCK},
        ),
        (
            {"TYPE": "Lock", "lockName": "L", "count": 2, "lockedWorkflow": BLOCK},
            {"TYPE": "Lock", "demands": [{"lockPath": "L", "count": 2}], "lockedWorkflow": BLOCK},
        ),
        (
            {"TYPE": "Lock", "demands": [{"lockName": "L"}], "lockedWorkflow": BLOCK},
            {"TYPE": "Lock", "demands": [{"lockPath": "L"}], "lockedWorkflow": BLOCK},
        ),
        ({"TYPE": "PostNotice", "noticeBoardName": "B"}, {"TYPE": "PostNotices", "boardPaths": ["B"]}),
        ({"TYPE": "PostNotices", "noticeBoardNames": ["B", "C"]}, {"TYPE": "PostNotices", "boardPaths": ["B", "C"]}),
        ({"TYPE": "ExpectNotice", "noticeBoardName": "B"}, {"TYPE": "ExpectNotices", "boardPaths": "'B'"}),
        (
            {"TYPE": "ConsumeNotices", "noticeBoardNames": "'B' && 'C'", "whenNotAnnounced": "Wait"},
            {"TYPE": "ConsumeNotices", "boardPaths": "'B' && 'C'", "subworkflow": {"instructions": []}},
        ),
        (
            {"TYPE": "ForkList", "children": "rows", "childToId": "name", "workflow": BLOCK, "agentName": "A"},
            {
                "TYPE": "ForkList",
                "agentPath": "A",
                "children": "$rows",
                "childToArguments": "(x) => $x",
                "childToId": '(x, i) => ($i + 1) ++ "." ++ $x.name',
                "workflow": BLOCK,
            },
        ),
        (
            {"TYPE": "ForkList", "agentName": "A", "subagentClusterId": "C", "workflow": BLOCK},
            {
                "TYPE": "ForkList",
                "agentPath": "A",
                "children": "subagentIds('C')",
                "childToArguments": "(x) => { js7ForkListSubagentId: $x }",
                "childToId": '(x, i) => ($i + 1) ++ "." ++ $x',
                "workflow": BLOCK,
            },
        ),
        (
            {"TYPE": "StickySubagent", "agentName": "A", "subagentClusterId": "C", "subworkflow": BLOCK},
            {"TYPE": "StickySubagent", "agentPath": "A", "subagentBundleIdExpr": "'C'", "subworkflow": BLOCK},
        ),
        (
            {"TYPE": "Fail", "message": "too bad", "outcome": {"returnCode": "3", "x": "y"}, "uncatchable": False},
            {"TYPE": "Fail", "message": "'too bad'", "namedValues": {"returnCode": 3, "x": "y"}},
        ),
        ({"TYPE": "Fail"}, {"TYPE": "Fail", "namedValues": {"returnCode": 1}}),
        ({"TYPE": "Fail", "outcome": {"returnCode": "x"}}, {"TYPE": "Fail", "namedValues": {"returnCode": 1}}),
        ({"TYPE": "Finish"}, {"TYPE": "Finish"}),
        (
            {"TYPE": "Finish", "unsuccessful": True, "message": "m"},
            {"TYPE": "Finish", "outcome": {"TYPE": "Failed", "message": "m", "namedValues": {"returnCode": 1}}},
        ),
        (
            {"TYPE": "Finish", "unsuccessful": False},
            {"TYPE": "Finish", "outcome": {"TYPE": "Succeeded", "namedValues": {"returnCode": 0}}},
        ),
        ({"TYPE": "Sleep", "duration": 1.5}, {"TYPE": "Sleep", "duration": "1.5"}),
        ({"TYPE": "Prompt", "question": "'Go on?'"}, {"TYPE": "Prompt", "question": "'Go on?'"}),
        (
            {"TYPE": "Try", "try": BLOCK, "catch": {"instructions": [{"TYPE": "Retry"}]}, "maxTries": 3},
            {"TYPE": "Try", "try": BLOCK, "catch": {"instructions": [{"TYPE": "Retry"}]}, "maxTries": 3},
        ),
        (
            {"TYPE": "AdmissionTime", "admissionTimeScheme": {"periods": []}, "block": BLOCK},
            {
                "TYPE": "AdmissionTime",
                "admissionTimeScheme": {"periods": []},
                "skipIfNoAdmissionStartForOrderDay": False,
                "block": BLOCK,
            },
        ),
        (
            {
                "TYPE": "Execute.Named",
                "jobName": "j",
                "label": "L",
                "position": [0],
                "positionString": "0",
                "state": {},
            },
            {"TYPE": "Execute.Named", "jobName": "j", "label": "L"},
        ),
    ],
)
def test_instructions(inventory: dict[str, Any], engine: dict[str, Any]) -> None:
    if inventory.get("duration") == 1.5:
        inventory = {**inventory, "duration": Decimal("1.5")}
    assert _instruction(inventory) == engine


def test_segments_are_dissolved_in_place_and_shown_ends_dropped() -> None:
    inner = {"TYPE": "Segment", "block": {"instructions": [{"TYPE": "Finish"}, {"TYPE": "Break"}]}}
    engine = _engine(
        {
            "instructions": [
                {"TYPE": "EmptyInstruction"},
                {"TYPE": "Segment", "block": {"instructions": [inner, {"TYPE": "Stop"}]}},
                {"TYPE": "ImplicitEnd"},
            ]
        }
    )
    assert [item["TYPE"] for item in engine["instructions"]] == ["EmptyInstruction", "Finish", "Break", "Stop"]


def test_jobs_inherit_agent_and_subagent_of_the_enclosing_instruction() -> None:
    fork_list = {"TYPE": "ForkList", "agentName": "A", "subagentClusterId": "C", "workflow": BLOCK}
    jobs = {"j": {"executable": SCRIPT}, "other": {"agentName": "B", "executable": SCRIPT}}
    engine = _engine({"instructions": [fork_list], "jobs": jobs})
    assert engine["jobs"] == {
        "j": {"agentPath": "A", "subagentBundleIdExpr": "$js7ForkListSubagentId", "executable": SCRIPT},
        "other": {"agentPath": "B", "executable": SCRIPT},
    }
    over_rows = {"TYPE": "ForkList", "agentName": "A", "children": "rows", "childToId": "id", "workflow": BLOCK}
    engine = _engine({"instructions": [over_rows], "jobs": {"j": {"executable": SCRIPT}}})
    assert engine["jobs"]["j"] == {"agentPath": "A", "executable": SCRIPT}


def test_add_order_gets_a_generated_id_and_positions_for_labels() -> None:
    add = {
        "TYPE": "AddOrder",
        "workflowName": "W",
        "arguments": {"a": "x y", "rows": [{"k": "v"}]},
        "startPosition": "START",
        "endPositions": [[2], "END"],
        "tags": ["t"],
    }
    labels: dict[str, dict[str, list[int | str]]] = {"W": {"START": [0, "then", 1], "END": [3]}}
    engine = _engine({"instructions": [add, {**add, "remainWhenTerminated": True}]}, label_positions=labels)
    first, second = engine["instructions"]
    assert "++ '00-%05d-'" in first["orderId"] and "++ '01-%05d-'" in second["orderId"]
    assert first["arguments"] == {"a": "'x y'", "rows": "[{k: 'v'}]"}
    assert first["startPosition"] == [0, "then", 1] and first["stopPositions"] == [[2], [3]]
    assert first["deleteWhenTerminated"] is True and "deleteWhenTerminated" not in second and "tags" not in first
    unknown = workflow_to_engine(
        {"instructions": [{**add, "startPosition": "NOWHERE"}]}, Target(path="/W", label_positions=labels)
    )
    assert [problem.path for problem in unknown.problems] == ["$.instructions[0].startPosition"]


def test_generated_expressions_are_expressions() -> None:
    from stellwerk.language.expressions import is_expression
    from stellwerk.language.inventory import file_order_source_to_engine

    assert is_expression(_instruction({"TYPE": "AddOrder", "workflowName": "W"})["orderId"])
    source = {"workflowName": "W", "agentName": "A", "directory": "/in", "priority": -3}
    watch = file_order_source_to_engine(source, Target(path="/f/WATCH")).value
    assert is_expression(watch["orderExpr"]) and "priority: 3 * -1" in watch["orderExpr"]
    assert watch["directoryExpr"] == "'/in'" and watch["delay"] == 2 and watch["path"] == "WATCH"


def test_include_lines_are_replaced_with_their_indent() -> None:
    script = "#!/bin/sh\n  ##!include LIB --replace=\"A\",\"B\" --replace='x',''\necho end"
    scripts = {"LIB": "echo Ax\necho A"}
    engine = _job({"executable": {**SCRIPT, "script": script}}, include_scripts=scripts)
    assert engine["executable"]["script"] == "#!/bin/sh\n  echo B\n  echo B\necho end"


@pytest.mark.parametrize(
    "line, text", [("##!include NONE", "unreleased script 'NONE'"), ("##!include LIB --replace=A,B", "wrong format")]
)
def test_includes_that_cannot_be_expanded_are_reported(line: str, text: str) -> None:
    content = {"instructions": [], "jobs": {"j": {"agentName": "A", "executable": {**SCRIPT, "script": line}}}}
    conversion = workflow_to_engine(content, Target(path="/W", include_scripts={"LIB": "x"}))
    [problem] = conversion.problems
    assert problem.path == "$.jobs.j.executable.script" and text in str(problem)


def test_agent_names_become_ids_and_unknown_ones_are_reported() -> None:
    content = {"instructions": [], "jobs": {"j": {"agentName": "Primary", "executable": SCRIPT}}}
    known = workflow_to_engine(content, Target(path="/W", agent_ids={"Primary": "agent-1"}))
    assert known.problems == () and known.value["jobs"]["j"]["agentPath"] == "agent-1"
    [problem] = workflow_to_engine(content, Target(path="/W", agent_ids={"other": "x"})).problems
    assert problem.path == "$.jobs.j.agentName" and "Missing assigned Agent: 'Primary'" in str(problem)


def test_findings_of_the_engine_reader_are_told_at_the_authors_path() -> None:
    content = {
        "instructions": [
            {
                "TYPE": "Segment",
                "block": {"instructions": [{"TYPE": "CaseWhen", "cases": [{"predicate": "1 +", "then": BLOCK}]}]},
            },
        ],
        "jobs": {
            "j": {"executable": SCRIPT},
            "a.b": {"agentName": "A", "parallelism": "many", "executable": {**SCRIPT, "env": {"X": "$"}}},
        },
    }
    conversion = workflow_to_engine(content, TARGET)
    with pytest.raises(ReadError) as caught:
        read_workflow(conversion.value)
    found = [conversion.in_inventory_terms(problem) for problem in caught.value.problems]
    paths = [problem.path for problem in found]
    assert "$.instructions[0].block.instructions[0].cases[0].predicate" in paths
    assert "$.jobs.a.b.parallelism" in paths
    missing = next(problem for problem in found if problem.path == "$.jobs.j")
    assert "'agentName'" in str(missing)


@pytest.mark.parametrize(
    "content",
    [None, 3, [], {}, {"instructions": 3}, {"instructions": [3, {}, {"TYPE": 5}], "jobs": [], "orderPreparation": 1}]
    + [{"instructions": [{"TYPE": name}]} for name in ("If", "CaseWhen", "Fork", "ForkList", "Lock", "Try")]
    + [{"instructions": [], "jobs": {"j": None, "k": 1, "l": {"executable": 7, "defaultArguments": [1]}}}],
)
def test_malformed_content_goes_through_and_is_refused_by_the_reader(content: Any) -> None:
    conversion = workflow_to_engine(content, TARGET)
    with pytest.raises(ReadError) as caught:
        read_workflow(conversion.value)
    for problem in caught.value.problems:
        assert conversion.in_inventory_terms(problem).path.startswith("$")


# --- round trip -----------------------------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "j", "über", "x-1"])
_texts = st.sampled_from(["$x", "'text'", "plain", "1 + 2", "true", "", "it's", "$epochMilli"])
_jobs = st.fixed_dictionaries(
    {"agentName": _names, "executable": st.sampled_from([SCRIPT, {"TYPE": "PathExecutable", "path": "x.sh"}])},
    optional={
        "parallelism": st.integers(1, 9),
        "graceTimeout": st.integers(0, 20),
        "timeout": st.integers(0, 9),
        "defaultArguments": st.dictionaries(_names, _texts),
        "subagentClusterId": _names,
        "isNotRestartable": st.booleans(),
        "failOnErrWritten": st.booleans(),
        "title": _texts,
    },
)


def _blocks(instructions: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda items: {"instructions": items}, st.lists(instructions, max_size=3))


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    block = _blocks(inner)
    branch = st.fixed_dictionaries({"id": _names, "workflow": block})
    case = st.fixed_dictionaries({"predicate": _texts, "then": block})
    return st.one_of(
        st.fixed_dictionaries({"TYPE": st.just("If"), "predicate": _texts, "then": block}, optional={"else": block}),
        st.fixed_dictionaries({"TYPE": st.just("CaseWhen"), "cases": st.lists(case, min_size=2, max_size=3)}),
        st.fixed_dictionaries({"TYPE": st.just("Fork"), "branches": st.lists(branch, max_size=3)}),
        st.fixed_dictionaries({"TYPE": st.just("Try"), "try": block, "catch": block}),
        st.fixed_dictionaries({"TYPE": st.just("Segment"), "block": block}),
        st.fixed_dictionaries({"TYPE": st.just("Lock"), "lockName": _names, "lockedWorkflow": block}),
        st.fixed_dictionaries(
            {"TYPE": st.just("ForkList"), "children": _names, "childToId": _names, "workflow": block}
        ),
    )


_instructions = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"TYPE": st.just("Execute.Named"), "jobName": _names}, optional={"label": _names}),
        st.fixed_dictionaries({"TYPE": st.just("Fail")}, optional={"message": _texts, "outcome": st.just({"x": 1})}),
        st.fixed_dictionaries({"TYPE": st.just("Finish")}, optional={"unsuccessful": st.booleans()}),
        st.sampled_from([{"TYPE": "Retry"}, {"TYPE": "EmptyInstruction"}, {"TYPE": "Sleep", "duration": "7"}]),
        st.fixed_dictionaries({"TYPE": st.just("PostNotices"), "noticeBoardNames": st.lists(_names)}),
    ),
    _nested,
    max_leaves=8,
)
_workflows = st.fixed_dictionaries(
    {"instructions": st.lists(_instructions, max_size=4), "jobs": st.dictionaries(_names, _jobs)},
    optional={
        "timeZone": st.just("Europe/Berlin"),
        "orderPreparation": st.fixed_dictionaries(
            {
                "parameters": st.dictionaries(
                    _names, st.fixed_dictionaries({"type": st.just("String"), "default": _texts})
                )
            },
            optional={"allowUndeclared": st.booleans()},
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(_workflows)
def test_what_comes_back_from_the_engine_deploys_to_the_same_again(content: dict[str, Any]) -> None:
    engine = workflow_to_engine(content, TARGET).value
    back = workflow_from_engine(engine)
    assert encode(workflow_to_engine(back, TARGET).value) == encode(engine)
    assert workflow_from_engine(workflow_to_engine(back, TARGET).value) == back
