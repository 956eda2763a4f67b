"""Translation of Java's regular expression syntax to that of the `regex` package (version 1 behaviour).

One pass, left to right: each construct is understood and written anew, nothing is copied that has not been understood.
Used by `java_regex` only, which describes what is covered.
"""

from __future__ import annotations

from typing import Final

import regex

from stellwerk.language.expressions.errors import ExpressionError, regex_error

#: Nested groups and classes are parsed recursively.
_MAX_NESTING: Final = 100

_LINE_TERMINATORS: Final = r"\n\r\x85\u2028\u2029"

#: Escapes of one letter that stand for a set; as members of a class (without brackets).
_SETS: Final = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": r"\ \t\n\x0B\f\r",
    "h": r"\ \t\xA0\u1680\u180E\u2000-\u200A\u202F\u205F\u3000",
    "v": r"\n\x0B\f\r\x85\u2028\u2029",
}

#: Unicode meaning of these escapes under `(?U)`.
_UNICODE_SETS: Final = {
    "d": r"\p{Nd}",
    "w": r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}",
    "s": r"\p{White_Space}",
}

_POSIX: Final = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"\!-\/\:-\@\[-\`\{-\~",
    "Graph": r"\!-\~",
    "Print": r"\ -\~",
    "Blank": r"\ \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": r"\ \t\n\x0B\f\r",
    "javaLowerCase": r"\p{Lowercase}",
    "javaUpperCase": r"\p{Uppercase}",
    "javaTitleCase": r"\p{Lt}",
    "javaAlphabetic": r"\p{Alphabetic}",
    "javaIdeographic": r"\p{Ideographic}",
    "javaDigit": r"\p{Nd}",
    "javaLetter": r"\p{L}",
    "javaLetterOrDigit": r"\p{L}\p{Nd}",
    "javaWhitespace": r"\t-\r\x1C-\x20\u1680\u2000-\u2006\u2008-\u200A\u2028\u2029\u205F\u3000",
    "javaSpaceChar": r"\p{Z}",
    "L1": r"\x00-\xFF",
    "all": r"\x00-\U0010FFFF",
}

_CONTROLS: Final = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C, "a": 0x07, "e": 0x1B}
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_group_name = regex.compile(r"[a-zA-Z][a-zA-Z0-9]*")
_repetition = regex.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}")
_inline_flags = regex.compile(r"\(\?([imsxduU]*)(?:-([imsxduU]*))?([:)])")
_word_character = regex.compile(r"[a-zA-Z0-9_]")


def translate(source: str) -> str:
    """The pattern for `regex.compile(…, regex.V1)`. Raises `ExpressionError` of kind `regex`."""
    return _Translator(source).translate()


