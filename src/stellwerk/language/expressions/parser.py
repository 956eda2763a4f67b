"""The parser of the expression language: recursive descent with precedence climbing (workflow spec 6.2).

Guarantees: any text gives either a tree or an `ExpressionError` of kind `syntax` with the place; time is linear in the
text; nesting and size are limited, so that no text exhausts the stack or the memory. Parsed texts are cached, trees
being immutable.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from stellwerk.language.expressions.errors import ExpressionError
from stellwerk.language.expressions.expression import WORD, Expression
from stellwerk.language.expressions.functions import FIXED_FUNCTIONS, SYMBOLS, Argument, FixedCall, FunctionCall
from stellwerk.language.expressions.identifiers import KEYWORDS
from stellwerk.language.expressions.names import JobResourceReference, Lookup, NamedValue
from stellwerk.language.expressions.nodes import (
    LEGACY_SUFFIXES,
    Constant,
    Element,
    Field,
    Function,
    IfThenElse,
    Interpolation,
    ListLiteral,
    ObjectLiteral,
)
from stellwerk.language.expressions.operators import BINARY_OPERATORS, Not, Question, UserError, negated
from stellwerk.language.expressions.scanner import Scanner
from stellwerk.language.expressions.values import number_from_text

#: Longest text of an expression, in characters.
MAX_LENGTH: Final = 1_000_000
#: Greatest nesting; each level takes up to eight stack frames while parsing.
MAX_NESTING: Final = 80
#: Longer texts are not kept in the cache.
_MAX_CACHED_LENGTH: Final = 4000

_LITERALS: Final = {"true": True, "false": False, "missing": None}


def parse_expression(text: str) -> Expression:
    """Parses an expression. Raises `ExpressionError` of kind `syntax`."""
    return _cached_expression(text) if len(text) <= _MAX_CACHED_LENGTH else _Parser(text).whole_expression()


def parse_function(text: str) -> Function:
    """Parses a function, `x => e` or `(x, y) => e`. Raises `ExpressionError` of kind `syntax`."""
    return _cached_function(text) if len(text) <= _MAX_CACHED_LENGTH else _Parser(text).whole_function()


def parse_expression_or_function(text: str) -> Expression:
    """Parses either; a function evaluates to a `FunctionValue`. Raises `ExpressionError` of kind `syntax`."""
    return parse_function(text) if "=>" in text and _Parser(text).starts_function() else parse_expression(text)


def is_expression(text: str) -> bool:
    """Can the text be parsed as an expression?"""
    try:
        parse_expression(text)
    except ExpressionError:
        return False
    return True


@lru_cache(maxsize=8192)
def _cached_expression(text: str) -> Expression:
    return _Parser(text).whole_expression()


@lru_cache(maxsize=512)
def _cached_function(text: str) -> Function:
    return _Parser(text).whole_function()


class _Parser:
    __slots__ = ("nesting", "scanner")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(
                "syntax", f"Error in expression: it is too long, {len(text)} characters, allowed are {MAX_LENGTH}"
            )
        self.scanner = Scanner(text)
        self.nesting = 0

    def whole_expression(self) -> Expression:
        self.scanner.skip_white_space()
        expression = self.expression()
        if not self.scanner.at_end:
            self.scanner.fail("end of expression or an operator")
        return expression

    # --- functions ---

    def starts_function(self) -> bool:
        """Is there `=>` behind parameters?"""
        try:
            self.scanner.skip_white_space()
            self.parameters()
        except ExpressionError:
            return False
        return self.scanner.operator() == "=>"

    def parameters(self) -> list[str]:
        if not self.scanner.take("("):
            return [self.scanner.expect_identifier("parameter of a function")]
        names: list[str] = []
        if not self.scanner.take(")"):
            while True:
                position = self.scanner.position
                name = self.scanner.expect_identifier("parameter of a function")
                if name in names:
                    self.scanner.fail(message=f"Duplicate parameter “{name}”", position=position)
                names.append(name)
                if not self.scanner.take(","):
                    break
            self.scanner.expect(")")
        return names

    def whole_function(self) -> Function:
        self.scanner.skip_white_space()
        names = self.parameters()
        if self.scanner.operator() != "=>":
            self.scanner.fail("“=>”")
        self.scanner.skip(2)
        return Function(names, self.whole_expression())

    # --- operators, from loose to tight ---

    def expression(self) -> Expression:
        branches: list[tuple[Expression, Expression]] = []
        while self.scanner.take_keyword("if"):
            condition = self.operation(WORD)
            self.scanner.expect_keyword("then")
            self.enter()
            then = self.expression()
            self.nesting -= 1
            self.scanner.expect_keyword("else")
            branches.append((condition, then))
        result = self.operation(WORD)
        for condition, then in reversed(branches):
            result = IfThenElse(condition, then, result)
        return result

    def enter(self) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.scanner.fail(message=f"Nested too deeply, allowed are {MAX_NESTING} levels")

    def operation(self, minimum: int) -> Expression:
        """Binary operators of at least this precedence, left associative."""
        self.enter()
        left = self.prefix()
        while True:
            operator = self.scanner.operator() or self.scanner.word()
            found = BINARY_OPERATORS.get(operator)
            if found is None or found[0] < minimum:
                break
            precedence, make = found
            self.scanner.skip(len(operator))
            left = make(left, self.operation(precedence + 1))
        self.nesting -= 1
        return left

    def prefix(self) -> Expression:
        scanner = self.scanner
        operator = scanner.operator()
        if operator == "!":
            scanner.skip(1)
            return Not(self.question())
        if operator == "-" and not scanner.is_number():
            scanner.skip(1)
            if scanner.is_number():
                scanner.fail(message="There must not be a blank between the minus sign and the number")
            return negated(self.question())
        return self.question()

    def question(self) -> Expression:
        scanner = self.scanner
        result = self.postfix()
        while scanner.operator() == "?":
            scanner.skip(1)
            result = Question(result, self.postfix() if self.starts_factor() else None)
        return result

    def starts_factor(self) -> bool:
        """Is the operand of `?` there, or is it `a ?` alone?"""
        character = self.scanner.peek()
        if character and character in "([{$'\"`":
            return True
        word = self.scanner.word()
        if word:
            return word not in ("then", "else", "in", "matches")
        return self.scanner.is_number()

    def postfix(self) -> Expression:
        scanner = self.scanner
        factor = result = self.factor()
        legacy = False
        suffixes = 0
        while True:
            if scanner.take("."):
                quoted = scanner.peek() == "`"
                name = scanner.expect_identifier("name of a field")
                legacy = not quoted and name in LEGACY_SUFFIXES
                result = Field(result, name)
            elif scanner.take("("):
                result = Element(result, self.expression())
                scanner.expect(")")
            else:
                break
            suffixes += 1
        return FixedCall(result.name, [factor]) if legacy and suffixes == 1 and isinstance(result, Field) else result

    # --- factors ---

    def factor(self) -> Expression:
        scanner = self.scanner
        character = scanner.peek()
        if character == "(":
            scanner.take("(")
            result = self.expression()
            scanner.expect(")")
            return result
        if character == "'":
            return Constant(scanner.take_single_quoted())
        if character == '"':
            return self.interpolation()
        if character == "$":
            scanner.position += 1
            result = self.dollar()
            scanner.skip_white_space()
            return result
        if character == "[":
            return self.list_literal()
        if character == "{":
            return self.object_literal()
        if scanner.is_number():
            return self.number()
        return self.named_factor()

    def number(self) -> Expression:
        position = self.scanner.position
        text = self.scanner.take_number()
        try:
            return Constant(number_from_text(text))
        except decimal.DecimalException:
            self.scanner.fail(message="Number is out of range", position=position)

    def dollar(self) -> Expression:
        """Behind `$`: `name`, digits, or `{name.field}`; takes no white space."""
        scanner = self.scanner
        if not scanner.starts_with("{"):
            name = scanner.adjacent_identifier() or scanner.adjacent_digits()
            if name is None:
                scanner.fail("name of a value")
            return NamedValue(name)
        scanner.position += 1
        name = scanner.adjacent_identifier()
        if name is None:
            scanner.fail("name of a value")
        result: Expression = NamedValue(name)
        while scanner.starts_with("."):
            scanner.position += 1
            field = scanner.adjacent_identifier()
            if field is None:
                scanner.fail("name of a field")
            result = Field(result, field)
        if not scanner.starts_with("}"):
            scanner.fail("“}”")
        scanner.position += 1
        return result

    def interpolation(self) -> Expression:
        """`"…"`; constant parts are merged, and only constant parts make a constant."""
        scanner = self.scanner
        start = scanner.position
        scanner.position += 1
        parts: list[str | Expression] = []
        while True:
            self.add_part(parts, scanner.double_quoted_text())
            if scanner.starts_with('"'):
                break
            if not scanner.starts_with("$"):
                scanner.fail("closing quote", "String is not closed", position=start)
            scanner.position += 1
            if scanner.starts_with("("):
                scanner.take("(")
                part = self.expression()
                if not scanner.starts_with(")"):
                    scanner.fail("“)”")
                scanner.position += 1
            else:
                part = self.dollar()
            if isinstance(part, Constant) and isinstance(part.value, str):
                self.add_part(parts, part.value)
            else:
                parts.append(part)
        scanner.take('"')
        if not parts:
            return Constant("")
        return Constant(parts[0]) if len(parts) == 1 and isinstance(parts[0], str) else Interpolation(parts)

    @staticmethod
    def add_part(parts: list[str | Expression], text: str) -> None:
        if text:
            last = parts[-1] if parts else None
            if isinstance(last, str):
                parts[-1] = last + text
            else:
                parts.append(text)

    def list_literal(self) -> Expression:
        scanner = self.scanner
        scanner.take("[")
        elements: list[Expression] = []
        if not scanner.take("]"):
            while True:
                elements.append(self.expression())
                if not scanner.take(","):
                    break
            scanner.expect("]")
        return ListLiteral(elements)

    def object_literal(self) -> Expression:
        scanner = self.scanner
        scanner.take("{")
        members: dict[str, Expression] = {}
        if not scanner.take("}"):
            while True:
                position = scanner.position
                name = scanner.expect_identifier("name of a field (without quotes)")
                if name in members:
                    scanner.fail(message=f"Duplicate field “{name}”", position=position)
                scanner.expect(":")
                members[name] = self.expression()
                if not scanner.take(","):
                    break
            scanner.expect("}")
        return ObjectLiteral(members)

    def named_factor(self) -> Expression:
        """Keywords, job resources, functions, symbols."""
        scanner = self.scanner
        position = scanner.position
        word = scanner.word()
        if word in KEYWORDS:
            return self.keyword(word)
        if word == "JobResource" and scanner.text.startswith(":", position + len(word)):
            scanner.position = position + len(word) + 1
            return self.job_resource()
        name = scanner.take_identifier()
        if name is None:
            scanner.fail("an expression")
        if scanner.take("("):
            return self.call(name, self.arguments(), position)
        if name in FIXED_FUNCTIONS:
            scanner.fail(message=f"Function {name} needs arguments in parentheses", position=position)
        if name not in SYMBOLS:
            scanner.fail(message=f"Unknown symbol: {name}", position=position)
        return FunctionCall(name, None)

    def keyword(self, word: str) -> Expression:
        scanner = self.scanner
        if word in _LITERALS:
            scanner.skip(len(word))
            return Constant(_LITERALS[word])
        if word in ("argument", "variable", "error"):
            scanner.skip(len(word))
            scanner.expect("(")
            if word != "error":
                return self.lookup(word)
            message = self.expression()
            scanner.expect(")")
            return UserError(message)
        scanner.fail(message=f"Unexpected '{word}' keyword, maybe parentheses around it are missing?")

    def job_resource(self) -> Expression:
        """Behind `JobResource:`."""
        scanner = self.scanner
        path = scanner.expect_item_path()
        variable = None
        if scanner.starts_with(":"):
            scanner.position += 1
            variable = scanner.adjacent_identifier()
            if variable is None:
                scanner.fail("name of a variable of the job resource")
        scanner.skip_white_space()
        return JobResourceReference(path, variable)

    def arguments(self) -> list[Argument]:
        """Behind the opening parenthesis, up to the closing one."""
        scanner = self.scanner
        arguments: list[Argument] = []
        if not scanner.take(")"):
            while True:
                keyword = self.argument_keyword()
                arguments.append(Argument(keyword, self.expression()))
                if not scanner.take(","):
                    break
            scanner.expect(")")
        return arguments

    def argument_keyword(self) -> str | None:
        """`keyword =` in front of an argument. Here `=` is no operator: `f(a=-1)` is fine."""
        scanner = self.scanner
        position = scanner.position
        keyword = scanner.take_identifier()
        if keyword is not None and scanner.starts_with("=") and not scanner.starts_with("==") and scanner.take("="):
            return keyword
        scanner.position = position
        return None

    def call(self, name: str, arguments: Sequence[Argument], position: int) -> Expression:
        function = FIXED_FUNCTIONS.get(name)
        if function is None:
            return FunctionCall(name, arguments)
        least, most, *_ = function
        if any(argument.keyword is not None for argument in arguments):
            self.scanner.fail(message=f"{name} function does not accept named arguments", position=position)
        if not least <= len(arguments) <= most:
            number = str(least) if least == most else f"{least} or {most}"
            self.scanner.fail(message=f"{name} function expects exactly {number} argument(s)", position=position)
        return FixedCall(name, [argument.value for argument in arguments])

    def lookup(self, function: str) -> Expression:
        """Behind `variable(` and `argument(`: the key first or by name; label, job and default by name."""
        scanner = self.scanner
        expressions: dict[str, Expression] = {}
        names: dict[str, str] = {}
        allowed = ("key", "default", "label", "job") if function == "variable" else ("key", "default")
        while True:
            position = scanner.position
            keyword = self.argument_keyword() or ("" if expressions or names else "key")
            if keyword not in allowed:
                message = (
                    f"{function}: unknown argument “{keyword}”" if keyword else f"{function}: argument needs a name"
                )
                scanner.fail(message=message, position=position)
            if keyword in expressions or keyword in names:
                scanner.fail(message=f"{function}: duplicate argument “{keyword}”", position=position)
            if keyword in ("label", "job"):
                names[keyword] = scanner.expect_identifier(f"name of a {keyword}")
            else:
                expressions[keyword] = self.expression()
            if not scanner.take(","):
                break
        if "key" not in expressions:
            scanner.fail(message=f"{function}: the argument key is missing")
        if len(names) > 1:
            scanner.fail(message=f"{function}: label and job exclude each other")
        scanner.expect(")")
        key, default = expressions["key"], expressions.get("default")
        is_named = function == "variable" and not names and default is None
        if is_named and isinstance(key, Constant) and isinstance(key.value, str):
            return NamedValue(key.value)
        return Lookup(function, key, names.get("label"), names.get("job"), default)
