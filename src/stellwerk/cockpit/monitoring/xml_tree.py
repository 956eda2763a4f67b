"""XML text → elements with their lines. Pure.

No document type is read, so there are no entities that could name files or grow; size and depth are limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

import msgspec

MAXIMUM_CHARACTERS = 1_000_000
MAXIMUM_DEPTH = 50


class XmlError(Exception):
    """`line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class Element(msgspec.Struct):
    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = []

    def all(self, name: str) -> Iterator[Element]:
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        return next(self.all(name), None)


def read_xml(text: str) -> Element:
    """The root element. Raises `XmlError`."""
    if len(text) > MAXIMUM_CHARACTERS:
        raise XmlError(f"a configuration may have {MAXIMUM_CHARACTERS} characters")
    parser = expat.ParserCreate()
    root = Element("", {}, 1)
    stack = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > MAXIMUM_DEPTH:
            raise XmlError("elements are nested too deeply", parser.CurrentLineNumber)
        element = Element(name, attributes, parser.CurrentLineNumber, children=[])
        stack[-1].children.append(element)
        stack.append(element)

    def end(name: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        stack[-1].text += data

    def document_type(*_: object) -> None:
        raise XmlError("a document type (<!DOCTYPE …>) is not allowed here; remove it", parser.CurrentLineNumber)

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        raise XmlError(f"this is no well-formed XML: {message}", error.lineno, error.offset + 1) from None
    return root.children[0]
