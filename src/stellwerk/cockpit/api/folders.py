"""Which folders the account of a call may see (cockpit-api 1.10)."""

from __future__ import annotations

from stellwerk.cockpit.api.routes import RequestContext


def folder_permitted(context: RequestContext, path: str) -> bool:
    """Whether the caller may see the object at `path`; until roles are restricted to folders: everybody."""
    return True
