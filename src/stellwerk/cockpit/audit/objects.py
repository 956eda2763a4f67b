"""Which objects a request is about, told from its members. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from stellwerk.cockpit.inventory.names import folder_of, name_of, normalized

ORDER = "ORDER"
MAXIMUM_OBJECTS = 1000


class AuditedObject(msgspec.Struct, frozen=True):
    """An object of the inventory by type and path, or an order by its id; an order's folder is not known here."""

    type: str
    path: str

    @property
    def folder(self) -> str | None:
        return None if self.type == ORDER else folder_of(self.path)

    @property
    def name(self) -> str:
        return self.path if self.type == ORDER else name_of(self.path)


def _workflow(value: Any) -> Iterator[AuditedObject]:
    for one in value if isinstance(value, list) else [value]:
        path = one.get("path") if isinstance(one, dict) else one
        if isinstance(path, str) and path:
            yield AuditedObject("WORKFLOW", normalized(path))


def _order(value: Any) -> Iterator[AuditedObject]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one:
            yield AuditedObject(ORDER, one)


#: Members that name objects of a known type.
_MEMBERS: dict[str, Callable[[Any], Iterator[AuditedObject]]] = {
    "workflowPath": _workflow,
    "workflowPaths": _workflow,
    "workflowId": _workflow,
    "workflowIds": _workflow,
    "orderId": _order,
    "orderIds": _order,
}
#: The contents of objects name others, which the call does not change.
_CONTENTS = ("configuration", "arguments", "variables")


def objects_of(request: Any) -> list[AuditedObject]:
    """The objects that a request names, each once, at most `MAXIMUM_OBJECTS`."""
    found: dict[AuditedObject, None] = {}
    for one in _walk(request):
        found[one] = None
        if len(found) == MAXIMUM_OBJECTS:
            break
    return list(found)


def _walk(value: Any) -> Iterator[AuditedObject]:
    if isinstance(value, list):
        for element in value:
            yield from _walk(element)
    elif isinstance(value, dict):
        path, type_ = value.get("path"), value.get("objectType")
        if isinstance(path, str) and isinstance(type_, str) and path and type_:
            yield AuditedObject(type_, normalized(path))
        for name, member in value.items():
            if name in _MEMBERS:
                yield from _MEMBERS[name](member)
            elif name not in _CONTENTS or (isinstance(member, dict) and "objectType" in member):
                yield from _walk(member)
