"""The command lines of `CommandLineExecutable` (workflow spec 4.3): parsed once, evaluated per start.

A command line is a list of words; the first is the program. The value of a variable becomes part of a word as it is:
it never splits one and is never interpreted, as no shell comes near it. `'…'` follows the expression language's rules.
"""

from __future__ import annotations

import msgspec

from stellwerk.language.expressions import Expression, ExpressionError, Scope, parse_expression, to_string
from stellwerk.language.expressions.scanner import Scanner

_UNQUOTED_ESCAPES = "\\\"'$"
_DOUBLE_QUOTED_ESCAPES = '\\"$'


class CommandLine(msgspec.Struct, frozen=True):
    """Words, each made of constant texts and variables."""

    words: tuple[tuple[str | Expression, ...], ...]

    def evaluate(self, scope: Scope) -> list[str]:
        """Program and arguments. Raises `ExpressionError`; a missing value becomes the empty text."""
        return ["".join(_text(part, scope) for part in word) for word in self.words]


def _text(part: str | Expression, scope: Scope) -> str:
    return part if isinstance(part, str) else to_string(part.evaluate(scope))


def parse_command_line(text: str) -> CommandLine:
    """Raises `ExpressionError` with the place of the mistake."""
    scanner = _CommandScanner(text)
    words = []
    scanner.skip_blanks()
    while not scanner.at_end:
        words.append(_word(scanner))
        scanner.skip_blanks()
    if not words:
        raise ExpressionError("syntax", "The command line is empty: a program file is expected as its first word")
    return CommandLine(tuple(words))


class _CommandScanner(Scanner):
    """Takes tokens without the white space behind them, as that ends a word here."""

    __slots__ = ()

    def skip_white_space(self) -> None:
        pass

    def skip_blanks(self) -> None:
        while not self.at_end and self.peek() <= " ":
            self.position += 1


def _word(scanner: _CommandScanner) -> tuple[str | Expression, ...]:
    parts: list[str | Expression] = []
    while not scanner.at_end and scanner.peek() > " ":
        character = scanner.peek()
        if character == "'":
            parts.append(scanner.take_single_quoted())
        elif character == '"':
            parts += _double_quoted(scanner)
        else:
            parts.append(_element(scanner, _UNQUOTED_ESCAPES))
    return tuple(parts)


def _double_quoted(scanner: _CommandScanner) -> list[str | Expression]:
    start = scanner.position
    scanner.position += 1
    parts: list[str | Expression] = []
    while not scanner.take('"'):
        if scanner.at_end:
            scanner.fail('closing “"”', "String is not closed", position=start)
        parts.append(_element(scanner, _DOUBLE_QUOTED_ESCAPES))
    return parts


def _element(scanner: _CommandScanner, escapes: str) -> str | Expression:
    """A variable, an escape sequence, or a single character."""
    if scanner.take("$"):
        return _variable(scanner)
    if scanner.take("\\") and (scanner.at_end or scanner.peek() not in escapes):
        scanner.fail("one of " + " ".join("\\" + character for character in escapes))
    character = scanner.peek()
    scanner.position += 1
    return character


def _variable(scanner: _CommandScanner) -> Expression:
    is_braced = scanner.take("{")
    start = scanner.position
    name = scanner.adjacent_identifier()
    if name is None:
        scanner.fail("the name of a variable")
    text = scanner.text[start : scanner.position]
    if is_braced:
        scanner.expect("}")
    return parse_expression("$" + text)
