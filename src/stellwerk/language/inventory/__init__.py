"""The Cockpit's inventory spelling and the engine's spelling of workflows and items, both directions (workflow spec 9).

Guarantees: conversion is total and pure. It renames, rewrites and quotes, and hands on unchanged whatever it does not
understand, so that the checking reader of the engine spelling (`stellwerk.language.reader`) finds it;
`Conversion.inventory_path` then tells where a finding stands in what the person wrote. Only what the engine spelling
cannot show (an unknown Agent name, an include script that has not been released) is reported by the conversion itself.

Must not know: databases, Controllers, which items exist; a `Target` brings along what depends on an installation.
"""

from collections.abc import Callable, Mapping
from typing import Any

from stellwerk.language.inventory.conversion import Conversion, Target
from stellwerk.language.inventory.items import (
    board_from_engine,
    board_to_engine,
    file_order_source_to_engine,
    job_resource_from_engine,
    job_resource_to_engine,
    lock_from_engine,
    lock_to_engine,
)
from stellwerk.language.inventory.quoting import expression_or_string, quote_unless_typed
from stellwerk.language.inventory.shown_positions import with_positions
from stellwerk.language.inventory.workflow import workflow_from_engine, workflow_to_engine

#: Type of an inventory object, in the Cockpit's word → how it becomes what a Controller understands.
CONVERSIONS: Mapping[str, Callable[[Any, Target], Conversion]] = {
    "WORKFLOW": workflow_to_engine,
    "JOBRESOURCE": job_resource_to_engine,
    "LOCK": lock_to_engine,
    "NOTICEBOARD": board_to_engine,
    "FILEORDERSOURCE": file_order_source_to_engine,
}

__all__ = [
    "CONVERSIONS",
    "Conversion",
    "Target",
    "board_from_engine",
    "board_to_engine",
    "expression_or_string",
    "file_order_source_to_engine",
    "job_resource_from_engine",
    "job_resource_to_engine",
    "lock_from_engine",
    "lock_to_engine",
    "quote_unless_typed",
    "with_positions",
    "workflow_from_engine",
    "workflow_to_engine",
]
