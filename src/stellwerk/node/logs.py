"""Logs of a component: structured, one line an entry, text for people or JSON for machines.

Whatever is logged through `logging` goes through structlog's processors: control characters of untrusted text are
escaped, so that a line stays a line; a correlation id stands in each entry that a command or event has caused.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from stellwerk.effects.correlation import correlation_id
from stellwerk.values.json import encode


def _add_correlation(logger: Any, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    value = correlation_id.get()
    if value is not None:
        entry["correlation"] = value
    return entry


def _escape(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _escape_controls(logger: Any, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in entry.items():
        if isinstance(value, str) and key != "exception":
            entry[key] = _escape(value)
    return entry


def set_up_logs(level: str, as_json: bool) -> None:
    """Log to standard error, which `up` or the service manager keeps. Raises `ValueError` for an unknown level."""
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        raise ValueError(f"log.level {level!r} is unknown: use DEBUG, INFO, WARNING or ERROR")
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_correlation,
        structlog.processors.format_exc_info,
        _escape_controls,
    ]
    last: Any
    if as_json:
        last = structlog.processors.JSONRenderer(serializer=lambda value, **_: encode(value).decode())
    else:
        last = structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.getLogger("asyncio").setLevel(max(number, logging.WARNING))
