"""JSON Schemas of all inventory objects that people write, by the Cockpit's word for the type (cockpit-services 1.2).

For help while writing, as `schema.py`, which has that of workflows: what is right says the check of the Cockpit.
Unknown members are never an error: they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stellwerk.language.inventory.schema import Json, definitions, object_schema, workflow_schema

_TEXT: Json = {"type": "string"}
_NAME: Json = {"type": "string", "minLength": 1}
_NAMES: Json = {"type": "array", "items": _NAME}
_FLAG: Json = {"type": "boolean"}
_TITLED: Json = {"title": _TEXT, "documentationName": _TEXT}
_ZONE: Json = {"type": "string", "examples": ["Europe/Berlin", "Etc/UTC"]}
_DATE: Json = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "yyyy-MM-dd"}
_CLOCK: Json = {"type": "string", "description": "HH:MM[:SS]"}
_DAYS: Json = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 7}, "description": "0 = Sunday"}


def _expression(description: str) -> Json:
    return {"type": ["string", "number", "boolean"], "description": description}


def _expressions(description: str) -> Json:
    return {"type": "object", "additionalProperties": _expression("an expression"), "description": description}


def _limited(properties: Json) -> Json:
    return {"type": "array", "items": object_schema({"from": _DATE, "to": _DATE, **properties})}


def _monthly() -> Json:
    weekly = object_schema({"day": {"type": "integer"}, "weekOfMonth": {"type": "integer"}})
    return {"days": {"type": "array", "items": {"type": "integer"}}, "weeklyDays": {"type": "array", "items": weekly}}


#: Rules of calendars by the member that holds them.
_FREQUENCIES: Json = {
    "dates": {"type": "array", "items": _DATE},
    "weekdays": _limited({"days": _DAYS}),
    "monthdays": _limited(_monthly()),
    "ultimos": _limited(_monthly()),
    "months": _limited({"months": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 12}}}),
    "holidays": {"type": "array", "items": object_schema({"dates": {"type": "array", "items": _DATE}})},
    "repetitions": _limited(
        {"repetition": {"enum": ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]}, "step": {"type": "integer"}}
    ),
}
_RULES = object_schema(_FREQUENCIES)
_EXCLUDES = object_schema({**_FREQUENCIES, "nonWorkingDayCalendars": _NAMES})
_PERIOD = object_schema(
    {
        "singleStart": _CLOCK,
        "begin": _CLOCK,
        "end": _CLOCK,
        "repeat": {"type": "string", "description": "HH:MM:SS; a bare number is seconds"},
        "whenHoliday": {"enum": ["SUPPRESS", "IGNORE", "PREVIOUSNONWORKINGDAY", "NEXTNONWORKINGDAY"]},
    }
)
_ASSIGNMENT = object_schema(
    {
        "calendarName": _NAME,
        "timeZone": _ZONE,
        "includes": _RULES,
        "excludes": _EXCLUDES,
        "periods": {"type": "array", "items": _PERIOD},
    },
    ("calendarName",),
)
_PARAMETERISATION = object_schema(
    {
        "orderName": _TEXT,
        "variables": {"type": "object", "description": "arguments of the orders, by name"},
        "positions": object_schema({"startPosition": {}, "endPositions": {}, "blockPosition": {}}),
        "tags": {"type": "array", "items": _TEXT},
        "forceJobAdmission": _FLAG,
        "priority": {"type": "integer"},
    }
)


def _calendar() -> Json:
    return object_schema(
        {
            **_TITLED,
            "type": {"enum": ["WORKINGDAYSCALENDAR", "NONWORKINGDAYSCALENDAR"]},
            "from": _DATE,
            "to": _DATE,
            "includes": _RULES,
            "excludes": _EXCLUDES,
        }
    )


def _job_template() -> Json:
    known = definitions()
    arguments = {"type": "object", "description": "arguments of the jobs that use the template, by name"}
    job = {name: value for name, value in known["job"].items() if name != "required"}
    properties = {**job["properties"], **_TITLED, "arguments": arguments}
    return {**job, "properties": properties, "required": ["executable"], "$defs": known}


_SCHEMAS: Mapping[str, Callable[[], Json]] = {
    "WORKFLOW": workflow_schema,
    "JOBTEMPLATE": _job_template,
    "WORKINGDAYSCALENDAR": _calendar,
    "NONWORKINGDAYSCALENDAR": _calendar,
    "LOCK": lambda: object_schema(
        {**_TITLED, "limit": {"type": "integer", "minimum": 0, "description": "how many may hold it at a time"}}
    ),
    "NOTICEBOARD": lambda: object_schema(
        {
            **_TITLED,
            "boardType": {"enum": ["GLOBAL", "PLANNABLE"]},
            "postOrderToNoticeId": _expression("of the posting order: the id of the notice"),
            "expectOrderToNoticeId": _expression("of the expecting order: the id of the notice"),
            "endOfLife": _expression("when the notice ends, in milliseconds since 1970; not of plannable boards"),
        }
    ),
    "JOBRESOURCE": lambda: object_schema(
        {
            **_TITLED,
            "arguments": _expressions("for jobs, as $variables of the job resource"),
            "env": _expressions("environment variables of the processes of jobs"),
        }
    ),
    "FILEORDERSOURCE": lambda: object_schema(
        {
            **_TITLED,
            "workflowName": _NAME,
            "agentName": _NAME,
            "directoryExpr": _expression("the folder that is watched"),
            "pattern": {"type": "string", "description": "a regular expression of file names"},
            "timeZone": _ZONE,
            "delay": {"type": "integer", "minimum": 0, "description": "seconds that a file has to be unchanged"},
        },
        ("workflowName", "agentName", "directoryExpr"),
    ),
    "INCLUDESCRIPT": lambda: object_schema({**_TITLED, "script": _TEXT}, ("script",)),
    "SCHEDULE": lambda: object_schema(
        {
            **_TITLED,
            "workflowNames": _NAMES,
            "submitOrderToControllerWhenPlanned": _FLAG,
            "planOrderAutomatically": _FLAG,
            "calendars": {"type": "array", "items": _ASSIGNMENT},
            "nonWorkingDayCalendars": {
                "type": "array",
                "items": object_schema({"calendarName": _NAME}, ("calendarName",)),
            },
            "orderParameterisations": {"type": "array", "items": _PARAMETERISATION},
        },
        ("workflowNames",),
    ),
}


def schema_of(type_name: str) -> Json | None:
    """The schema of an object type; None for types that have none."""
    make = _SCHEMAS.get(type_name)
    return None if make is None else {"$schema": "https://json-schema.org/draft/2020-12/schema", **make()}


def types_with_schema() -> list[str]:
    return list(_SCHEMAS)
