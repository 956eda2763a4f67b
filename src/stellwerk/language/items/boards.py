"""Notice boards and plan schemas (workflow spec 8.2, 8.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from stellwerk.language.expressions import Expression, Function, parse_expression, parse_function
from stellwerk.language.items.base import Item, ItemKey, board_key, check_expression, check_function, plan_schema_key
from stellwerk.language.reader import Reader

#: The schema of the global plan, which always exists.
GLOBAL_SCHEMA = "Global"


class _Board(Item, frozen=True, kw_only=True):
    ALIASES: ClassVar[Mapping[str, str]] = {
        "postOrderToNoticeId": "postOrderToNoticeKey",
        "expectOrderToNoticeId": "expectOrderToNoticeKey",
    }
    path: str

    @property
    def key(self) -> ItemKey:
        return board_key(self.path)


class GlobalBoard(_Board, frozen=True, kw_only=True):
    """Its notices live in the global plan, until their end of life."""

    TAG_ALIASES: ClassVar[tuple[str, ...]] = ("Board",)
    post_order_to_notice_key: str
    expect_order_to_notice_key: str
    #: When a notice ends, in epoch milliseconds; missing: never.
    end_of_life: str = "missing"
    item_revision: int | None = None

    def check(self, reader: Reader) -> None:
        check_expression(reader, "$.postOrderToNoticeKey", self.post_order_to_notice_key)
        check_expression(reader, "$.expectOrderToNoticeKey", self.expect_order_to_notice_key)
        check_expression(reader, "$.endOfLife", self.end_of_life)

    @property
    def end_of_life_expression(self) -> Expression:
        return parse_expression(self.end_of_life)


class PlannableBoard(_Board, frozen=True, kw_only=True):
    """Its notices belong to the plan of the order and go with that plan."""

    post_order_to_notice_key: str = '""'
    expect_order_to_notice_key: str = '""'
    item_revision: int | None = None

    def check(self, reader: Reader) -> None:
        check_expression(reader, "$.postOrderToNoticeKey", self.post_order_to_notice_key)
        check_expression(reader, "$.expectOrderToNoticeKey", self.expect_order_to_notice_key)


Board = GlobalBoard | PlannableBoard


class PlanSchema(Item, frozen=True, kw_only=True):
    """Which plans are open although nothing is stored of them."""

    id: str
    unknown_plan_is_open_function: str
    named_values: dict[str, Any] = {}
    item_revision: int | None = None

    @classmethod
    def prepare(cls, value: dict[str, Any]) -> dict[str, Any]:
        """The old `unknownPlanIsClosedFunction` says the contrary."""
        old = value.get("unknownPlanIsClosedFunction")
        if isinstance(old, str) and value.get("unknownPlanIsOpenFunction") is None:
            parameters, arrow, body = old.partition("=>")
            return {**value, "unknownPlanIsOpenFunction": f"{parameters}{arrow} ! ({body.strip()})"}
        return value

    @property
    def key(self) -> ItemKey:
        return plan_schema_key(self.id)

    def check(self, reader: Reader) -> None:
        check_function(reader, "$.unknownPlanIsOpenFunction", self.unknown_plan_is_open_function)
        if self.id == GLOBAL_SCHEMA:
            reader.problem("$.id", "the Global plan schema exists always and cannot be changed")

    @property
    def is_open_function(self) -> Function:
        return parse_function(self.unknown_plan_is_open_function)
