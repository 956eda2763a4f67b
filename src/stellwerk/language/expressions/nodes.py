"""Nodes for constants, structures, interpolation, access to elements, `if`, and function literals.

Names are in `names.py`, operators in `operators.py`, function calls in `functions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stellwerk.language.expressions import errors
from stellwerk.language.expressions.expression import (
    IF,
    POSTFIX,
    WORD,
    Expression,
    write_list,
    write_operand,
    write_suffixed,
)
from stellwerk.language.expressions.identifiers import continues_name, is_digits, quote_identifier, variable_reference
from stellwerk.language.expressions.names import NamedValue
from stellwerk.language.expressions.scope import ChildScope, Scope
from stellwerk.language.expressions.values import (
    as_boolean,
    as_integer,
    as_list,
    as_object,
    escape_double_quoted,
    literal,
    quote_string,
    to_string,
)
from stellwerk.values.json import JsonValue


class Constant(Expression):
    """`missing`, a boolean, a number, or a string."""

    __slots__ = ("value",)
    is_constant = True

    def __init__(self, value: JsonValue) -> None:
        self.value = value
        super().__init__()

    def evaluate(self, scope: Scope) -> JsonValue:
        return self.value

    def write(self, out: list[str]) -> None:
        out.append(quote_string(self.value) if type(self.value) is str else literal(self.value))


class ListLiteral(Expression):
    """`[a, b]`"""

    __slots__ = ("elements", "is_constant")

    def __init__(self, elements: Sequence[Expression]) -> None:
        self.elements = tuple(elements)
        self.is_constant = all(element.is_constant for element in self.elements)
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return self.elements

    def evaluate(self, scope: Scope) -> JsonValue:
        return [element.evaluate(scope) for element in self.elements]

    def write(self, out: list[str]) -> None:
        out.append("[")
        write_list(out, self.elements)
        out.append("]")


class ObjectLiteral(Expression):
    """`{k:v, k2:v2}`"""

    __slots__ = ("is_constant", "members")

    def __init__(self, members: Mapping[str, Expression]) -> None:
        self.members = dict(members)
        self.is_constant = all(member.is_constant for member in self.members.values())
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return tuple(self.members.values())

    def evaluate(self, scope: Scope) -> JsonValue:
        return {name: member.evaluate(scope) for name, member in self.members.items()}

    def write(self, out: list[str]) -> None:
        out.append("{")
        for index, (name, member) in enumerate(self.members.items()):
            out.append(f", {quote_identifier(name)}:" if index else f"{quote_identifier(name)}:")
            member.write(out)
        out.append("}")


class Interpolation(Expression):
    """`"text $name $(expression)"`; parts that are `str` are constant."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[str | Expression]) -> None:
        self.parts = tuple(parts)
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return [part for part in self.parts if isinstance(part, Expression)]

    def evaluate(self, scope: Scope) -> JsonValue:
        return "".join([p if type(p) is str else to_string(p.evaluate(scope)) for p in self.parts])  # type: ignore[union-attr]

    def write(self, out: list[str]) -> None:
        out.append('"')
        for index, part in enumerate(self.parts):
            if isinstance(part, str):
                out.append(escape_double_quoted(part))
                continue
            following_part = self.parts[index + 1] if index + 1 < len(self.parts) else ""
            following = following_part if isinstance(following_part, str) else ""
            reference = None
            if type(part) is NamedValue:
                reference = variable_reference(part.name, quoted=continues_name(following) or is_digits(part.name))
            # A backtick behind a quoted name would be read as its part.
            doubled = reference is not None and reference.endswith("`") and following[:1] == "`"
            if reference is not None and not doubled:
                out.append(reference)
            else:
                out.append("$(")
                part.write(out)
                out.append(")")
        out.append('"')


