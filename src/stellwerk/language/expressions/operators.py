"""Operators of the expression language: their precedence, meaning, and canonical form (workflow spec 6.2, 6.4).

`STRICT_OPERATORS` evaluate both operands before they look at them, so that an error of either wins over missing.
`&&` and `||` evaluate their right operand only when needed; `a ? b` evaluates it when `a` fails or is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from stellwerk.language.expressions import errors, values
from stellwerk.language.expressions.expression import (
    ADDITION,
    AND,
    COMPARISON,
    EQUAL,
    MULTIPLICATION,
    OR,
    POSTFIX,
    PREFIX,
    QUESTION,
    WORD,
    Expression,
    write_operand,
)
from stellwerk.language.expressions.java_regex import java_regex
from stellwerk.language.expressions.nodes import Constant
from stellwerk.language.expressions.scope import Scope
from stellwerk.language.expressions.values import as_boolean, as_list, as_number, compare, soft_string
from stellwerk.values.json import JsonValue
from stellwerk.values.problems import ProblemError

Apply: TypeAlias = Callable[[JsonValue, JsonValue], JsonValue]


def _arithmetic(operation: Callable[[values.Number, values.Number], values.Number]) -> Apply:
    def apply(left: JsonValue, right: JsonValue) -> JsonValue:
        if left is None:
            return None
        left_number = as_number(left)
        if right is None:
            return None
        return operation(left_number, as_number(right))

    return apply


def _concatenate(left: JsonValue, right: JsonValue) -> JsonValue:
    if type(left) is list and type(right) is list:
        return left + right
    left_text = soft_string(left)
    if left_text is None:
        return None
    right_text = soft_string(right)
    return None if right_text is None else left_text + right_text


def _comparison(holds: Callable[[int], bool]) -> Apply:
    def apply(left: JsonValue, right: JsonValue) -> JsonValue:
        order = compare(left, right)
        return None if order is None else holds(order)

    return apply


def _in(left: JsonValue, right: JsonValue) -> JsonValue:
    return None if right is None else values.contains(as_list(right), left)


def _matches(left: JsonValue, right: JsonValue) -> JsonValue:
    text = soft_string(left)
    pattern = soft_string(right)
    return None if pattern is None else java_regex(pattern).matches(text or "")


STRICT_OPERATORS: Final[dict[str, tuple[int, Apply]]] = {
    "in": (WORD, _in),
    "matches": (WORD, _matches),
    "==": (EQUAL, values.equal),
    "!=": (EQUAL, lambda left, right: not values.equal(left, right)),
    "<=": (COMPARISON, _comparison(lambda order: order <= 0)),
    ">=": (COMPARISON, _comparison(lambda order: order >= 0)),
    "<": (COMPARISON, _comparison(lambda order: order < 0)),
    ">": (COMPARISON, _comparison(lambda order: order > 0)),
    "++": (ADDITION, _concatenate),
    "+": (ADDITION, _arithmetic(values.add)),
    "-": (ADDITION, _arithmetic(values.subtract)),
    "*": (MULTIPLICATION, _arithmetic(values.multiply)),
    "/": (MULTIPLICATION, _arithmetic(values.divide)),
}


class Binary(Expression):
    """`left operator right`, left associative."""

    __slots__ = ("_apply", "left", "operator", "precedence", "right")

    def __init__(self, left: Expression, operator: str, right: Expression) -> None:
        self.left = left
        self.operator = operator
        self.right = right
        self.precedence, self._apply = STRICT_OPERATORS[operator]  # type: ignore[misc]
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.left, self.right)

    def evaluate(self, scope: Scope) -> JsonValue:
        return self._apply(self.left.evaluate(scope), self.right.evaluate(scope))

    def write(self, out: list[str]) -> None:
        write_operand(out, self.left, self.precedence)
        out.append(f" {self.operator} ")
        write_operand(out, self.right, self.precedence + 1)


class And(Expression):
    """`left && right`"""

    __slots__ = ("left", "right")
    precedence = AND

    def __init__(self, left: Expression, right: Expression) -> None:
        self.left = left
        self.right = right
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.left, self.right)

    def evaluate(self, scope: Scope) -> JsonValue:
        left = self.left.evaluate(scope)
        if left is None or not as_boolean(left):
            return left
        right = self.right.evaluate(scope)
        return None if right is None else as_boolean(right)

    def write(self, out: list[str]) -> None:
        write_operand(out, self.left, AND)
        out.append(" && ")
        write_operand(out, self.right, AND + 1)


class Or(Expression):
    """`left || right`"""

    __slots__ = ("left", "right")
    precedence = OR

    def __init__(self, left: Expression, right: Expression) -> None:
        self.left = left
        self.right = right
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.left, self.right)

    def evaluate(self, scope: Scope) -> JsonValue:
        left = self.left.evaluate(scope)
        if left is None or as_boolean(left):
            return left
        right = self.right.evaluate(scope)
        return None if right is None else as_boolean(right)

    def write(self, out: list[str]) -> None:
        write_operand(out, self.left, OR)
        out.append(" || ")
        write_operand(out, self.right, OR + 1)


#: Operator → (precedence, how its node is made).
BINARY_OPERATORS: Final[dict[str, tuple[int, Callable[[Expression, Expression], Expression]]]] = {
    "&&": (AND, And),
    "||": (OR, Or),
} | {
    operator: (precedence, lambda left, right, operator=operator: Binary(left, operator, right))  # type: ignore[misc]
    for operator, (precedence, _) in STRICT_OPERATORS.items()
}


def _pure_by_grandchildren(operand: Expression) -> bool:
    """The odd purity of `!x` and `error(x)`: only the children of x count (workflow spec 6.7)."""
    return all(child.is_pure for child in operand.children())


class Not(Expression):
    """`!operand`"""

    __slots__ = ("operand",)
    precedence = PREFIX

    def __init__(self, operand: Expression) -> None:
        self.operand = operand
        super().__init__(is_pure=_pure_by_grandchildren(operand))

    def children(self) -> Sequence[Expression]:
        return (self.operand,)

    def evaluate(self, scope: Scope) -> JsonValue:
        value = self.operand.evaluate(scope)
        return None if value is None else not as_boolean(value)

    def write(self, out: list[str]) -> None:
        _write_prefixed(out, "!", self.operand)


class Negate(Expression):
    """`-operand`, where the operand is no number literal."""

    __slots__ = ("operand",)
    precedence = PREFIX

    def __init__(self, operand: Expression) -> None:
        self.operand = operand
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.operand,)

    def evaluate(self, scope: Scope) -> JsonValue:
        value = self.operand.evaluate(scope)
        return None if value is None else values.negate(as_number(value))

    def write(self, out: list[str]) -> None:
        _write_prefixed(out, "-", self.operand)


def negated(operand: Expression) -> Expression:
    """`-operand`; a number without sign is folded, as its text could not be told from a number literal."""
    if type(operand) is Constant and values.is_number(operand.value) and as_number(operand.value) >= 0:
        return Constant(values.negate(as_number(operand.value)))
    return Negate(operand)


def _write_prefixed(out: list[str], operator: str, operand: Expression) -> None:
    """Parentheses around everything that would otherwise be read as another operator or as a number's sign."""
    text = operand.canonical()
    misread = text.startswith("-") or (operator == "-" and text[0].isdigit())
    out.append(f"{operator}({text})" if misread or operand.precedence < POSTFIX else operator + text)


class Question(Expression):
    """`a ? b`: b where a fails or is missing; `a ?`: the default is missing."""

    __slots__ = ("default", "operand")
    precedence = QUESTION

    def __init__(self, operand: Expression, default: Expression | None) -> None:
        self.operand = operand
        self.default = default
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.operand,) if self.default is None else (self.operand, self.default)

    def evaluate(self, scope: Scope) -> JsonValue:
        try:
            value = self.operand.evaluate(scope)
        except ProblemError:
            value = None
        if value is not None or self.default is None:
            return value
        return self.default.evaluate(scope)

    def write(self, out: list[str]) -> None:
        # `x??` would be one unknown operator, therefore `(x?)?`.
        closed = self.default is None and type(self.operand) is Question and self.operand.default is None
        write_operand(out, self.operand, POSTFIX if closed else QUESTION)
        if self.default is None:
            out.append("?")
        else:
            out.append(" ? ")
            write_operand(out, self.default, POSTFIX)


class UserError(Expression):
    """`error(message)`"""

    __slots__ = ("message",)

    def __init__(self, message: Expression) -> None:
        self.message = message
        super().__init__(is_pure=_pure_by_grandchildren(message))

    def children(self) -> Sequence[Expression]:
        return (self.message,)

    def evaluate(self, scope: Scope) -> JsonValue:
        message = soft_string(self.message.evaluate(scope))
        if message is None:
            return None
        raise errors.user_error(message)

    def write(self, out: list[str]) -> None:
        out.append("error(")
        self.message.write(out)
        out.append(")")
