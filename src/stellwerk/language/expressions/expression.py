"""The base class of all nodes of an expression tree.

Each node knows three things: how to evaluate itself in a `Scope`, how to write itself canonically (so that parsing the
text gives an equivalent node), and what can be said without evaluating (purity, constancy, job resources).
Nodes are immutable. The height of a tree is limited, so that no walk over it exhausts the interpreter's stack;
therefore the walks (`evaluate`, `write`) may be plain recursion.

Missing (`None`): a node that needs a value of a certain type and finds missing returns missing (workflow spec 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from stellwerk.language.expressions import errors
from stellwerk.language.expressions.scope import Scope
from stellwerk.values.json import JsonValue

#: Greatest height of an expression tree. A walk takes up to two stack frames per level.
MAX_HEIGHT: Final = 200

# Precedences, from loose to tight (workflow spec 6.2).
IF: Final = 0
WORD: Final = 1
OR: Final = 2
AND: Final = 3
EQUAL: Final = 4
COMPARISON: Final = 5
ADDITION: Final = 6
MULTIPLICATION: Final = 7
PREFIX: Final = 8
QUESTION: Final = 9
POSTFIX: Final = 10
FACTOR: Final = 11

_NO_PATHS: Final[frozenset[str]] = frozenset()

EMPTY_SCOPE: Final = Scope()


class Expression:
    """A parsed expression. Equal and hashed by its canonical text."""

    __slots__ = ("_canonical", "_height", "is_pure")

    precedence: ClassVar[int] = FACTOR
    #: Is it a literal, or a list or object of literals?
    is_constant: bool = False

    _height: int
    #: Its value does not depend on the scope (workflow spec 6.7, with its oddities).
    is_pure: bool

    def __init__(self, is_pure: bool | None = None) -> None:
        height = 0
        pure = True
        for child in self.children():
            height = max(height, child._height)
            pure = pure and child.is_pure
        if height >= MAX_HEIGHT:
            raise errors.ExpressionError(
                "syntax",
                f"Error in expression: it is nested too deeply, more than {MAX_HEIGHT} operators or brackets lie within"
                " each other; divide it into several expressions",
            )
        self._height = height + 1
        self.is_pure = pure if is_pure is None else is_pure
        self._canonical: str | None = None

    def evaluate(self, scope: Scope) -> JsonValue:
        """The value in this scope. Raises `ExpressionError` (and what the scope raises as `ProblemError`)."""
        raise NotImplementedError

    def write(self, out: list[str]) -> None:
        """Appends the canonical text."""
        raise NotImplementedError

    def children(self) -> Sequence[Expression]:
        """The direct subexpressions."""
        return ()

    def canonical(self) -> str:
        """The text by which the expression is serialised; parsing it gives an equivalent expression."""
        if self._canonical is None:
            out: list[str] = []
            self.write(out)
            self._canonical = "".join(out)
        return self._canonical

    @property
    def constant(self) -> JsonValue:
        """The value of a constant expression, else None. As a constant may be missing (None), ask `is_constant`."""
        return self.evaluate(EMPTY_SCOPE) if self.is_constant else None

    def job_resource_paths(self) -> frozenset[str]:
        """The job resources that the text names as constants."""
        paths = _NO_PATHS
        pending: list[Expression] = [self]
        while pending:
            node = pending.pop()
            own = node.own_job_resource_path()
            if own is not None:
                paths |= {own}
            pending.extend(node.children())
        return paths

    def own_job_resource_path(self) -> str | None:
        """The job resource that this node itself names."""
        return None

    def absorbs(self, suffix: str) -> bool:
        """Would the suffix `(` or `.` behind the canonical text be read as part of this node?"""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.canonical())

    def __str__(self) -> str:
        return self.canonical()

    def __repr__(self) -> str:
        return f"<Expression {self.canonical()}>"


def write_operand(out: list[str], operand: Expression, minimum: int) -> None:
    """Writes the operand, in parentheses where it binds looser than its place demands."""
    if operand.precedence < minimum:
        out.append("(")
        operand.write(out)
        out.append(")")
    else:
        operand.write(out)


def write_suffixed(out: list[str], operand: Expression, suffix: str) -> None:
    """Writes the operand of a postfix operator and the operator's first character."""
    write_operand(out, operand, FACTOR + 1 if operand.absorbs(suffix) else POSTFIX)
    out.append(suffix)


def write_list(out: list[str], elements: Iterable[Expression], separator: str = ", ") -> None:
    for index, element in enumerate(elements):
        if index:
            out.append(separator)
        element.write(out)
