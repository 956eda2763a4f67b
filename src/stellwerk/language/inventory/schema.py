"""A JSON Schema of workflow files, for completion and hints in editors: `stellwerk schema`, and the Cockpit's editor.

It describes what authors write (the inventory spelling, workflow spec 9). It is for help while writing: whether a
workflow is right says `stellwerk check`, which knows more than a schema can say.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_EXPRESSION = {"$ref": "#/$defs/expression"}
_EXPRESSIONS = {"type": "object", "additionalProperties": _EXPRESSION}
_BLOCK = {"$ref": "#/$defs/block"}
_NAME = {"$ref": "#/$defs/name"}
_SECONDS = {"type": "number", "minimum": 0, "description": "seconds"}
_SCHEME = {"$ref": "#/$defs/admissionTimeScheme"}
_BOOLEAN = {"type": "boolean"}
_POSITION = {"type": ["array", "string"], "description": "a position, or a label"}


def object_schema(properties: Json, required: tuple[str, ...] = (), description: str = "") -> Json:
    found: Json = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    if description:
        found["description"] = description
    return found


#: TYPE → what it does, its members, those that are required.
_INSTRUCTIONS: dict[str, tuple[str, Json, tuple[str, ...]]] = {
    "Execute.Named": (
        "Run a job of this workflow",
        {"jobName": {"type": "string"}, "defaultArguments": _EXPRESSIONS},
        ("jobName",),
    ),
    "Execute.Anonymous": ("Run a job that is described here", {"job": {"$ref": "#/$defs/job"}}, ("job",)),
    "If": (
        "Go into a block if the predicate is true",
        {"predicate": _EXPRESSION, "then": _BLOCK, "else": _BLOCK},
        ("predicate", "then"),
    ),
    "CaseWhen": (
        "Go into the block of the first case whose predicate is true",
        {
            "cases": {
                "type": "array",
                "minItems": 1,
                "items": object_schema({"predicate": _EXPRESSION, "then": _BLOCK}, ("predicate", "then")),
            },
            "else": _BLOCK,
        },
        ("cases",),
    ),
    "Try": (
        "Catch failures of a block",
        {
            "try": _BLOCK,
            "catch": _BLOCK,
            "maxTries": {"type": "integer", "minimum": 1},
            "retryDelays": {"type": "array", "items": _SECONDS},
        },
        ("try", "catch"),
    ),
    "Retry": ("Try again; in a catch block", {}, ()),
    "Fork": (
        "Parallel branches",
        {
            "branches": {
                "type": "array",
                "items": object_schema({"id": {"type": "string"}, "workflow": _BLOCK}, ("id", "workflow")),
            },
            "joinIfFailed": _BOOLEAN,
        },
        ("branches",),
    ),
    "ForkList": (
        "A parallel branch for each element of a list, or for each Subagent of a cluster",
        {
            "children": {"type": "string"},
            "childToId": {"type": "string"},
            "workflow": _BLOCK,
            "joinIfFailed": _BOOLEAN,
            "agentName": _NAME,
            "subagentClusterId": {"type": "string"},
            "subagentClusterIdExpr": _EXPRESSION,
            "subagentIdVariable": {"type": "string"},
        },
        ("workflow",),
    ),
    "Lock": (
        "Hold locks while a block is executed",
        {
            "lockName": _NAME,
            "count": {"type": "integer", "minimum": 1},
            "demands": {
                "type": "array",
                "items": object_schema({"lockName": _NAME, "count": {"type": "integer", "minimum": 1}}, ("lockName",)),
            },
            "lockedWorkflow": _BLOCK,
        },
        ("lockedWorkflow",),
    ),
    "Cycle": (
        "Execute a block again and again",
        {"schedule": {"$ref": "#/$defs/schedule"}, "cycleWorkflow": _BLOCK, "onlyOnePeriod": _BOOLEAN},
        ("schedule", "cycleWorkflow"),
    ),
    "Break": ("Leave the cycle", {}, ()),
    "PostNotice": ("Post a notice to a board (old form)", {"noticeBoardName": _NAME}, ("noticeBoardName",)),
    "PostNotices": (
        "Post notices to boards",
        {"noticeBoardNames": {"type": "array", "items": _NAME, "minItems": 1}},
        ("noticeBoardNames",),
    ),
    "ExpectNotice": ("Wait for a notice (old form)", {"noticeBoardName": _NAME}, ("noticeBoardName",)),
    "ExpectNotices": (
        "Wait for notices",
        {
            "noticeBoardNames": {"type": "string", "description": "'B1' && ('B2' || 'B3')"},
            "whenNotAnnounced": {"enum": ["Wait", "SkipWhenNoNotice", "DontWait"]},
        },
        ("noticeBoardNames",),
    ),
    "ConsumeNotices": (
        "Wait for notices, and consume them when the block has succeeded",
        {
            "noticeBoardNames": {"type": "string", "description": "'B1' && ('B2' || 'B3')"},
            "whenNotAnnounced": {"enum": ["Wait", "SkipWhenNoNotice", "DontWait"]},
            "subworkflow": _BLOCK,
        },
        ("noticeBoardNames",),
    ),
    "AddOrder": (
        "Start an order of another workflow",
        {
            "workflowName": _NAME,
            "arguments": _EXPRESSIONS,
            "remainWhenTerminated": _BOOLEAN,
            "forceJobAdmission": _BOOLEAN,
            "startPosition": _POSITION,
            "endPositions": {"type": "array", "items": _POSITION},
            "blockPosition": _POSITION,
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        ("workflowName",),
    ),
    "Prompt": ("Wait until a person confirms", {"question": _EXPRESSION}, ("question",)),
    "Sleep": ("Wait for a number of seconds", {"duration": _EXPRESSION}, ("duration",)),
    "Fail": (
        "Let the order fail",
        {"message": _EXPRESSION, "outcome": {"type": "object"}, "uncatchable": _BOOLEAN},
        (),
    ),
    "Finish": ("End the order, or the branch", {"message": {"type": "string"}, "unsuccessful": _BOOLEAN}, ()),
    "Stop": ("Stop until a person resumes the order", {}, ()),
    "StickySubagent": (
        "All jobs of a block on the same Subagent",
        {
            "agentName": _NAME,
            "subagentClusterId": {"type": "string"},
            "subagentClusterIdExpr": _EXPRESSION,
            "subworkflow": _BLOCK,
        },
        ("agentName", "subworkflow"),
    ),
    "Options": ("Settings for a block", {"stopOnFailure": _BOOLEAN, "block": _BLOCK}, ("block",)),
    "AdmissionTime": (
        "Enter a block only in certain periods",
        {"admissionTimeScheme": _SCHEME, "skipIfNoAdmissionForOrderDay": _BOOLEAN, "block": _BLOCK},
        ("admissionTimeScheme", "block"),
    ),
    "EmptyInstruction": ("Nothing", {}, ()),
    "Segment": ("A part that can be folded in the editor", {"block": _BLOCK}, ("block",)),
}


def _instruction(type_: str, description: str, members: Json, required: tuple[str, ...]) -> Json:
    properties = {"TYPE": {"const": type_}, "label": {"type": "string"}, **members}
    return object_schema(properties, ("TYPE", *required), description)


def _period(type_: str, member: str, low: int, high: int, description: str) -> Json:
    properties = {
        "TYPE": {"const": type_},
        member: {"type": "integer", "minimum": low, "maximum": high, "description": description},
        "duration": {"type": "number", "exclusiveMinimum": 0, "description": "seconds"},
    }
    return object_schema(properties, ("TYPE", member, "duration"))


_WEEK = 604_800


def _executables() -> list[Json]:
    common: Json = {
        "env": _EXPRESSIONS,
        "returnCodeMeaning": {"$ref": "#/$defs/returnCodeMeaning"},
        "login": {"type": "object"},
    }
    script = {"TYPE": {"enum": ["ShellScriptExecutable", "ScriptExecutable"]}, "script": {"type": "string"}, **common}
    internal = {
        "TYPE": {"const": "InternalExecutable"},
        "className": {"type": "string", "description": "package.module:function"},
        "internalType": {"type": "string"},
        "script": {"type": "string"},
        "arguments": _EXPRESSIONS,
        "jobArguments": _EXPRESSIONS,
    }
    return [
        object_schema({**script, "v1Compatible": _BOOLEAN}, ("TYPE", "script")),
        object_schema({"TYPE": {"const": "PathExecutable"}, "path": {"type": "string"}, **common}, ("TYPE", "path")),
        object_schema(
            {"TYPE": {"const": "CommandLineExecutable"}, "command": {"type": "string"}, **common}, ("TYPE", "command")
        ),
        object_schema(internal, ("TYPE", "className")),
    ]


def definitions() -> Json:
    return {
        "name": {"type": "string", "minLength": 1},
        "expression": {
            "type": ["string", "number", "boolean"],
            "description": "an expression; a text that is none stands for itself",
        },
        "block": object_schema(
            {"instructions": {"$ref": "#/$defs/instructions"}, "result": _EXPRESSIONS}, ("instructions",)
        ),
        "instructions": {"type": "array", "items": {"$ref": "#/$defs/instruction"}},
        "instruction": {
            "type": "object",
            "required": ["TYPE"],
            "properties": {"TYPE": {"enum": [*_INSTRUCTIONS, "ImplicitEnd"]}},
            "oneOf": [
                *(_instruction(type_, *members) for type_, members in _INSTRUCTIONS.items()),
                _instruction("ImplicitEnd", "Shown by answers only", {}, ()),
            ],
        },
        "returnCodeMeaning": object_schema(
            {name: {"type": ["string", "array"]} for name in ("success", "failure", "warning")}
        ),
        "period": {
            "oneOf": [
                _period("DailyPeriod", "secondOfDay", 0, 86_399, "from midnight"),
                _period("WeekdayPeriod", "secondOfWeek", 0, _WEEK - 1, "from Monday's midnight"),
                _period("MonthlyDatePeriod", "secondOfMonth", 0, 31 * 86_400 - 1, "from the first day's midnight"),
                _period("MonthlyLastDatePeriod", "lastSecondOfMonth", -28 * 86_400 + 1, -1, "before the month's end"),
                _period("MonthlyWeekdayPeriod", "secondOfWeeks", 0, 4 * _WEEK - 1, "n-th week, second of the week"),
                _period("MonthlyLastWeekdayPeriod", "secondOfWeeks", -4 * _WEEK + 1, -1, "weeks before the last"),
                _period("SpecificDatePeriod", "secondsSinceLocalEpoch", -(10**11), 10**12, "since 1970, local time"),
            ]
        },
        "admissionTimeScheme": object_schema(
            {
                "periods": {"type": "array", "items": {"$ref": "#/$defs/period"}},
                "restrictedSchemes": {
                    "type": "array",
                    "items": object_schema(
                        {
                            "periods": {"type": "array", "items": {"$ref": "#/$defs/period"}},
                            "restriction": object_schema(
                                {
                                    "TYPE": {"enum": ["MonthRestriction", "Unrestricted"]},
                                    "months": {
                                        "type": "array",
                                        "items": {"type": "integer", "minimum": 1, "maximum": 12},
                                    },
                                },
                                ("TYPE",),
                            ),
                        },
                        ("periods",),
                    ),
                },
            }
        ),
        "schedule": object_schema(
            {
                "schemes": {
                    "type": "array",
                    "items": object_schema(
                        {"admissionTimeScheme": _SCHEME, "repeat": {"$ref": "#/$defs/repeat"}},
                        ("admissionTimeScheme", "repeat"),
                    ),
                }
            },
            ("schemes",),
        ),
        "repeat": {
            "oneOf": [
                object_schema(
                    {
                        "TYPE": {"const": "Periodic"},
                        "period": {"type": "number", "exclusiveMinimum": 0},
                        "offsets": {"type": "array", "items": _SECONDS, "minItems": 1},
                    },
                    ("TYPE", "period", "offsets"),
                ),
                object_schema(
                    {"TYPE": {"const": "Ticking"}, "interval": {"type": "number", "exclusiveMinimum": 0}},
                    ("TYPE", "interval"),
                ),
                object_schema(
                    {
                        "TYPE": {"const": "Continuous"},
                        "pause": _SECONDS,
                        "limit": {"type": "integer", "minimum": 0},
                    },
                    ("TYPE", "pause"),
                ),
            ]
        },
        "job": object_schema(
            {
                "agentName": _NAME,
                "executable": {"oneOf": _executables()},
                "defaultArguments": _EXPRESSIONS,
                "subagentClusterId": {"type": "string"},
                "subagentClusterIdExpr": _EXPRESSION,
                "parallelism": {"type": "integer", "minimum": 0},
                "graceTimeout": {"type": "number"},
                "timeout": {"type": "number", "description": "seconds"},
                "jobResourceNames": {"type": "array", "items": _NAME},
                "admissionTimeScheme": _SCHEME,
                "skipIfNoAdmissionForOrderDay": _BOOLEAN,
                "killAtEndOfAdmissionPeriod": _BOOLEAN,
                "failOnErrWritten": _BOOLEAN,
                "warnOnErrWritten": _BOOLEAN,
                "isNotRestartable": _BOOLEAN,
                "returnCodeMeaning": {"$ref": "#/$defs/returnCodeMeaning"},
                "title": {"type": "string"},
                "documentationName": {"type": "string"},
                "criticality": {"enum": ["MINOR", "NORMAL", "MAJOR", "CRITICAL"]},
                "warnIfLonger": {"type": "string"},
                "warnIfShorter": {"type": "string"},
                "notification": {"type": "object"},
                "jobTemplate": {"type": "object"},
            },
            ("executable",),
        ),
        "orderPreparation": object_schema(
            {
                "parameters": {
                    "type": "object",
                    "additionalProperties": object_schema(
                        {
                            "type": {"enum": ["String", "Number", "Boolean", "List", "Map"]},
                            "default": _EXPRESSION,
                            "final": _EXPRESSION,
                            "list": {"type": "array"},
                            "facet": {"type": "string"},
                            "message": {"type": "string"},
                            "listParameters": {"type": "object"},
                        }
                    ),
                },
                "allowUndeclared": _BOOLEAN,
            }
        ),
    }


def workflow_schema() -> Json:
    """The schema, for `*.workflow.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stellwerk workflow",
        **object_schema(
            {
                "version": {"type": "string"},
                "title": {"type": "string"},
                "documentationName": {"type": "string"},
                "timeZone": {"type": "string", "examples": ["Europe/Berlin", "UTC"]},
                "dayOffset": {"type": "string", "pattern": r"^\d{1,2}:\d{2}:\d{2}$"},
                "jobResourceNames": {"type": "array", "items": _NAME},
                "orderPreparation": {"$ref": "#/$defs/orderPreparation"},
                "instructions": {"$ref": "#/$defs/instructions"},
                "jobs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/job"}},
            },
            ("instructions",),
        ),
        "$defs": definitions(),
    }
