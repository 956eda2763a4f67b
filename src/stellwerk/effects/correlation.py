"""The correlation id: by which log lines of several components are found that one cause has brought.

It is told in the header `x-js7-correlation-id` (journal spec 3.1), from the person's request at the Cockpit to the
Controller's command, and stands in each log line. It is for logs only: nothing decides by it.
"""

from __future__ import annotations

from contextvars import ContextVar

HEADER = "x-js7-correlation-id"
_LONGEST = 100

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def accept_correlation_id(text: str | None) -> None:
    """Take over the id that a client has sent, as far as it is printable."""
    if text:
        cleaned = "".join(c for c in text[:_LONGEST] if c.isascii() and c.isprintable())
        correlation_id.set(cleaned or None)
