"""Reference pages of the language, made of the code's own declarations: instructions, functions, problems, rules."""

from __future__ import annotations

import re
import sys
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from stellwerk.author.rules import RULES
from stellwerk.engine.instructions import EXECUTIONS
from stellwerk.language.boards import BoardExpression
from stellwerk.language.expressions import Expression, Function
from stellwerk.language.expressions.functions import FIXED_FUNCTIONS, SYMBOLS, TEXTS
from stellwerk.language.instructions import Block, Instruction
from stellwerk.language.inventory.schema import _INSTRUCTIONS
from stellwerk.language.reader import BranchPathValue, DurationMs, PositionValue
from stellwerk.values.problems import HTTP_STATUS, TEMPLATES

_NAMES: dict[Any, str] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    Expression: "expression",
    Function: "function",
    BoardExpression: "board expression",
    Block: "block",
    DurationMs: "seconds",
    PositionValue: "position",
    BranchPathValue: "block path",
    Any: "any value",
}


def _generated(text: str) -> str:
    return f"{text}\n\nThis page is generated from the code: `make docs`.\n\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- instructions ---


def _type(hint: Any) -> str:
    if hint in _NAMES:
        return _NAMES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_type(item) for item in arguments if item is not NoneType)
    if origin is Literal:
        return ", ".join(f"`{item}`" for item in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"name → {_type(arguments[1])}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", getattr(hint, "__name__", str(hint))).lower()


def _default(field: Any) -> str:
    if field.required:
        return "must be given"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if default is None or default in ((), {}) else f"`{str(default).lower()}`"


def _doc(module: str) -> str:
    text = sys.modules[module].__doc__ or ""
    return text.strip()


def instructions_page() -> str:
    """All instructions with their members in the engine's spelling."""
    parts = [
        "# Instructions\n\n",
        _generated(
            "Every instruction of workflows, with its members in the spelling of the engine. Authors write the"
            " inventory spelling: where names differ they are given, too (`stellwerk schema` has all of them). What"
            " orders do there, event by event: [workflow language](../specification/workflow-language.md), section 2."
        ),
    ]
    for tag in sorted({str(item.__struct_config__.tag) for item in Instruction.REGISTRY.values()}):
        parts.append(_instruction(tag, Instruction.REGISTRY[tag]))
    return "".join(parts).rstrip() + "\n"


def _instruction(tag: str, class_: type[Instruction]) -> str:
    hints = get_type_hints(class_)
    fields = [field for field in msgspec.structs.fields(class_) if field.name != "label"]
    text = [f"## {tag}\n\n"]
    own = (class_.__doc__ or "").strip()
    text.append((own if own and not own.startswith(class_.__name__ + "(") else _doc(class_.__module__)) + "\n\n")
    text.append(f"At run time: {_doc(EXECUTIONS[class_].__module__)}\n\n")
    aliases = getattr(class_, "TAG_ALIASES", ())
    if aliases:
        text.append(f"Old spelling: {', '.join(f'`{alias}`' for alias in aliases)}.\n\n")
    if fields:
        rows = [
            f"| `{field.encode_name}` | {_cell(_type(hints[field.name]))} | {_default(field)} |" for field in fields
        ]
        text.append("| Member | Value | Default |\n|---|---|---|\n" + "\n".join(rows) + "\n\n")
    if tag in _INSTRUCTIONS:
        members = ", ".join(f"`{name}`" for name in _INSTRUCTIONS[tag][1])
        if members:
            text.append(f"Inventory spelling: {members}.\n\n")
    return "".join(text)


# --- functions ---


def functions_page() -> str:
    """Functions and symbols of the expression language."""
    functions = [name for name in TEXTS if name not in SYMBOLS]
    rows = [f"| `{name}` | {_cell(TEXTS[name])} | {_purity(name)} |" for name in sorted(functions)]
    symbols = [f"| `{name}` | {_cell(TEXTS[name])} |" for name in sorted(SYMBOLS)]
    return (
        "# Functions and symbols of expressions\n\n"
        + _generated(
            "The grammar and the meaning of values: [workflow language](../specification/workflow-language.md),"
            " section 6. Arguments can be given by name, where the function has names for them."
        )
        + "## Functions\n\n| Function | What it gives | |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Symbols\n\nThey may be written without parentheses.\n\n| Symbol | What it gives |\n|---|---|\n"
        + "\n".join(symbols)
        + "\n"
    )


def _purity(name: str) -> str:
    fixed = FIXED_FUNCTIONS.get(name)
    return "pure" if fixed is not None and fixed.is_pure else ""


# --- problems ---


def problems_page() -> str:
    """Problem codes."""
    rows = [
        f"| `{code}` | {', '.join(f'`{name}`' for name in re.findall('{([a-zA-Z]+)}', text))} | {_cell(text)} |"
        f" {HTTP_STATUS.get(code, 400)} |"
        for code, text in sorted(TEMPLATES.items())
    ]
    return (
        "# Problem codes\n\n"
        + _generated(
            'A problem is `{"TYPE":"Problem","code":…,"arguments":{…},"message":…}`. The code decides what programs do,'
            " the text is for people. Problems without a code have a text only."
        )
        + "| Code | Arguments | Text | HTTP |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


# --- rules of check ---


def rules_page() -> str:
    """What `stellwerk check` finds."""
    rows = [f"| `{rule.id}` | {rule.severity} | {_cell(rule.title)} | {_cell(rule.remedy)} |" for rule in RULES]
    return (
        "# Rules of `stellwerk check`\n\n"
        + _generated("An error stands against a deployment; a warning is a likely mistake.")
        + "| Rule | | What it finds | What to do |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )
