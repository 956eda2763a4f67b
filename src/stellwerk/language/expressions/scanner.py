"""The lexical rules of the expression language (workflow spec 6.1): a cursor over the text that takes tokens.

There is no separate token stream, as a double-quoted string contains expressions. Each `take_…` either takes its token
and the white space behind it, or leaves the cursor where it is (and says so), or raises a syntax error with its place.
"""

from __future__ import annotations

from typing import Final, NoReturn

import regex

from stellwerk.language.expressions import errors
from stellwerk.language.expressions.identifiers import QUOTED_PATTERN, SIMPLE_PATTERN, unquote_identifier

_OPERATOR_CHARACTERS: Final = frozenset("!#%&*+-/:<=>?@^|~")

_white_space = regex.compile(r"(?:[ \t\r\n]++|/\*.*?\*/|//[^\n]*+)*+", regex.DOTALL)
_identifier = regex.compile(f"{SIMPLE_PATTERN}|{QUOTED_PATTERN}")
_digits = regex.compile(r"[0-9]++")
_number = regex.compile(r"[+-]?[0-9]++(?:\.[0-9]++)?")
_quotes = regex.compile(r"'++")
_plain_double_quoted = regex.compile(r'[^"\\$]++')
_ESCAPES: Final = {"\\": "\\", '"': '"', "t": "\t", "r": "\r", "n": "\n", "$": "$"}
_item_path = regex.compile(
    r"(?:[\p{ID_Start}\p{Nd}][\p{ID_Continue}\p{Cf}.\-]*+)(?:/[\p{ID_Start}\p{Nd}][\p{ID_Continue}\p{Cf}.\-]*+)*+"
)


class Scanner:
    """A cursor. `position` counts characters from 0."""

    __slots__ = ("position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def fail(self, expected: str = "", message: str = "", position: int | None = None) -> NoReturn:
        raise errors.syntax_error(self.text, self.position if position is None else position, expected, message)

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self) -> str:
        """The character at the cursor, empty at the end."""
        return self.text[self.position : self.position + 1]

    def starts_with(self, text: str) -> bool:
        return self.text.startswith(text, self.position)

    def skip_white_space(self) -> None:
        """Blanks and comments; an unclosed `/*` is an error."""
        match = _white_space.match(self.text, self.position)
        assert match is not None  # It matches the empty text, too.
        self.position = match.end()
        if self.starts_with("/*"):
            self.fail("*/", "Comment is not closed")

    def _shown(self, pattern: regex.Pattern[str]) -> str:
        """The text at the cursor that matches, not taken; may be empty."""
        match = pattern.match(self.text, self.position)
        return "" if match is None else str(match[0])

    # --- punctuation, operators, words ---

    def take(self, punctuation: str) -> bool:
        """A character that is no operator: parenthesis, bracket, comma, dot, and `:` or `=` in their special places."""
        if not self.starts_with(punctuation):
            return False
        self.position += len(punctuation)
        self.skip_white_space()
        return True

    def expect(self, punctuation: str) -> None:
        if not self.take(punctuation):
            self.fail(f"“{punctuation}”")

    def operator(self) -> str:
        """The symbolic operator at the cursor, not taken: all operator characters up to a comment; may be empty."""
        end = self.position
        while end < len(self.text) and self.text[end] in _OPERATOR_CHARACTERS:
            if self.text.startswith(("//", "/*"), end):
                break
            end += 1
        return self.text[self.position : end]

    def word(self) -> str:
        """The simple identifier or keyword at the cursor, not taken; may be empty."""
        text = self._shown(_identifier)
        return "" if text.startswith("`") else text

    def skip(self, length: int) -> None:
        """Takes what `operator` or `word` has shown."""
        self.position += length
        self.skip_white_space()

    def take_keyword(self, keyword: str) -> bool:
        if self.word() != keyword:
            return False
        self.skip(len(keyword))
        return True

    def expect_keyword(self, keyword: str) -> None:
        if not self.take_keyword(keyword):
            self.fail(f"“{keyword}”")

    # --- names ---

    def adjacent_identifier(self) -> str | None:
        """An identifier without the white space behind it."""
        text = self._shown(_identifier)
        self.position += len(text)
        return unquote_identifier(text) if text else None

    def take_identifier(self) -> str | None:
        name = self.adjacent_identifier()
        if name is not None:
            self.skip_white_space()
        return name

    def expect_identifier(self, what: str) -> str:
        name = self.take_identifier()
        if name is None:
            self.fail(what)
        return name

    def adjacent_digits(self) -> str | None:
        text = self._shown(_digits)
        self.position += len(text)
        return text or None

    def expect_item_path(self) -> str:
        """A path of an item, without the white space behind it (workflow spec 1.4)."""
        path = self._shown(_item_path)
        if not path:
            self.fail("path of a job resource")
        self.position += len(path)
        if path.endswith("."):
            self.fail("path of a job resource that does not end with a dot")
        return path

    # --- literals ---

    def is_number(self) -> bool:
        return bool(self._shown(_number))

    def take_number(self) -> str:
        """The text of the number that `is_number` has seen."""
        text = self._shown(_number)
        self.skip(len(text))
        return text

    def take_single_quoted(self) -> str:
        """`'…'`, or n ≥ 2 quotes up to the next n quotes; no escapes; CRLF becomes LF; never empty."""
        start = self.position
        quotes = self._shown(_quotes)
        content = start + len(quotes)
        if len(quotes) == 1:
            end = self.text.find("'", content)
        else:
            end = self._closing_quotes(content, len(quotes))
        if end < 0:
            message = 'The empty string is written ""' if len(quotes) == 2 else "String is not closed"
            self.fail(f"closing {quotes}", message, position=start)
        self.position = end + len(quotes)
        self.skip_white_space()
        return self.text[content:end].replace("\r\n", "\n")

    def _closing_quotes(self, position: int, count: int) -> int:
        """Where a run of exactly `count` quotes starts; -1 if nowhere. A longer run is neither content nor end."""
        while True:
            match = _quotes.search(self.text, position)
            if match is None:
                return -1
            start, end = match.span()
            if end - start == count:
                return int(start)
            if end - start > count:
                self.fail(f"{count} quotes", f"Too many quotes, the string starts with {count}", start + count)
            position = end

    def double_quoted_text(self) -> str:
        """Constant text inside double quotes, up to `"`, `$`, or the end; escapes are resolved."""
        parts: list[str] = []
        while True:
            match = _plain_double_quoted.match(self.text, self.position)
            if match is not None:
                parts.append(match[0])
                self.position = match.end()
            if not self.starts_with("\\"):
                return "".join(parts)
            escaped = self.text[self.position + 1 : self.position + 2]
            if escaped not in _ESCAPES:
                self.fail('one of \\\\ \\" \\t \\r \\n \\$', f"Unknown escape sequence “\\{escaped}”")
            parts.append(_ESCAPES[escaped])
            self.position += 2
