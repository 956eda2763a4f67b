"""Board expressions: `'B1' && ('B2' || 'B3')`, three-valued (workflow spec 2.13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from stellwerk.language.names import check_name
from stellwerk.language.reader import Reader
from stellwerk.values.problems import ProblemError

_TOKEN = re.compile(r"""\s*(?:'([^']+)'|"([^"\\$]+)"|(&&|\|\||[()]))""")
_MAXIMUM_NESTING = 50


class Truth(IntEnum):
    """`&&` is the smallest, `||` the greatest of both."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


class BoardExpression:
    """A board, or `&&` or `||` of board expressions. Immutable; equal by its canonical text."""

    __slots__ = ("board_path", "is_and", "operands")

    def __init__(self, board_path: str = "", operands: tuple[BoardExpression, ...] = (), is_and: bool = False) -> None:
        self.board_path = board_path
        self.operands = operands
        self.is_and = is_and

    def evaluate(self, truth: Callable[[str], Truth]) -> Truth:
        if not self.operands:
            return truth(self.board_path)
        values = [operand.evaluate(truth) for operand in self.operands]
        return min(values) if self.is_and else max(values)

    def board_paths(self) -> Iterator[str]:
        """Each board once, in the order of the text."""
        return iter(dict.fromkeys(self._all_paths()))

    def _all_paths(self) -> Iterator[str]:
        if not self.operands:
            yield self.board_path
        for operand in self.operands:
            yield from operand._all_paths()

    def __str__(self) -> str:
        if not self.operands:
            return f"'{self.board_path}'"
        texts = [
            f"({operand})" if self.is_and and operand.operands and not operand.is_and else str(operand)
            for operand in self.operands
        ]
        return (" && " if self.is_and else " || ").join(texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoardExpression) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"<BoardExpression {self}>"

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if not isinstance(value, str):
            return reader.problem(path, "a board expression is expected, such as \"'B1' && 'B2'\"")
        try:
            return parse_board_expression(value)
        except ProblemError as error:
            return reader.problem(path, error.problem, "write board names in quotes, joined by && or ||")


def board_expression_of(board_path: str) -> str:
    """The text of an expression of one board."""
    return f"'{board_path}'"


def parse_board_expression(text: str) -> BoardExpression:
    """Raises `ProblemError` with the place."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0

    def whole(self) -> BoardExpression:
        expression = self._or()
        if self._text[self._position :].strip():
            raise self._error("&& or || is expected")
        return expression

    def _error(self, message: str) -> ProblemError:
        before, behind = self._text[: self._position], self._text[self._position :]
        return ProblemError(
            f"Error in board expression at position {self._position + 1} “{before}❓{behind}”: {message}"
        )

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._position)

    def _take(self, symbol: str) -> bool:
        token = self._peek()
        if token is None or token[3] != symbol:
            return False
        self._position = token.end()
        return True

    def _or(self) -> BoardExpression:
        operands = [self._and()]
        while self._take("||"):
            operands.append(self._and())
        return operands[0] if len(operands) == 1 else BoardExpression(operands=tuple(operands))

    def _and(self) -> BoardExpression:
        operands = [self._factor()]
        while self._take("&&"):
            operands.append(self._factor())
        return operands[0] if len(operands) == 1 else BoardExpression(operands=tuple(operands), is_and=True)

    def _factor(self) -> BoardExpression:
        if self._take("("):
            self._depth += 1
            if self._depth > _MAXIMUM_NESTING:
                raise self._error("nested too deeply")
            expression = self._or()
            if not self._take(")"):
                raise self._error(") is expected")
            self._depth -= 1
            return expression
        token = self._peek()
        path = None if token is None else token[1] or token[2]
        if token is None or path is None:
            raise self._error("the name of a board in quotes is expected")
        if problem := check_name("Board", path):
            raise ProblemError(problem)
        self._position = token.end()
        return BoardExpression(path)
