"""Instructions in both spellings (workflow spec 9.2).

One table, `INSTRUCTIONS`, holds a pair of functions for each inventory TYPE; an instruction that is spelled alike on
both sides but holds blocks needs only the names of its blocks. TYPEs that are not in the table go through unchanged:
the reader of the engine spelling says whether it knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.language.inventory.add_order import add_order_from_engine, add_order_to_engine
from stellwerk.language.inventory.conversion import Converter, compact, first_of
from stellwerk.language.inventory.jobs import job_from_engine, job_to_engine, subagent_expression
from stellwerk.language.inventory.quoting import (
    expression_of,
    expressions_of,
    quote_unless_typed,
    quoted,
    variable,
    with_engine_names,
)
from stellwerk.language.inventory.quoting import identifier as identifier_of

ToEngine = Callable[[Converter, dict[str, Any], str], dict[str, Any]]
FromEngine = Callable[[dict[str, Any]], dict[str, Any]]

DEFAULT_SUBAGENT_VARIABLE = "js7ForkListSubagentId"
_RESPONSE_ONLY = ("position", "positionString", "state")


# --- blocks ----------------------------------------------------------------------------------------------------------


def block_to_engine(converter: Converter, block: Any, path: str) -> Any:
    """`{instructions, result}` of an instruction or of a workflow; other members go through."""
    if not isinstance(block, dict):
        return block
    result = dict(block)
    if isinstance(block.get("instructions"), list):
        result["instructions"] = instructions_to_engine(converter, block["instructions"], f"{path}.instructions")
    if block.get("result") is not None:
        result["result"] = expressions_of(block["result"])
    return converter.place(result, path)


def instructions_to_engine(converter: Converter, instructions: list[Any], path: str) -> list[Any]:
    """A list of instructions; Segments are dissolved, ends that only answers show are dropped."""
    result: list[Any] = []
    for index, instruction in enumerate(instructions):
        own_path = f"{path}[{index}]"
        if not isinstance(instruction, dict):
            result.append(instruction)
            continue
        type_ = instruction.get("TYPE")
        if type_ == "Segment":
            block = instruction.get("block")
            inner = block.get("instructions") if isinstance(block, dict) else None
            if isinstance(inner, list):
                result.extend(instructions_to_engine(converter, inner, f"{own_path}.block.instructions"))
            else:
                converter.problem(own_path, "a Segment needs a block with instructions")
        elif type_ != "ImplicitEnd":
            result.append(instruction_to_engine(converter, instruction, own_path))
    return result


def instruction_to_engine(converter: Converter, instruction: dict[str, Any], path: str) -> dict[str, Any]:
    source = {name: value for name, value in instruction.items() if name not in _RESPONSE_ONLY}
    entry = INSTRUCTIONS.get(str(source.get("TYPE")))
    converted = entry[0](converter, source, path) if entry is not None else source
    return converter.place(converted, path)


def block_from_engine(block: Any) -> Any:
    if not isinstance(block, dict) or not isinstance(block.get("instructions"), list):
        return block
    return {**block, "instructions": [instruction_from_engine(item) for item in block["instructions"]]}


def instruction_from_engine(instruction: Any) -> Any:
    if not isinstance(instruction, dict):
        return instruction
    source = {name: value for name, value in instruction.items() if name not in ("position", "sourcePos")}
    entry = INSTRUCTIONS.get(str(source.get("TYPE")))
    return entry[1](source) if entry is not None else source


def _with_blocks(*names: str) -> tuple[ToEngine, FromEngine]:
    """An instruction spelled alike, with blocks at these members."""

    def to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
        blocks = {name: block_to_engine(converter, source[name], f"{path}.{name}") for name in names if name in source}
        return compact({**source, **blocks})

    def from_engine(source: dict[str, Any]) -> dict[str, Any]:
        return {**source, **{name: block_from_engine(source[name]) for name in names if name in source}}

    return to_engine, from_engine


def _renamed(source: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in source.items() if value is not None}


# --- jobs ------------------------------------------------------------------------------------------------------------


def _execute_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = dict(source)
    if "defaultArguments" in source:
        result["defaultArguments"] = expressions_of(source["defaultArguments"])
    if "job" in source:
        result["job"] = job_to_engine(converter, source["job"], f"{path}.job")
    return compact(result, {"defaultArguments": {}})


def _execute_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    return {**source, "job": job_from_engine(source["job"])} if "job" in source else source


# --- branches --------------------------------------------------------------------------------------------------------


def _if_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    """`If` in the old form that the engine reads as well; `ifThens` is accepted, too."""
    result = dict(source)
    if isinstance(result.get("predicate"), str):
        result["predicate"] = with_engine_names(result["predicate"])
    for name in ("then", "else"):
        if name in result:
            result[name] = block_to_engine(converter, result[name], f"{path}.{name}")
    if isinstance(result.get("ifThens"), list):
        result["ifThens"] = _cases_to_engine(converter, result["ifThens"], f"{path}.ifThens")
    return compact(result)


def _case_when_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {**source, "TYPE": "If"}
    cases = result.pop("cases", None)
    result["ifThens"] = _cases_to_engine(converter, cases, f"{path}.cases") if isinstance(cases, list) else cases
    if "else" in result:
        result["else"] = block_to_engine(converter, result["else"], f"{path}.else")
    if not cases:
        converter.problem(f"{path}.cases", "CaseWhen needs at least one case")
    return compact(result)


def _cases_to_engine(converter: Converter, cases: list[Any], path: str) -> list[Any]:
    result: list[Any] = []
    for index, case in enumerate(cases):
        if not isinstance(case, dict):
            result.append(case)
            continue
        converted = dict(case)
        if isinstance(case.get("predicate"), str):
            converted["predicate"] = with_engine_names(case["predicate"])
        if "then" in case:
            converted["then"] = block_to_engine(converter, case["then"], f"{path}[{index}].then")
        result.append(converter.place(converted, f"{path}[{index}]"))
    return result


def _if_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    cases = source.get("ifThens")
    if not isinstance(cases, list):
        return _with_blocks("then", "else")[1](source)
    rest = {name: value for name, value in source.items() if name not in ("TYPE", "ifThens", "else")}
    otherwise = {"else": block_from_engine(source["else"])} if "else" in source else {}
    branches = [{**case, "then": block_from_engine(case.get("then"))} for case in cases]
    if len(branches) == 1:
        return {"TYPE": "If", **branches[0], **otherwise, **rest}
    return {"TYPE": "CaseWhen", "cases": branches, **otherwise, **rest}


def _fork_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = _renamed(source, {"agentName": "agentPath"})
    if isinstance(source.get("branches"), list):
        result["branches"] = [
            converter.place(
                {
                    **branch,
                    "workflow": block_to_engine(
                        converter, branch.get("workflow"), f"{path}.branches[{index}].workflow"
                    ),
                },
                f"{path}.branches[{index}]",
            )
            if isinstance(branch, dict)
            else branch
            for index, branch in enumerate(source["branches"])
        ]
    if "agentPath" in result:
        result["agentPath"] = converter.agent_id(result["agentPath"], f"{path}.agentName")
    return compact(result, {"joinIfFailed": False})


def _fork_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    branches = [{**branch, "workflow": block_from_engine(branch.get("workflow"))} for branch in source["branches"]]
    return _renamed({**source, "branches": branches}, {"agentPath": "agentName"})


def _fork_list_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    """Over the elements of a list variable, or over the Subagents of a cluster."""
    own = ("subagentClusterId", "subagentClusterIdExpr", "subagentIdVariable", "agentName", "childToId", "children")
    result = {name: value for name, value in source.items() if name not in own}
    result["agentPath"] = converter.agent_id(first_of(source, "agentName", "agentPath"), f"{path}.agentName")
    children, field = source.get("children"), source.get("childToId")
    cluster = subagent_expression(source)
    if source.get("childToArguments") is not None:  # already the engine's spelling
        result |= {"children": children, "childToId": field}
    elif children is not None or cluster is None:
        result["children"] = variable(children) if isinstance(children, str) else children
        result["childToArguments"] = "(x) => $x"
        if isinstance(field, str):
            result["childToId"] = f'(x, i) => ($i + 1) ++ "." ++ $x.{identifier_of(field)}'
        else:
            result["childToId"] = field
    else:
        name = source.get("subagentIdVariable") or DEFAULT_SUBAGENT_VARIABLE
        result["children"] = f"subagentIds({cluster})"
        result["childToArguments"] = f"(x) => {{ {identifier_of(str(name))}: $x }}"
        result["childToId"] = '(x, i) => ($i + 1) ++ "." ++ $x'
    result["workflow"] = block_to_engine(converter, source.get("workflow"), f"{path}.workflow")
    return compact(result, {"joinIfFailed": False})


def _fork_list_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    """The inventory's short form where the expressions are those that it generates, else the engine's members."""
    result = {**source, "workflow": block_from_engine(source.get("workflow"))}
    children, to_id = str(source.get("children")), str(source.get("childToId"))
    prefix = '(x, i) => ($i + 1) ++ "." ++ $x.'
    if source.get("childToArguments") == "(x) => $x" and children.startswith("$") and to_id.startswith(prefix):
        del result["childToArguments"]
        result["children"] = children[1:].strip("`")
        result["childToId"] = to_id.removeprefix(prefix).strip("`")
    return _renamed(result, {"agentPath": "agentName"})


# --- locks, notices ---------------------------------------------------------------------------------------------------


def _lock_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name not in ("lockName", "lockPath", "count")}
    demands = source.get("demands")
    if demands is None:
        single = compact({"lockPath": first_of(source, "lockName", "lockPath"), "count": source.get("count")})
        result["demands"] = [converter.place(single, path)]
    elif isinstance(demands, list):
        result["demands"] = [
            converter.place(_renamed(demand, {"lockName": "lockPath"}), f"{path}.demands[{index}]")
            if isinstance(demand, dict)
            else demand
            for index, demand in enumerate(demands)
        ]
    result["lockedWorkflow"] = block_to_engine(converter, source.get("lockedWorkflow"), f"{path}.lockedWorkflow")
    return compact(result)


def _lock_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    result = dict(source)
    demands = result.get("demands")
    if demands is None:
        single = {"lockPath": result.pop("lockPath", None), "count": result.pop("count", None)}
        demands = [compact(single)]
    result["demands"] = [_renamed(demand, {"lockPath": "lockName"}) for demand in demands]
    result["lockedWorkflow"] = block_from_engine(result.get("lockedWorkflow"))
    return result


def _post_notices_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name not in ("noticeBoardName", "noticeBoardNames")}
    names = first_of(source, "noticeBoardNames", "boardPaths")
    single = source.get("noticeBoardName")
    result |= {"TYPE": "PostNotices", "boardPaths": [single] if names is None and single is not None else names}
    return compact(result)


def _expect_notices_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name not in ("noticeBoardName", "noticeBoardNames")}
    boards = first_of(source, "noticeBoardNames", "boardPaths")
    if boards is None and isinstance(source.get("noticeBoardName"), str):
        boards = quoted(source["noticeBoardName"])
    result["boardPaths"] = boards
    if source["TYPE"] == "ConsumeNotices":
        subworkflow = source.get("subworkflow")
        block = {"instructions": []} if subworkflow is None else subworkflow
        result["subworkflow"] = block_to_engine(converter, block, f"{path}.subworkflow")
    else:
        result["TYPE"] = "ExpectNotices"
    return compact(result, {"whenNotAnnounced": "Wait"})


def _notices_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    result = _renamed(source, {"boardPaths": "noticeBoardNames", "boardPath": "noticeBoardName"})
    if "subworkflow" in result:
        result["subworkflow"] = block_from_engine(result["subworkflow"])
    return result


# --- outcomes, questions ----------------------------------------------------------------------------------------------


def _fail_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name != "outcome"}
    if isinstance(result.get("message"), str):
        result["message"] = quote_unless_typed(result["message"])
    outcome = first_of(source, "outcome", "namedValues")
    if outcome is None or isinstance(outcome, dict):
        values = dict(outcome or {})
        values["returnCode"] = _return_code(values.get("returnCode"))
        result["namedValues"] = values
    else:
        result["namedValues"] = outcome
    return compact(result, {"uncatchable": False})


def _return_code(value: Any) -> int:
    """An integer, also one that is written as text; anything else counts as not given: 1."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(value) if isinstance(value, str) else 1
    except ValueError:
        return 1


