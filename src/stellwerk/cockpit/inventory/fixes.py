"""Suffixes and prefixes that make names free: for copies, imports and what comes back from the trash (cockpit-services
1.5, 1.10).

A fix stands at the end (`LOAD-copy`) or at the beginning (`copy-LOAD`); where that is taken it gets a number
(`LOAD-copy1`), and a fix of the same kind is replaced, never stacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.inventory import rows
from stellwerk.cockpit.inventory.references import Reference
from stellwerk.cockpit.inventory.transaction import InventoryTransaction
from stellwerk.cockpit.inventory.types import ObjectType, name_space
from stellwerk.language.inventory.names import name_fault


class Fix(msgspec.Struct, frozen=True):
    """What is put to a name. `was_given`: a person has asked for it, so that also free names get it."""

    text: str
    is_suffix: bool = True
    was_given: bool = True

    @classmethod
    def of(cls, suffix: str | None, prefix: str | None, default_suffix: str) -> Fix:
        """Suffix beats prefix; neither: the default, for names that are taken only. Raises `BadRequest`."""
        for text, is_suffix in ((suffix, True), (prefix, False)):
            if text:
                fault = name_fault(text)
                if fault is not None:
                    raise BadRequest(f"{'suffix' if is_suffix else 'prefix'} {text!r} is not possible: {fault}")
                return cls(text, is_suffix)
        return cls(default_suffix, was_given=False)

    def candidates(self, name: str) -> Iterator[str]:
        """`LOAD` → LOAD-copy, LOAD-copy1, LOAD-copy2, … without end."""
        text = re.escape(self.text)
        base = re.sub(rf"-{text}\d*\Z" if self.is_suffix else rf"\A{text}\d*-", "", name)
        number = 0
        while True:
            fix = f"{self.text}{number or ''}"
            yield f"{base}-{fix}" if self.is_suffix else f"{fix}-{base}"
            number += 1


async def free_names(transaction: InventoryTransaction, objects: Iterable[Reference], fix: Fix) -> list[str]:
    """A name for each object: with the fix if it was given, else only where the name is taken, also by one before."""
    chosen: list[str] = []
    used: set[tuple[tuple[ObjectType, ...], str]] = set()

    async def is_taken(type_: ObjectType, name: str) -> bool:
        if (name_space(type_), name.lower()) in used:
            return True
        return await transaction.find(rows.named(type_, name)) is not None

    for item in objects:
        name = item.name
        if fix.was_given or await is_taken(item.type, name):
            for name in fix.candidates(item.name):
                if not await is_taken(item.type, name):
                    break
        chosen.append(name)
        used.add((name_space(item.type), name.lower()))
    return chosen
