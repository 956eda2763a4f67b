"""Where in a JSON text a JSON path stands: line and column, for people and editors.

Paths are those of `stellwerk.language.reader`: `$.instructions[0].label`.
"""

from __future__ import annotations

import contextlib
import json
import re

import msgspec

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_decode_string = json.decoder.scanstring  # type: ignore[attr-defined]
#: Deeper texts are refused by the reader, too.
_MAXIMUM_DEPTH = 200


class Place(msgspec.Struct, frozen=True):
    """1-based."""

    line: int
    column: int


class JsonPlaces:
    """The places of all values of a text; a text that is no JSON has those before the error."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offsets: dict[str, int] = {}
        # The reader says what is wrong with a text that is no JSON.
        with contextlib.suppress(ValueError, IndexError):
            self._value(0, "$", 0)

    def place(self, path: str) -> Place:
        """The place of a path; if it is not in the text (a member is missing), of what encloses it."""
        while path not in self._offsets:
            if path in ("", "$"):
                return Place(1, 1)
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else "$"
        return self.place_at(self._offsets[path])

    def place_at(self, offset: int) -> Place:
        line = self._text.count("\n", 0, offset) + 1
        return Place(line, offset - self._text.rfind("\n", 0, offset))

    def _skip(self, index: int) -> int:
        match = _SPACE.match(self._text, index)
        assert match is not None
        return match.end()

    def _value(self, index: int, path: str, depth: int) -> int:
        index = self._skip(index)
        self._offsets.setdefault(path, index)
        if depth > _MAXIMUM_DEPTH:
            raise ValueError("too deep")
        character = self._text[index]
        if character == "{":
            return self._object(index + 1, path, depth)
        if character == "[":
            return self._array(index + 1, path, depth)
        if character == '"':
            return int(_decode_string(self._text, index + 1, True)[1])
        match = _SCALAR.match(self._text, index)
        if match is None:
            raise ValueError("no value")
        return match.end()

    def _object(self, index: int, path: str, depth: int) -> int:
        index = self._skip(index)
        while self._text[index] != "}":
            start = index
            name, index = _decode_string(self._text, index + 1, True)
            index = self._skip(index)
            if self._text[index] != ":":
                raise ValueError("no colon")
            member = f"{path}.{name}"
            # A member's place is that of its name: this is what an author looks for.
            self._offsets[member] = start
            index = self._skip(self._value(index + 1, member, depth + 1))
            if self._text[index] == ",":
                index = self._skip(index + 1)
        return index + 1

    def _array(self, index: int, path: str, depth: int) -> int:
        index = self._skip(index)
        number = 0
        while self._text[index] != "]":
            index = self._skip(self._value(index, f"{path}[{number}]", depth + 1))
            number += 1
            if self._text[index] == ",":
                index = self._skip(index + 1)
        return index + 1