def _fail_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    return _renamed(source, {"namedValues": "outcome"})


def _finish_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name not in ("message", "unsuccessful")}
    unsuccessful = source.get("unsuccessful")
    if unsuccessful is True:
        outcome = {"TYPE": "Failed", "message": source.get("message"), "namedValues": {"returnCode": 1}}
        result["outcome"] = compact(outcome)
    elif unsuccessful is False:
        result["outcome"] = {"TYPE": "Succeeded", "namedValues": {"returnCode": 0}}
    elif unsuccessful is not None:
        converter.problem(f"{path}.unsuccessful", "true or false is expected")
    return result


def _finish_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    outcome = source.get("outcome")
    if not isinstance(outcome, dict):
        return source
    named_values = outcome.get("namedValues")
    if outcome.get("TYPE") == "Failed" and named_values == {"returnCode": 1}:
        short = {"unsuccessful": True, "message": outcome.get("message")}
    elif outcome.get("TYPE") == "Succeeded" and named_values == {"returnCode": 0} and "message" not in outcome:
        short = {"unsuccessful": False}
    else:
        return source  # an outcome that the short form cannot say
    return compact({**{name: value for name, value in source.items() if name != "outcome"}, **short})


def _expression_at(name: str) -> tuple[ToEngine, FromEngine]:
    """An instruction spelled alike with an expression that may also be a JSON number."""

    def to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
        value = source.get(name)
        converted = with_engine_names(value) if isinstance(value, str) else expression_of(value)
        return {**source, name: converted} if value is not None else source

    return to_engine, lambda source: source


