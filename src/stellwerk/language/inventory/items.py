"""The other deployable objects: locks, job resources, notice boards, file order sources (workflow spec 9.4)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stellwerk.language.inventory.add_order import MAIN_DIGITS
from stellwerk.language.inventory.conversion import Conversion, Converter, Target, compact, first_of
from stellwerk.language.inventory.quoting import (
    expressions_of,
    number_text,
    quote_unless_typed,
    quoted,
    with_engine_names,
)


def lock_to_engine(content: Any, target: Target) -> Conversion:
    converter = Converter(target)
    limit = content.get("limit") if isinstance(content, dict) else None
    value = {"TYPE": "Lock", "path": target.name, "limit": 1 if limit is None else limit}
    return converter.finish(converter.place(value, "$"))


def lock_from_engine(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"limit": item.get("limit", 1)}


def job_resource_to_engine(content: Any, target: Target) -> Conversion:
    converter = Converter(target)
    source = content if isinstance(content, dict) else {}
    value = {
        "TYPE": "JobResource",
        "path": target.name,
        "variables": expressions_of(first_of(source, "arguments", "settings", "variables")),
        "env": expressions_of(source.get("env")),
    }
    return converter.finish(converter.place(compact(value), "$"))


def job_resource_from_engine(item: Mapping[str, Any]) -> dict[str, Any]:
    return compact({"arguments": item.get("variables"), "env": item.get("env")})


def board_to_engine(content: Any, target: Target) -> Conversion:
    """Either key expression stands for both if it is the only one; a board of plans may have none."""
    converter = Converter(target)
    source = content if isinstance(content, dict) else {}
    post = first_of(source, "postOrderToNoticeId", "toNotice")
    expect = first_of(source, "expectOrderToNoticeId", "readingOrderToNoticeId")
    is_plannable = source.get("boardType") == "PLANNABLE"
    value = {
        "TYPE": "PlannableBoard" if is_plannable else "GlobalBoard",
        "path": target.name,
        "postOrderToNoticeKey": _key(first_of({"a": post, "b": expect}, "a", "b")),
        "expectOrderToNoticeKey": _key(first_of({"a": expect, "b": post}, "a", "b")),
        "endOfLife": None if is_plannable else _key(source.get("endOfLife"), absent=None),
    }
    return converter.finish(converter.place(compact(value), "$"))


def _key(expression: Any, absent: str | None = '""') -> Any:
    if expression is None or expression == "":
        return absent
    return with_engine_names(expression) if isinstance(expression, str) else expression


def board_from_engine(item: Mapping[str, Any]) -> dict[str, Any]:
    is_plannable = item.get("TYPE") == "PlannableBoard"
    keys = {
        "postOrderToNoticeId": item.get("postOrderToNoticeKey"),
        "expectOrderToNoticeId": item.get("expectOrderToNoticeKey"),
    }
    if is_plannable:
        keys = {name: value for name, value in keys.items() if value != '""'}
    return compact({"boardType": "PLANNABLE" if is_plannable else "GLOBAL", **keys, "endOfLife": item.get("endOfLife")})


def file_order_source_to_engine(content: Any, target: Target) -> Conversion:
    converter = Converter(target)
    source = content if isinstance(content, dict) else {}
    directory = source.get("directoryExpr")
    if directory is None and isinstance(source.get("directory"), str):
        directory = quote_unless_typed(source["directory"])
    delay = source.get("delay")
    priority = source.get("priority")
    zone = source.get("timeZone") or target.daily_plan_zone
    value = {
        "TYPE": "FileWatch",
        "path": target.name,
        "workflowPath": first_of(source, "workflowName", "workflowPath"),
        "agentPath": converter.agent_id(first_of(source, "agentName", "agentId", "agentPath"), "$.agentName"),
        "directoryExpr": with_engine_names(directory) if isinstance(directory, str) else directory,
        "pattern": source.get("pattern") or None,
        "delay": 2 if delay is None else delay,
        "orderExpr": _file_order(str(zone), priority if _is_number(priority) else 0),
    }
    return converter.finish(converter.place(compact(value), "$"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _file_order(zone: str, priority: Any) -> str:
    """The generated `orderExpr` (services spec 2.5)."""
    day = f"now(format='yyyy-MM-dd', timezone={quoted(zone)})"
    order_id = f"'#' ++ {day} ++ '#F' ++ {MAIN_DIGITS} ++ '00-' ++ \"$orderWatchPath:$0\""
    priority_text = number_text(priority) if priority >= 0 else f"{number_text(-priority)} * -1"
    return f"{{orderId: {order_id}, planId: ['DailyPlan', {day}], priority: {priority_text}}}"
