"""Java regular expressions (`java.util.regex`) on the `regex` package (workflow spec 6.7).

Guarantees: a pattern is translated or refused with an `ExpressionError` of kind `regex`, and never hands syntax through
that only Python knows (fuzzy matching, `{,3}`, recursion …); a match that takes longer than `TIME_LIMIT_SECONDS`
ends with such an error, so that no pattern of a user stalls a Controller.

Translated with their Java meaning: quantifiers greedy, lazy, possessive; groups, named groups, atomic groups,
look-around; `(?imsxdu-imsx)`; back references; `\\Q…\\E`; character classes with union and intersection; `\\d`, `\\w`,
`\\s` and the POSIX classes as ASCII; `.`, `^`, `$` with Java's line terminators; `\\p{…}` for categories, scripts,
blocks, binary properties and the `java…` methods that have a counterpart.
Known differences: case-insensitive matching of non-ASCII letters within a character class ignores the lack of `(?u)`;
`\\b{g}` and `\\N{…}` are refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import regex

from stellwerk.language.expressions.errors import ExpressionError, does_not_match, regex_error
from stellwerk.language.expressions.java_regex_syntax import translate

#: Longest time of one match.
TIME_LIMIT_SECONDS: Final = 1.0
#: Longest result of a replacement, in characters.
MAX_RESULT_LENGTH: Final = 16_000_000
#: Longest pattern, in characters.
MAX_PATTERN_LENGTH: Final = 20_000


class JavaRegex:
    """A compiled pattern."""

    __slots__ = ("_pattern", "_time_limit_seconds", "source")

    def __init__(self, source: str, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> None:
        """Raises `ExpressionError` of kind `regex` for a pattern that is none."""
        if len(source) > MAX_PATTERN_LENGTH:
            raise regex_error(f"Regular expression is too long: {len(source)} characters, allowed {MAX_PATTERN_LENGTH}")
        self.source = source
        self._time_limit_seconds = time_limit_seconds
        try:
            # V1: scoped inline flags and nested character classes; without full case folding ('ss' is not 'ß').
            self._pattern = regex.compile("(?-f)" + translate(source), regex.V1)
        except (regex.error, OverflowError, RecursionError) as error:
            raise regex_error(f"Not a valid regular expression: {source} ({error})") from error

    @property
    def group_count(self) -> int:
        count: int = self._pattern.groups
        return count

    def matches(self, text: str) -> bool:
        """Does the pattern match the whole text?"""
        return self._full_match(text) is not None

    def groups(self, text: str) -> tuple[str | None, ...] | None:
        """Group 0 (the whole text) and the pattern's groups when it matches the whole text, else None."""
        match = self._full_match(text)
        return None if match is None else (match[0], *match.groups())

    def match_expanded(self, text: str, replacement: str) -> str:
        """`match(…)`: the replacement, expanded with the groups of a match of the whole text."""
        match = self._full_match(text)
        if match is None:
            raise does_not_match()
        out: list[str] = []
        self._expand(match, replacement, out)
        return "".join(out)

    def replace_all(self, text: str, replacement: str) -> str:
        """`replaceAll(…)`: each match replaced; the replacement is looked at only when there is a match, as in Java."""
        out: list[str] = []
        end = 0
        length = 0
        try:
            for match in self._pattern.finditer(text, timeout=self._time_limit_seconds):
                before = len(out)
                out.append(text[end : match.start()])
                self._expand(match, replacement, out)
                length += sum(len(part) for part in out[before:])
                if length > MAX_RESULT_LENGTH:
                    raise regex_error(f"replaceAll: the result is longer than {MAX_RESULT_LENGTH} characters")
                end = match.end()
        except TimeoutError as error:
            raise self._too_slow() from error
        out.append(text[end:])
        return "".join(out)

    def _full_match(self, text: str) -> regex.Match[str] | None:
        try:
            return self._pattern.fullmatch(text, timeout=self._time_limit_seconds)
        except TimeoutError as error:
            raise self._too_slow() from error

    def _too_slow(self) -> ExpressionError:
        return regex_error(
            f"Regular expression takes longer than {self._time_limit_seconds:g} s and has been stopped: {self.source}"
            " (nested repetitions may need exponential time; use possessive quantifiers or simplify the pattern)"
        )

    def _expand(self, match: regex.Match[str], replacement: str, out: list[str]) -> None:
        """Java's replacement syntax: `$n`, `${name}`, `\\c` for the character c itself."""
        index = 0
        length = len(replacement)
        while index < length:
            character = replacement[index]
            index += 1
            if character == "\\":
                if index == length:
                    raise regex_error("Replacement: a character must follow the last backslash")
                out.append(replacement[index])
                index += 1
            elif character == "$":
                group, index = self._group_reference(replacement, index)
                out.append(match[group] or "")
            else:
                out.append(character)

    def _group_reference(self, replacement: str, index: int) -> tuple[int | str, int]:
        """The group that `$` at `index - 1` refers to, and the index behind the reference."""
        if replacement.startswith("{", index):
            end = replacement.find("}", index)
            name = replacement[index + 1 : end] if end > 0 else ""
            if name not in self._pattern.groupindex:
                raise regex_error(f"Replacement: no group named {name!r} in {self.source}")
            return name, end + 1
        if not replacement[index : index + 1].isdecimal():
            raise regex_error("Replacement: illegal group reference (write `\\$` for a dollar sign)")
        group = int(replacement[index])
        index += 1
        if group > self.group_count:
            raise regex_error(f"Replacement: no group {group} in {self.source}")
        while replacement[index : index + 1].isdecimal() and group * 10 + int(replacement[index]) <= self.group_count:
            group = group * 10 + int(replacement[index])
            index += 1
        return group, index


@lru_cache(maxsize=1024)
def java_regex(source: str) -> JavaRegex:
    """The compiled pattern, from a cache. Raises `ExpressionError` of kind `regex`."""
    return JavaRegex(source)