# --- Subagents, admission ---------------------------------------------------------------------------------------------


def _sticky_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    own = ("agentName", "agentPath", "subagentClusterId", "subagentClusterIdExpr", "subworkflow")
    result = {name: value for name, value in source.items() if name not in own}
    result["agentPath"] = converter.agent_id(first_of(source, "agentName", "agentPath"), f"{path}.agentName")
    result["subagentBundleIdExpr"] = subagent_expression(source)
    result["subworkflow"] = block_to_engine(converter, source.get("subworkflow"), f"{path}.subworkflow")
    return compact(result)


def _sticky_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    names = {"agentPath": "agentName", "subagentBundleIdExpr": "subagentClusterIdExpr"}
    return _renamed({**source, "subworkflow": block_from_engine(source.get("subworkflow"))}, names)


def _admission_to_engine(converter: Converter, source: dict[str, Any], path: str) -> dict[str, Any]:
    result = {name: value for name, value in source.items() if name != "skipIfNoAdmissionForOrderDay"}
    skip = first_of(source, "skipIfNoAdmissionForOrderDay", "skipIfNoAdmissionStartForOrderDay")
    result["skipIfNoAdmissionStartForOrderDay"] = False if skip is None else skip
    result["block"] = block_to_engine(converter, source.get("block"), f"{path}.block")
    return result