class Element(Expression):
    """`list(index)`"""

    __slots__ = ("elements", "index")
    precedence = POSTFIX

    def __init__(self, elements: Expression, index: Expression) -> None:
        self.elements = elements
        self.index = index
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.elements, self.index)

    def evaluate(self, scope: Scope) -> JsonValue:
        value = self.elements.evaluate(scope)
        index_value = self.index.evaluate(scope)
        if value is None:
            return None
        elements = as_list(value)
        if index_value is None:
            return None
        index = as_integer(index_value)
        if not 0 <= index < len(elements):
            raise errors.index_out_of_range(index, len(elements))
        return elements[index]

    def write(self, out: list[str]) -> None:
        write_suffixed(out, self.elements, "(")
        self.index.write(out)
        out.append(")")


#: Suffixes that the parser reads as function calls when they stand alone (workflow spec 6.2).
LEGACY_SUFFIXES: Final = frozenset({"toNumber", "toBoolean", "stripMargin", "mkString"})


class Field(Expression):
    """`object.name`"""

    __slots__ = ("name", "object")
    precedence = POSTFIX

    def __init__(self, object_: Expression, name: str) -> None:
        self.object = object_
        self.name = name
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.object,)

    def evaluate(self, scope: Scope) -> JsonValue:
        value = self.object.evaluate(scope)
        if value is None:
            return None
        members = as_object(value)
        if self.name not in members:
            raise errors.unknown_name(self.name)
        return members[self.name]

    def write(self, out: list[str]) -> None:
        write_suffixed(out, self.object, ".")
        out.append(quote_identifier(self.name, always=self.name in LEGACY_SUFFIXES))


class IfThenElse(Expression):
    """`if condition then a else b`; chains of `else if` are walked without recursion."""

    __slots__ = ("condition", "otherwise", "then")
    precedence = IF

    def __init__(self, condition: Expression, then: Expression, otherwise: Expression) -> None:
        self.condition = condition
        self.then = then
        self.otherwise = otherwise
        super().__init__()

    def children(self) -> Sequence[Expression]:
        return (self.condition, self.then, self.otherwise)

    def evaluate(self, scope: Scope) -> JsonValue:
        node: Expression = self
        while type(node) is IfThenElse:
            condition = node.condition.evaluate(scope)
            if condition is None:
                return None
            if as_boolean(condition):
                return node.then.evaluate(scope)
            node = node.otherwise
        return node.evaluate(scope)

    def write(self, out: list[str]) -> None:
        node: Expression = self
        while type(node) is IfThenElse:
            out.append("if ")
            write_operand(out, node.condition, WORD)
            out.append(" then ")
            node.then.write(out)
            out.append(" else ")
            node = node.otherwise
        node.write(out)


class Function(Expression):
    """`x => e`, `(x,y) => e`: parameters in front of the scope (workflow spec 6.2)."""

    __slots__ = ("body", "parameters")
    precedence = IF

    def __init__(self, parameters: Sequence[str], body: Expression) -> None:
        self.parameters = tuple(parameters)
        self.body = body
        super().__init__()

    @property
    def parameter_count(self) -> int:
        return len(self.parameters)

    def children(self) -> Sequence[Expression]:
        return (self.body,)

    def call(self, arguments: Sequence[JsonValue], scope: Scope) -> JsonValue:
        """The body's value. A parameter without argument stays unbound: it is an unknown name where it is used."""
        return self.body.evaluate(ChildScope(scope, dict(zip(self.parameters, arguments, strict=False))))

    def evaluate(self, scope: Scope) -> JsonValue:
        # A function is the one value that has no JSON form.
        return FunctionValue(self, scope)  # type: ignore[return-value]

    def write(self, out: list[str]) -> None:
        names = [quote_identifier(name) for name in self.parameters]
        out.append(f"{names[0]} => " if len(names) == 1 else f"({','.join(names)}) => ")
        self.body.write(out)


class FunctionValue:
    """What a function literal evaluates to: the function with the scope of its definition."""

    __slots__ = ("function", "scope")

    def __init__(self, function: Function, scope: Scope) -> None:
        self.function = function
        self.scope = scope

    def call(self, arguments: Sequence[JsonValue]) -> JsonValue:
        return self.function.call(arguments, self.scope)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionValue) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __str__(self) -> str:
        return self.function.canonical()
