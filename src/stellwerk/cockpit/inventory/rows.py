"""Rows of the inventory as values, and the conditions by which they are found."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, func

from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.inventory import names
from stellwerk.cockpit.inventory.types import ObjectType, name_space
from stellwerk.values.json import decode


class ListedObject(msgspec.Struct, frozen=True):
    """One row of the inventory without its content: for lists, of which there may be tens of thousands."""

    id: int
    type: ObjectType
    path: str
    name: str
    folder: str
    title: str | None
    valid: bool
    deleted: bool
    deployed: bool
    released: bool
    modified: int

    @property
    def is_draft(self) -> bool:
        """What it says differs from what has been deployed or released."""
        return not (self.deployed or self.released)


class StoredObject(ListedObject, frozen=True, kw_only=True):
    """One row of the inventory."""

    content: str | None
    invalid_message: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> StoredObject:
        values = row._mapping
        return cls(
            **{name: values[name] for name in cls.__struct_fields__ if name != "type"}, type=ObjectType(values["type"])
        )

    @property
    def configuration(self) -> Any:
        return None if self.content is None else decode(self.content)


def identity(type_: ObjectType, path: str) -> dict[str, Any]:
    """The columns that say which object it is."""
    name = names.name_of(path)
    return {
        "type": int(type_),
        "path": path,
        "name": name,
        "name_key": name.lower(),
        "folder": names.folder_of(path),
    }


#: The columns of a `ListedObject`, in its order.
LISTED = [inv_configurations.c[name] for name in ListedObject.__struct_fields__]


def listed(row: Row[Any]) -> ListedObject:
    """From a row of `LISTED`."""
    values = list(row)
    values[1] = ObjectType(values[1])
    return ListedObject(*values)


def at(type_: ObjectType, path: str) -> Any:
    return (inv_configurations.c.type == int(type_)) & (inv_configurations.c.path == path)


def named(type_: ObjectType, name: str) -> Any:
    """Whatever has this name in the name space of a type, without regard to case."""
    types = [int(item) for item in name_space(type_)]
    return inv_configurations.c.type.in_(types) & (inv_configurations.c.name_key == name.lower())


def in_folder(table: Any, folder: str, *, recursive: bool) -> Any:
    """Objects of a folder of `inv_configurations` or the trash; with `recursive` those below it, too."""
    if not recursive:
        return (table.c.folder == folder) & (table.c.path != "/")
    if folder == "/":
        return table.c.path != "/"
    # Not LIKE: SQLite's does not tell upper from lower case.
    prefix = folder + "/"
    return (table.c.folder == folder) | (func.substr(table.c.folder, 1, len(prefix)) == prefix)
