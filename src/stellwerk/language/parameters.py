"""Order preparation: declared parameters and the check of given arguments (workflow spec 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from stellwerk.language.expressions import Expression, type_name
from stellwerk.language.reader import Reader
from stellwerk.values.problems import Problem

_SIMPLE = ("String", "Number", "Boolean", "Any")


class ParameterType(msgspec.Struct, frozen=True):
    """`String`, `Number`, `Boolean`, `Any`, or `List` of an element type, or `Object` with typed fields."""

    kind: str = "Any"
    element: ParameterType | None = None
    fields: tuple[tuple[str, ParameterType], ...] = ()

    def __str__(self) -> str:
        if self.kind == "List":
            return f"List({self.element})"
        if self.kind == "Object":
            return "Object(" + ", ".join(f"{name}: {type_}" for name, type_ in self.fields) + ")"
        return self.kind

    @classmethod
    def read_json(cls, value: Any, path: str, reader: Reader) -> Any:
        if isinstance(value, str):
            if value in _SIMPLE:
                return cls(value)
            return reader.problem(path, f"unknown type {value!r}", f"known: {', '.join(_SIMPLE)}, List, Object")
        if isinstance(value, dict) and value.get("TYPE") == "List":
            element = cls.read_json(value.get("elementType"), f"{path}.elementType", reader)
            return cls("List", element=element) if isinstance(element, cls) else element
        if isinstance(value, dict) and value.get("TYPE") == "Object":
            fields = []
            for name, field in value.items():
                if name != "TYPE":
                    type_ = cls.read_json(field, f"{path}.{name}", reader)
                    if not isinstance(type_, cls):
                        return type_
                    fields.append((name, type_))
            return cls("Object", fields=tuple(fields))
        return reader.problem(path, "a type name or an object with TYPE List or Object is expected")

    def mismatches(self, path: str, value: Any) -> list[Problem]:
        """Why the value does not fit; nothing is converted."""
        if self.kind == "Any":
            return []
        if self.kind == "List":
            if not isinstance(value, list):
                return [self._wrong(path, value)]
            assert self.element is not None
            return [
                problem
                for index, item in enumerate(value)
                for problem in self.element.mismatches(f"{path}[{index}]", item)
            ]
        if self.kind == "Object":
            if not isinstance(value, dict):
                return [self._wrong(path, value)]
            declared = dict(self.fields)
            problems = []
            missing = [name for name in declared if name not in value]
            undeclared = [name for name in value if name not in declared]
            if missing:
                problems.append(Problem.of("MissingObjectFields", path=path, names=", ".join(missing)))
            if undeclared:
                problems.append(Problem.of("UndeclaredObjectFields", path=path, names=", ".join(undeclared)))
            for name, type_ in self.fields:
                if name in value:
                    problems += type_.mismatches(f"{path}.{name}", value[name])
            return problems
        fits = {
            "String": isinstance(value, str),
            "Boolean": isinstance(value, bool),
            "Number": isinstance(value, int | Decimal) and not isinstance(value, bool),
        }[self.kind]
        return [] if fits else [self._wrong(path, value)]

    def _wrong(self, path: str, value: Any) -> Problem:
        return Problem.of("WrongValueType", name=path, type=type_name(value), expectedType=str(self))


ANY = ParameterType()


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """`default` is looked at before `final`; with neither the argument is required."""

    type: ParameterType = ANY
    default: Expression | None = None
    final: Expression | None = None

    @property
    def is_required(self) -> bool:
        return self.default is None and self.final is None

    @property
    def is_final(self) -> bool:
        return self.default is None and self.final is not None

    @property
    def expression(self) -> Expression | None:
        return self.default if self.default is not None else self.final


class OrderPreparation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The declared parameters. Absent in the workflow: everything is allowed."""

    parameters: dict[str, Parameter] = {}
    allow_undeclared: bool = False

    def problems(self, arguments: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with the arguments of a new order, in the order of the specification (5.2, 1 to 4)."""
        found: list[Problem] = []
        if not self.allow_undeclared:
            found += [
                Problem.of("UndeclaredOrderArgument", name=name) for name in arguments if name not in self.parameters
            ]
        for name, parameter in self.parameters.items():
            if parameter.is_required and name not in arguments:
                found.append(Problem.of("MissingOrderArgument", name=name, type=str(parameter.type)))
            elif name in arguments:
                if parameter.is_final:
                    found.append(Problem.of("FinalOrderArgument", name=name))
                else:
                    found += parameter.type.mismatches(name, arguments[name])
        return found


NO_PREPARATION = OrderPreparation(allow_undeclared=True)