def _admission_from_engine(source: dict[str, Any]) -> dict[str, Any]:
    names = {"skipIfNoAdmissionStartForOrderDay": "skipIfNoAdmissionForOrderDay"}
    return _renamed({**source, "block": block_from_engine(source.get("block"))}, names)


INSTRUCTIONS: dict[str, tuple[ToEngine, FromEngine]] = {
    "Execute.Named": (_execute_to_engine, _execute_from_engine),
    "Execute.Anonymous": (_execute_to_engine, _execute_from_engine),
    "If": (_if_to_engine, _if_from_engine),
    "CaseWhen": (_case_when_to_engine, _if_from_engine),
    "Try": _with_blocks("try", "catch"),
    "Fork": (_fork_to_engine, _fork_from_engine),
    "ForkList": (_fork_list_to_engine, _fork_list_from_engine),
    "Lock": (_lock_to_engine, _lock_from_engine),
    "PostNotice": (_post_notices_to_engine, _notices_from_engine),
    "PostNotices": (_post_notices_to_engine, _notices_from_engine),
    "ExpectNotice": (_expect_notices_to_engine, _notices_from_engine),
    "ExpectNotices": (_expect_notices_to_engine, _notices_from_engine),
    "ConsumeNotices": (_expect_notices_to_engine, _notices_from_engine),
    "AddOrder": (add_order_to_engine, add_order_from_engine),
    "Cycle": _with_blocks("cycleWorkflow"),
    "Prompt": _expression_at("question"),
    "Sleep": _expression_at("duration"),
    "Fail": (_fail_to_engine, _fail_from_engine),
    "Finish": (_finish_to_engine, _finish_from_engine),
    "StickySubagent": (_sticky_to_engine, _sticky_from_engine),
    "Options": _with_blocks("block"),
    "AdmissionTime": (_admission_to_engine, _admission_from_engine),
}