class _Translator:
    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.flags: frozenset[str] = frozenset()
        self.groups = 0
        self.names: set[str] = set()
        self.depth = 0

    def translate(self) -> str:
        result = self._alternatives()
        if self.position < len(self.source):
            raise self._error("Unmatched closing )")
        return result

    def _error(self, message: str) -> ExpressionError:
        return regex_error(f"Not a valid regular expression: {self.source} ({message} near index {self.position})")

    def _peek(self) -> str:
        return self.source[self.position] if self.position < len(self.source) else ""

    def _next(self) -> str:
        if self.position >= len(self.source):
            raise self._error("Unexpected end")
        character = self.source[self.position]
        self.position += 1
        return character

    def _take(self, text: str) -> bool:
        if self.source.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def _skip_comments(self) -> None:
        """White space and comments under `(?x)`."""
        while "x" in self.flags and self._peek():
            if self._peek() in " \t\n\x0b\f\r":
                self.position += 1
            elif self._peek() == "#":
                while self._peek() and self._peek() not in "\n\r\x85\u2028\u2029":
                    self.position += 1
            else:
                return

    def _alternatives(self) -> str:
        """Up to the closing parenthesis or the end; flags set inside end there."""
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise self._error("Nested too deeply")
        flags = self.flags
        out: list[str] = []
        while True:
            self._skip_comments()
            character = self._peek()
            if character in ("", ")"):
                break
            if character == "|":
                self.position += 1
                out.append("|")
            else:
                self._item(out)
        self.flags = flags
        self.depth -= 1
        return "".join(out)

    def _item(self, out: list[str]) -> None:
        """One atom with its quantifier, or a run of quoted text, or flags."""
        if self._take("\\Q"):
            end = self.source.find("\\E", self.position)
            text = self.source[self.position :] if end < 0 else self.source[self.position : end]
            self.position = len(self.source) if end < 0 else end + 2
            for character in text[:-1]:
                out.append(self._literal(character))
            if text:
                out.append(self._literal(text[-1]) + self._quantifier())
            return
        if self._take("\\E"):
            return
        flags = _inline_flags.match(self.source, self.position)
        if flags and flags[3] == ")":
            self.position = flags.end()
            out.append(self._set_flags(flags[1], flags[2] or ""))
            return
        atom = self._atom()
        out.append(atom + self._quantifier())

    def _set_flags(self, on: str, off: str) -> str:
        """Changes the flags; returns what tells `regex` about case-insensitivity, the one flag that it keeps."""
        self.flags = (self.flags | frozenset(on)) - frozenset(off)
        return "(?i)" if "i" in self.flags else "(?-i)"

    def _quantifier(self) -> str:
        self._skip_comments()
        character = self._peek()
        if character in ("*", "+", "?") and character:
            self.position += 1
            quantifier = character
        elif character == "{":
            match = _repetition.match(self.source, self.position)
            if not match:
                raise self._error("Illegal repetition")
            if match[3] is not None and int(match[3]) < int(match[1]):
                raise self._error("Illegal repetition range")
            self.position = match.end()
            quantifier = match[0]
        else:
            return ""
        if self._peek() in ("?", "+") and self._peek():
            quantifier += self._next()
        return quantifier

    def _atom(self) -> str:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character == ".":
            if "s" in self.flags:
                return r"(?s:.)"
            return r"[^\n]" if "d" in self.flags else f"[^{_LINE_TERMINATORS}]"
        if character == "^":
            if "m" not in self.flags:
                return r"\A"
            # Java's multi-line ^ does not match behind the last line terminator.
            if "d" in self.flags:
                return r"(?:\A|(?<=\n)(?!\Z))"
            return r"(?:\A|(?<=[\n\x85\u2028\u2029]|\r(?!\n))(?!\Z))"
        if character == "$":
            return self._end_of_line()
        if character in "*+?":
            raise self._error(f"Dangling meta character '{character}'")
        if character == "{":
            raise self._error("Illegal repetition")
        return self._literal(character)

    def _end_of_line(self) -> str:
        if "d" in self.flags:
            return r"(?=\n|\Z)" if "m" in self.flags else r"(?=\n?\Z)"
        if "m" in self.flags:
            return r"(?:(?=\r|[\x85\u2028\u2029]|\Z)|(?<!\r)(?=\n))"
        return r"(?:(?=\r\n\Z|[\r\x85\u2028\u2029]?\Z)|(?<!\r)(?=\n\Z))"

    def _literal(self, character: str) -> str:
        text = character if _word_character.match(character) else _code(ord(character))
        # Without (?u), Java ignores the case of ASCII letters only.
        return f"(?-i:{text})" if "i" in self.flags and "u" not in self.flags and ord(character) > 127 else text

    def _group(self) -> str:
        """Behind the opening parenthesis."""
        flags = _inline_flags.match(self.source, self.position - 1)
        if flags:
            self.position = flags.end()
            outer = self.flags
            self.flags = (self.flags | frozenset(flags[1])) - frozenset(flags[2] or "")
            start = "(?i:" if "i" in self.flags else "(?-i:"
            result = start + self._close()
            self.flags = outer
            return result
        for start in ("?=", "?!", "?<=", "?<!", "?>"):
            if self._take(start):
                return f"({start}{self._close()}"
        if self._take("?<"):
            match = _group_name.match(self.source, self.position)
            if not match or not self.source.startswith(">", match.end()):
                raise self._error("Invalid name of a group")
            name = match[0]
            if name in self.names:
                raise self._error(f"Named capturing group <{name}> is already defined")
            self.position = match.end() + 1
            self.groups += 1
            self.names.add(name)
            return f"(?P<{name}>{self._close()}"
        if self._peek() == "?":
            raise self._error("Unknown group type")
        self.groups += 1
        return "(" + self._close()

    def _close(self) -> str:
        inner = self._alternatives()
        if not self._take(")"):
            raise self._error("Unclosed group")
        return inner + ")"

    def _escape(self) -> str:
        """Behind a backslash, outside of a class."""
        character = self._next()
        if character in "bBAG":
            if character == "b" and self._peek() == "{":
                raise self._error("\\b{g} is not supported")
            return "\\" + character
        if character == "z":
            return r"\Z"
        if character == "Z":
            flags, self.flags = self.flags, self.flags - {"m"}
            result = self._end_of_line()
            self.flags = flags
            return result
        if character == "R":
            return r"(?:\r\n|[\n\x0B\f\r\x85\u2028\u2029])"
        if character == "X":
            return r"\X"
        if character == "k":
            end = self.source.find(">", self.position)
            name = self.source[self.position + 1 : end] if self._peek() == "<" and end > 0 else ""
            if name not in self.names:
                raise self._error(f"named capturing group <{name}> does not exist")
            self.position = end + 1
            return f"(?P={name})"
        if character in "123456789":
            return self._back_reference(int(character))
        members = self._set_escape(character)
        if members is not None:
            return members
        return self._literal(self._character_escape(character))

    def _back_reference(self, number: int) -> str:
        """More digits belong to the number as long as such a group has been opened."""
        while self._peek().isascii() and self._peek().isdecimal() and number * 10 + int(self._peek()) <= self.groups:
            number = number * 10 + int(self._next())
        if number > self.groups:
            return r"(?!)"  # Java: a reference to a group that does not exist (yet) never matches.
        return rf"(?:\g<{number}>)"

    def _set_escape(self, character: str) -> str | None:
        """`\\d`, `\\p{…}` and their like as a class of their own; None for others."""
        lower = character.lower()
        if lower in _SETS:
            members = _UNICODE_SETS.get(lower, _SETS[lower]) if "U" in self.flags else _SETS[lower]
            return f"[{'^' if character != lower else ''}{members}]"
        if lower == "p":
            if self._take("{"):
                end = self.source.find("}", self.position)
                if end < 0:
                    raise self._error("Unclosed character family")
                name = self.source[self.position : end]
                self.position = end + 1
            else:
                name = self._next()
            return f"[{'^' if character == 'P' else ''}{self._property(name)}]"
        return None

    def _property(self, name: str) -> str:
        if name in _POSIX:
            return _POSIX[name]
        candidates = [name]
        if name.startswith("Is"):
            candidates = [name[2:]]
        elif name.startswith("In"):
            candidates = ["block=" + name[2:]]
        for candidate in candidates:
            try:
                regex.compile(rf"\p{{{candidate}}}", regex.V1)
            except regex.error:
                continue
            if all(c.isalnum() or c in "_-= " for c in candidate):
                return rf"\p{{{candidate}}}"
        raise self._error(f"Unknown character property name {{{name}}}")

    def _character_escape(self, character: str) -> str:
        """The character that an escape stands for."""
        if character in _CONTROLS:
            return chr(_CONTROLS[character])
        if character == "x":
            if self._take("{"):
                end = self.source.find("}", self.position)
                digits = self.source[self.position : end] if end > 0 else ""
                self.position = end + 1
            else:
                digits = self._next() + self._next()
            return self._from_digits(digits, 16)
        if character == "u":
            return self._utf16_escape()
        if character == "0":
            digits = ""
            while (
                self._peek() and self._peek() in "01234567" and len(digits) < 3 and int(digits + self._peek(), 8) < 256
            ):
                digits += self._next()
            return self._from_digits(digits, 8)
        if character == "c":
            return chr(ord(self._next()) ^ 64)
        if character == "N" and self._peek() == "{":
            raise self._error("\\N{…} is not supported")
        if character.isascii() and character.isalpha():
            raise self._error("Illegal/unsupported escape sequence")
        return character

    def _utf16_escape(self) -> str:
        digits = "".join(self._next() for _ in range(4))
        unit = self._from_digits(digits, 16)
        if "\ud800" <= unit <= "\udbff" and self.source.startswith("\\u", self.position):
            low = self.source[self.position + 2 : self.position + 6]
            if len(low) == 4 and set(low) <= _HEX and 0xDC00 <= int(low, 16) <= 0xDFFF:
                self.position += 6
                return chr(0x10000 + ((ord(unit) - 0xD800) << 10) + (int(low, 16) - 0xDC00))
        return unit

    def _from_digits(self, digits: str, base: int) -> str:
        if not digits or not set(digits) <= _HEX or int(digits, base) > 0x10FFFF:
            raise self._error("Illegal hexadecimal or octal escape sequence")
        return chr(int(digits, base))

    # --- character classes ---

    def _class(self) -> str:
        """Behind the opening bracket: operands of `&&`, each a union. Written as `[^[a][b]&&[c]]`."""
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise self._error("Nested too deeply")
        negated = self._take("^")
        operands: list[list[str]] = [[]]
        first = True
        while True:
            self._skip_comments()
            if self._take("&&"):
                operands.append([])
                while self._take("&"):
                    pass
            elif self._peek() == "]" and not first:
                self.position += 1
                break
            elif self._peek() == "[":
                self.position += 1
                operands[-1].append(self._class())
            elif self._take("\\Q"):
                end = self.source.find("\\E", self.position)
                if end < 0:
                    raise self._error("Unclosed character class")
                operands[-1].extend(_code(ord(c)) for c in self.source[self.position : end])
                self.position = end + 2
            elif not self._peek():
                raise self._error("Unclosed character class")
            else:
                operands[-1].append(self._class_member())
            first = False
        self.depth -= 1
        written = ["".join(members) for members in operands if members]
        if not written:
            raise self._error("Bad class syntax")
        inner = written[0] if len(written) == 1 else "&&".join(f"[{members}]" for members in written)
        return f"[{'^' if negated else ''}{inner}]"

    def _class_member(self) -> str:
        """A character, a range, or an escape that stands for a set."""
        start = self._class_character()
        if len(start) > 1:
            return start
        following = self.source[self.position + 1 : self.position + 2]
        if (
            self._peek() == "-"
            and following
            and following not in "[]"
            and not self.source.startswith("&&", self.position + 1)
        ):
            position = self.position
            self.position += 1
            end = self._class_character()
            if len(end) > 1:
                self.position = position
                return _code(ord(start))
            if end < start:
                raise self._error("Illegal character range")
            return f"{_code(ord(start))}-{_code(ord(end))}"
        return _code(ord(start))

    def _class_character(self) -> str:
        """One character, or the text of a set."""
        character = self._next()
        if character != "\\":
            return character
        character = self._next()
        return self._set_escape(character) or self._character_escape(character)


def _code(point: int) -> str:
    """A character by its code: nothing in it can be taken for syntax."""
    character = chr(point)
    if _word_character.match(character):
        return character
    if point < 0x100:
        return f"\\x{point:02X}"
    if point < 0x10000:
        return f"\\u{point:04X}"
    return f"\\U{point:08X}"
