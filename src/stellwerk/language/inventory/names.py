"""Names of inventory objects and of their files (cockpit-services 1.3, 1.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Type of an inventory object, in the Cockpit's word → end of the names of its files (cockpit-api 1.9).
EXTENSIONS: Mapping[str, str] = {
    "WORKFLOW": ".workflow.json",
    "JOBRESOURCE": ".jobresource.json",
    "LOCK": ".lock.json",
    "NOTICEBOARD": ".noticeboard.json",
    "FILEORDERSOURCE": ".fileordersource.json",
    "JOBCLASS": ".jobclass.json",
    "SCHEDULE": ".schedule.json",
    "WORKINGDAYSCALENDAR": ".calendar.json",
    "NONWORKINGDAYSCALENDAR": ".calendar.json",
    "INCLUDESCRIPT": ".script.json",
    "JOBTEMPLATE": ".jobtemplate.json",
    "REPORT": ".report.json",
    "DEPLOYMENTDESCRIPTOR": ".deploymentdescriptor.json",
}

_BLANK = re.compile(r"\s")
_PUNCTUATION = re.compile(
    "[\u0021-\u002c\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u007e\u00a0-\u00bf\u00d7\u00f7"
    "\uff01-\uff0c\uff1a-\uff20\uff3b-\uff3e\uff40\uff5b-\uff60\uff62-\uff65\uffe0-\uffee\uffff]"
)
_CONTROL = re.compile("[\u0000-\u001f\u007f-\u009f]")
RESERVED_WORDS = frozenset(
    {
        "abstract",
        "assert",
        "boolean",
        "break",
        "byte",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extends",
        "final",
        "finally",
        "float",
        "for",
        "goto",
        "if",
        "implements",
        "import",
        "instanceof",
        "int",
        "interface",
        "long",
        "native",
        "new",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "short",
        "static",
        "strictfp",
        "super",
        "switch",
        "synchronized",
        "this",
        "throw",
        "throws",
        "transient",
        "try",
        "void",
        "volatile",
        "while",
    }
)


def name_fault(name: str) -> str | None:
    """What is wrong with a name or one segment of a path: the first rule that it breaks, or None."""
    if not name:
        return "must not be empty"
    if _BLANK.search(name):
        return "Spaces are not allowed"
    if _PUNCTUATION.search(name):
        return "Punctuations (except '_', '-' and '.') or symbols are not allowed"
    if name[0] in "_.-":
        return "must not begin with a hyphen, dot or underline"
    if name[-1] in ".-":
        return "must not end with a hyphen or dot"
    if ".." in name or "--" in name:
        return "must not contain consecutive hyphens or dots"
    if _CONTROL.search(name):
        return "Control characters are not allowed"
    if name in RESERVED_WORDS:
        return "is a reserved word"
    return None
